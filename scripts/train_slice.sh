#!/usr/bin/env bash
# One slice of training on a machine with a GPU, from the source tree, nothing installed: it needs Python with torch,
# lightning, tensorboard, safetensors, matplotlib, rich and OpenCV. Goes on from RUN/checkpoint.safetensors where there
# is one, and ends MINUTES after its start. PYTHON names another interpreter than python3.
#   scripts/train_slice.sh training/recipes/full.yaml DATA RUN [MINUTES] [options of pagnet_training.train]
set -euo pipefail
[ $# -ge 3 ] || { sed -n 2,5p "${BASH_SOURCE[0]}" >&2; exit 2; }
recipe=$1 data=$2 run=$3 minutes=${4:-8}
shift $(($# < 4 ? $# : 4))
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
packages=$(mktemp -d)
trap 'rm -rf "$packages"' EXIT
ln -s "$root/pagnet_ros" "$packages/pagnet_ros"
ln -s "$root/training" "$packages/pagnet_training"
export PYTHONPATH="$packages${PYTHONPATH:+:$PYTHONPATH}" OMP_NUM_THREADS=1
workers=$(($(nproc) > 2 ? $(nproc) - 2 : 0))
"${PYTHON:-python3}" -m pagnet_training.train "$recipe" --data "$data" --out "$run" --resume --time-limit "$minutes" \
    --workers "$workers" --quiet "$@"
for journal in "$run/validation.jsonl" "$run/throughput.jsonl"; do
    [ ! -f "$journal" ] || tail -n 1 "$journal" # there is none before the first validation
done
