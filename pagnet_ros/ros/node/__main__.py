"""``python -m pagnet_ros.ros.node``."""

import sys

from pagnet_ros.ros.node.node import main

if __name__ == "__main__":
    sys.exit(main())
