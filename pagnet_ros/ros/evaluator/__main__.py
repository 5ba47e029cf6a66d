"""``python -m pagnet_ros.ros.evaluator``."""

import sys

from pagnet_ros.system.threads import wait_passively

wait_passively()  # before torch is imported

from pagnet_ros.ros.evaluator.node import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
