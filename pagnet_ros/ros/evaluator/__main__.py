"""``python -m pagnet_ros.ros.evaluator``."""

import sys

from pagnet_ros.system.start import start

if __name__ == "__main__":
    sys.exit(start("pagnet_ros.ros.evaluator.node"))
