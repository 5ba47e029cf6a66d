"""``python -m pagnet_ros.doctor``."""

import sys

from pagnet_ros.doctor.cli import main

if __name__ == "__main__":
    sys.exit(main())
