#!/usr/bin/env bash
# The paper's width on a machine with a GPU, one scale per command: a slice of training, then the weights file of what it
# has reached. Begin with 4x; 2x and 8x start from it, 16x from 8x. Repeat a command to go on where it stopped. Training
# ends MINUTES after its start; scoring and writing the weights file come on top.
#   scripts/train_full.sh SCALE DATA OUT [MINUTES] [options of pagnet_training.train]
set -euo pipefail
[ $# -ge 3 ] || { sed -n 2,5p "${BASH_SOURCE[0]}" >&2; exit 2; }
scale=$1 data=$2 out=$3 minutes=${4:-8}
shift $(($# < 4 ? $# : 4))
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
case $scale in
    4) start= ;;
    2 | 8) start=$out/full-x4-clean.safetensors ;;
    16) start=$out/full-x8-clean.safetensors ;;
    *) echo "scale $scale: expected 2, 4, 8 or 16" >&2; exit 2 ;;
esac
run=$out/full-x$scale-clean
if [ -n "$start" ] && [ ! -f "$start" ] && [ ! -f "$run/checkpoint.safetensors" ]; then
    echo "no $start to start ${scale}x from; run this script for $([ "$scale" = 16 ] && echo 8 || echo 4) first" >&2
    exit 2
fi
mkdir -p "$out"
"$root/scripts/train_slice.sh" "$root/training/recipes/full.yaml" "$data" "$run" "$minutes" \
    --scale "$scale" --warm-start "$start" "$@"
packages=$(mktemp -d)
trap 'rm -rf "$packages"' EXIT
ln -s "$root/pagnet_ros" "$packages/pagnet_ros"
ln -s "$root/training" "$packages/pagnet_training"
PYTHONPATH="$packages${PYTHONPATH:+:$PYTHONPATH}" "${PYTHON:-python3}" -m pagnet_training.export \
    "$run/checkpoint.safetensors" "$run.safetensors" --validation "$data/middlebury_val" \
    --command "scripts/train_full.sh $scale DATA OUT"
