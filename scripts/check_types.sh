#!/usr/bin/env bash
# mypy over everything. NumPy's types differ from release to release, so they are only checked against the one that
# constraints.txt names; where another must stay (Python 3.10, an installed ROS 2) that is said, and nothing is checked.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
wanted=$(sed -n 's/^numpy==\([0-9.]*\).*/\1/p' constraints.txt)
found=$(python -c 'import numpy; print(numpy.__version__)')
if [ "$found" != "$wanted" ]; then
    echo "types not checked: NumPy is $found here, and they are written for $wanted (Python 3.11 or newer, ROS 2 as wheels)"
    exit 0
fi
mypy
mypy -p pagnet_training
