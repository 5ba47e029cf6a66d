# shellcheck shell=bash
# Decides which ROS 2 and which environment this checkout runs in. Sourced by setup.sh and run.sh, so both always agree.
#
# Sets ROS_SOURCE (installed, or the release whose wheels are used: jazzy, kilted), VENV (the environment's folder) and ROS_SAYS
# (why, in words). The two ways to have ROS 2 must never meet in one process, so with wheels every trace of a sourced ROS 2 is
# taken out of the environment.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

fail() {
    printf '\nset-up stopped: %s\n' "$*" >&2
    exit 1
}

has_installed_ros() {
    [ -n "${ROS_DISTRO:-}" ] && [ -n "${AMENT_PREFIX_PATH:-}" ] && "${PYTHON:-python3}" -c 'import rclpy' 2>/dev/null
}

# A value with the entries below any of the sourced prefixes left out: without_ros "$PYTHONPATH"
without_ros() {
    local kept="" entry prefix IFS=:
    for entry in $1; do
        for prefix in $AMENT_PREFIX_PATH; do
            case "$entry/" in "$prefix"/*) continue 2 ;; esac
        done
        kept="${kept:+$kept:}$entry"
    done
    printf '%s' "$kept"
}

leave_installed_ros() {
    [ -n "${AMENT_PREFIX_PATH:-}" ] || return 0
    local name
    for name in PATH PYTHONPATH LD_LIBRARY_PATH; do
        [ -z "${!name:-}" ] || export "$name=$(without_ros "${!name}")"
    done
    unset AMENT_PREFIX_PATH CMAKE_PREFIX_PATH COLCON_PREFIX_PATH ROS_DISTRO RMW_IMPLEMENTATION
}

wanted=${ROS:-auto}
case $wanted in
    auto)
        if has_installed_ros; then
            ROS_SOURCE=installed
            ROS_SAYS="ROS 2 $ROS_DISTRO as installed and sourced (no wheels)"
        else
            ROS_SOURCE=jazzy
            ROS_SAYS="ROS 2 Jazzy as pip wheels (no ROS 2 is sourced)"
            [ -z "${AMENT_PREFIX_PATH:-}" ] || ROS_SAYS="ROS 2 Jazzy as pip wheels (one is sourced, but ${PYTHON:-python3} cannot import its rclpy)"
        fi
        ;;
    installed)
        has_installed_ros || fail "ROS=installed, but no ROS 2 is sourced here that ${PYTHON:-python3} can import; run
  source /opt/ros/<distro>/setup.bash    first, or leave ROS out to get ROS 2 as pip wheels."
        ROS_SOURCE=installed
        ROS_SAYS="ROS 2 $ROS_DISTRO as installed and sourced (no wheels)"
        ;;
    jazzy | kilted)
        ROS_SOURCE=$wanted
        ROS_SAYS="ROS 2 $wanted as pip wheels (asked for by ROS=$wanted)"
        ;;
    *) fail "ROS=$wanted is not known; expected jazzy or kilted (pip wheels) or installed (a sourced ROS 2)." ;;
esac

case $ROS_SOURCE in
    installed) VENV=$root/.venv-installed ;;
    jazzy) VENV=$root/.venv ;;
    *) VENV=$root/.venv-$ROS_SOURCE ;;
esac
[ "$ROS_SOURCE" = installed ] || leave_installed_ros
