"""``python -m pagnet_ros.demo``."""

import sys

from pagnet_ros.demo import main

if __name__ == "__main__":
    sys.exit(main())
