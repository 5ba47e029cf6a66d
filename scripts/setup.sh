#!/usr/bin/env bash
# Makes the environment that `make demo`, `make test` and the rest run in; quick when nothing changed. See `make help`.
#
#   scripts/setup.sh [EXTRAS]     EXTRAS: comma-separated extras of setup.py besides the ROS wheels (default: demo)
#   ROS=jazzy|kilted|installed    which ROS 2 (default: the sourced one if there is one, else Jazzy wheels)
#   PYTHON=python3.12             which Python, instead of the first that fits on PATH
#   TORCH_INDEX=url               where torch comes from, for example PyTorch's own index of CPU builds
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
extras=${1:-demo}
cd "$root"

# ---- which Python: it must start (a pyenv shim may not), be 3.10 to 3.13, and be able to make an environment
python_version() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null; }

fits() {
    case $(python_version "$1") in 3.10 | 3.11 | 3.12 | 3.13) ;; *) return 1 ;; esac
    command -v uv >/dev/null || "$1" -c 'import ensurepip, venv' 2>/dev/null
}

choose_python() {
    local candidate seen=""
    if [ -n "${PYTHON:-}" ] || [ "$ROS_SOURCE" = installed ]; then
        candidate=${PYTHON:-python3}
        fits "$candidate" || fail "$candidate ($(python_version "$candidate" || echo 'does not start')) does not do; expected Python 3.10 to 3.13 with venv
  (Debian, Ubuntu: sudo apt install python3-venv)."
        python=$candidate
        return
    fi
    for candidate in python3 python3.12 python3.11 python3.10 python3.13 python; do
        command -v "$candidate" >/dev/null || continue
        if fits "$candidate"; then
            python=$candidate
            return
        fi
        seen="$seen
    $candidate: $(python_version "$candidate" || echo 'does not start')"
    done
    if command -v uv >/dev/null; then
        python=3.12 # uv brings it along
        return
    fi
    fail "no Python that does: expected 3.10 to 3.13 with venv. On PATH:${seen:- none}
  Install one (Debian, Ubuntu: sudo apt install python3 python3-venv), or name it: make setup PYTHON=/path/to/python3"
}

# ---- what the environment must hold: its fingerprint is kept as a stamp once all is in
fingerprint() {
    {
        cat setup.py setup.cfg pyproject.toml constraints.txt scripts/setup.sh scripts/environment.sh
        echo "$root $ROS_SOURCE $extras ${TORCH_INDEX-}"
        "$VENV/bin/python" -c 'import sys; print(sys.version)'
    } 2>/dev/null | cksum
}

# A copy of the project that was installed into the environment by hand would shadow later changes of the source.
runs_from_source() { grep -qs '"editable": *true' "$VENV"/lib/python3*/site-packages/pagnet_ros-*.dist-info/direct_url.json; }

