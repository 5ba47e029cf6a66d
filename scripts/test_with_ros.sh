#!/usr/bin/env bash
# Runs `make test` with the ROS 2 of this machine or container (Debian packages, as root): scripts/test_with_ros.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
distribution=${ROS_DISTRO:-jazzy}
setup=/opt/ros/$distribution/setup.bash
[ -r "$setup" ] || { printf '%s is not there; install ROS 2 %s, or run this in the container ros:%s\n' "$setup" "$distribution" "$distribution" >&2; exit 1; }
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -qy --no-install-recommends g++ git make python3-pip python3-venv \
    "ros-$distribution-"{cv-bridge,launch-ros,launch-testing,message-filters,ros2launch,tf2-msgs}
set +u
. "$setup"
set -u
git config --global --add safe.directory "$PWD"
ROS=installed make test
