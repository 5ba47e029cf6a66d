"""``python -m pagnet_ros.replay``."""

import sys

from pagnet_ros.replay.cli import main

if __name__ == "__main__":
    sys.exit(main())