stamp=$VENV/.stamp-${extras//,/-}
if [ -f "$stamp" ] && runs_from_source && [ "$(cat "$stamp")" = "$(fingerprint)" ]; then
    echo "set up: ${VENV#"$root"/}, $ROS_SAYS"
    exit 0
fi

# ---- the environment itself
choose_python
echo "setting up ${VENV#"$root"/}: $ROS_SAYS"
system=()
[ "$ROS_SOURCE" != installed ] || system=(--system-site-packages)
if [ -e "$VENV" ] && ! "$VENV/bin/python" -c '' 2>/dev/null; then
    echo "  ${VENV#"$root"/} is broken (its Python is gone, or the folder was moved): making it anew"
    rm -rf "$VENV"
fi
if command -v uv >/dev/null; then
    [ -d "$VENV" ] || uv venv --quiet --seed --python "$python" ${system[@]+"${system[@]}"} "$VENV" || fail "uv could not make $VENV"
    # uv does not read pip's configuration: hand over what it says, so that both resolve alike
    eval "$("$VENV/bin/python" scripts/pip_config_for_uv.py)"
    install=(uv pip install --python "$VENV/bin/python")
    [ -t 1 ] || install+=(--quiet)
    installer="uv $(uv --version | cut -d' ' -f2)"
else
    [ -d "$VENV" ] || "$python" -m venv ${system[@]+"${system[@]}"} "$VENV" || fail "$python could not make $VENV
  (Debian, Ubuntu: sudo apt install python3-venv)"
    install=("$VENV/bin/python" -m pip install --disable-pip-version-check)
    [ -t 1 ] || install+=(-qq) # but a person wants to see that the downloads move
    installer=pip
fi
echo "  Python $("$VENV/bin/python" -c 'import platform, sys; print(platform.python_version(), "from", sys.base_prefix)'), packages by $installer"

# ---- constraints; an installed ROS 2 comes with compiled modules that know one NumPy, a Jetson with a torch of its own: keep to them
constraints=(--constraint constraints.txt)
if [ "$ROS_SOURCE" = installed ]; then
    kept=$("$python" scripts/installed_versions.py numpy torch)
    { echo "$kept" && grep -E '^(torch|setuptools)[=<]' constraints.txt; } | awk -F'[=<]' '!seen[$1]++' >"$VENV/constraints.txt"
    constraints=(--constraint "$VENV/constraints.txt")
    [ -z "$kept" ] || echo "  kept as this machine has them:" $kept
else
    extras=$extras,$ROS_SOURCE
fi

# An index of a user's choice may have other versions of torch only, as NVIDIA's for a Jetson: what came from there stays.
keep_torch() {
    cp "${constraints[1]}" "$VENV/constraints.torch" && sed -i '/^torch[=<]/d' "$VENV/constraints.torch"
    cat "$VENV/torch.kept" >>"$VENV/constraints.torch"
    constraints=(--constraint "$VENV/constraints.torch")
}
[ ! -f "$VENV/torch.kept" ] || keep_torch

try_install() {
    "${install[@]}" "${constraints[@]}" "$@" || fail "the packages could not be installed; what the installer says stands above.
  No network? It needs the package index that pip is configured for (pip config list).
  Once that works, run the same command again; what is already there is kept."
}

# ---- torch: on Linux the usual index has the CUDA build only, several GB; without an NVIDIA GPU the CPU build, 0.2 GB, does.
# uv knows where the CPU build is; pip has to be told by TORCH_INDEX. Where it cannot be had the usual way follows.
has_gpu() { [ -e /dev/nvidia0 ] || [ -e /etc/nv_tegra_release ] || command -v nvidia-smi >/dev/null; }
has_torch() { "$VENV/bin/python" -c 'from importlib.util import find_spec; raise SystemExit(find_spec("torch") is None)'; }
from=()
if [ -n "${TORCH_INDEX-}" ]; then
    from=(--no-deps --index-url "$TORCH_INDEX")
elif [ "${install[0]}" = uv ] && [ "$(uname -s)" = Linux ] && ! has_gpu; then
    from=(--torch-backend cpu)
fi
if [ ${#from[@]} -gt 0 ] && ! has_torch; then
    echo "  torch first: ${from[*]}"
    export PIP_DEFAULT_TIMEOUT=15 PIP_RETRIES=1 UV_HTTP_TIMEOUT=15 UV_HTTP_RETRIES=1
    "${install[@]}" "${constraints[@]}" "${from[@]}" torch >"$VENV/torch.log" 2>&1 || true
    if [ -n "${TORCH_INDEX-}" ] && ! has_torch && "${install[@]}" "${from[@]}" 'torch>=2.6' >>"$VENV/torch.log" 2>&1; then
        "$VENV/bin/python" scripts/installed_versions.py torch >"$VENV/torch.kept"
        echo "  kept, for that index has no other: $(cat "$VENV/torch.kept")"
        keep_torch
    fi
    unset PIP_DEFAULT_TIMEOUT PIP_RETRIES UV_HTTP_TIMEOUT UV_HTTP_RETRIES
    has_torch || echo "  ... not to be had so (${VENV#"$root"/}/torch.log says why): from the usual index, maybe several GB"
fi
echo "  the project and what it needs: $extras"
"$VENV/bin/python" -c 'import setuptools' 2>/dev/null || try_install setuptools
try_install --editable ".[$extras]"
mkdir -p "$VENV/source"
ln -sfn "$root/pagnet_ros" "$VENV/source/pagnet_ros"
ln -sfn "$root/training" "$VENV/source/pagnet_training"
extras=${1:-demo}
fingerprint >"$stamp"
echo "set up: ${VENV#"$root"/}"
