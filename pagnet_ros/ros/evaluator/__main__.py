"""``python -m pagnet_ros.ros.evaluator``."""

import sys

from pagnet_ros.ros.evaluator.node import main

if __name__ == "__main__":
    sys.exit(main())
