#!/usr/bin/env bash
# Runs a command of the project's environment from the source tree: scripts/run.sh python -m pagnet_ros.demo
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
[ -x "$VENV/bin/python" ] || fail "there is no $VENV yet; run: make setup"
export PATH="$VENV/bin:$PATH" VIRTUAL_ENV="$VENV"
unset PYTHONHOME
# the source comes first, also in child processes that start elsewhere and where a built workspace is sourced
export PYTHONPATH="$VENV/source${PYTHONPATH:+:$PYTHONPATH}" MYPYPATH="$VENV/source"
cd "$root"
exec "$@"
