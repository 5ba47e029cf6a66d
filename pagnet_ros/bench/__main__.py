"""``python -m pagnet_ros.bench``."""

import sys

from pagnet_ros.bench.cli import main

if __name__ == "__main__":  # its helper processes import this file too
    sys.exit(main())
