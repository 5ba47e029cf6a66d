#!/usr/bin/env bash
# Runs a command with ROS 2, the package and its Python environment: what a shell gets by sourcing all three.
set -e
for setup in /opt/ros/*/setup.bash /opt/pagnet_ws/install/setup.bash; do
    # shellcheck disable=SC1090
    source "$setup"
done
export PATH="/opt/pagnet_ws/src/pagnet_ros/.venv-installed/bin:$PATH"
exec "$@"
