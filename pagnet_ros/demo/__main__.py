"""``python -m pagnet_ros.demo``."""

import sys

from pagnet_ros.demo import main

sys.exit(main())
