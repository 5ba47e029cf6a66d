"""``python -m benchmarks.engine``."""

import sys

from pagnet_ros.system.threads import wait_passively

wait_passively()  # before torch is imported

from benchmarks.engine.cli import main  # noqa: E402

if __name__ == "__main__":  # its helper processes import this file too
    sys.exit(main())
