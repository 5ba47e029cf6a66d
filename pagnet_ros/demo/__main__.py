"""``python -m pagnet_ros.demo``."""

import sys

from pagnet_ros.system.threads import wait_passively

wait_passively()  # before torch is imported

from pagnet_ros.demo.cli import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
