#!/usr/bin/env bash
# A short loan of a GPU, used to the full: what is worth most comes first, every step has a limit, and what does not fit into
# the time is left out and named. Runs from the source tree with a plain Python that has torch: nothing is installed, and
# neither ROS, nor rosbags, nor git, nor a network is needed.
#
#   scripts/gpu_lease.sh checks [SECONDS]     versions, tests, times, training's speed, probes, torch.compile (default: 270)
#   scripts/gpu_lease.sh train  [SECONDS]     a recipe whose schedule ends with the time, its weights and scores (default: 430);
#                                             goes on from what a command left behind that was killed before its end
#
#   OUT=out/gpu        where the results go: at most eight files, each below 16 MB
#   PYTHON=python3     the interpreter;  DEVICE=cuda|cpu;  SMALL=1: the smallest sizes, to try the script itself on a CPU;
#                      PATIENCE=10: each step may take ten times as long, on a slow machine
#   DATA=shared/data   training data;  RECIPE=training/recipes/full.yaml, of it SCALE=4 and SENSOR=clean (default: its first)
#   START=FILE         weights or checkpoint to go on from (or START.part-aa, START.part-ab ... of a split one)
#   TEACHER=FILE       weights to distil from;  SCENES=0.25: share of the recipe's rendered scenes, each of which costs a second
#   STEP_MS=32         time of a training step; else what `checks` measured on this machine, else measured first
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
usage() { sed -n 2,17p scripts/gpu_lease.sh >&2; exit 2; }
what=${1:-}
case $what in
    checks) budget=${2:-270} ;;
    train) budget=${2:-430} ;;
    *) usage ;;
esac
[[ $budget =~ ^[0-9]+$ ]] || usage
begin=$SECONDS end=$((SECONDS + budget))

OUT=${OUT:-out/gpu} PYTHON=${PYTHON:-python3} DEVICE=${DEVICE:-cuda} SMALL=${SMALL:-} DATA=${DATA:-shared/data}
RECIPE=${RECIPE:-training/recipes/full.yaml}
work=out/gpu_work # ignored by git; stays on the machine between two commands
mkdir -p "$OUT" "$work" || exit 1
log=$OUT/$what.log steps=$OUT/$what.steps.jsonl
: >"$log"
: >"$steps"

packages=$(mktemp -d)
trap 'rm -rf "$packages"' EXIT
for package in pagnet_ros benchmarks; do ln -s "$PWD/$package" "$packages/$package"; done
ln -s "$PWD/training" "$packages/pagnet_training"
export PYTHONPATH="$packages${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1

# step NAME LIMIT LEAST COMMAND...: run a command for at most LIMIT seconds, or leave it out where less than LEAST are left
step() {
    local name=$1 limit=$(($2 * ${PATIENCE:-1})) least=$3 start=$SECONDS left=$((end - SECONDS)) status code
    shift 3
    printf '\n===== %s (%d s left)\n' "$name" "$left" >>"$log"
    if ((left < least)); then
        record "$name" skipped 0 0
        return 1
    fi
    timeout -k 5 "$((limit < left ? limit : left))" "$@" >>"$log" 2>&1
    code=$?
    case $code in 0) status=done ;; 124 | 137) status=stopped ;; *) status=failed ;; esac
    record "$name" "$status" "$code" "$((SECONDS - start))"
    return "$code"
}
record() {
    printf '{"step": "%s", "status": "%s", "code": %d, "seconds": %d}\n' "$@" >>"$steps"
    printf '%-12s %-8s code %3d %4d s\n' "$@"
}

# what training needs to know; LOADERS processes cut the patches, and hand them over through shared memory
shared_memory() {
    if [ "$DEVICE" = cuda ] && [ "$(df --output=avail -k /dev/shm 2>/dev/null | tail -n 1)" -lt 1048576 ] 2>/dev/null; then
        mount -o remount,size=8g /dev/shm || echo "/dev/shm stays small: few processes can cut patches"
    fi
}
loaders=$(($(nproc) > 4 ? $(nproc) - 2 : 0))
recipe_name=$(basename "$RECIPE" .yaml)${SCALE:+-x$SCALE}${SENSOR:+-$SENSOR}
recipe_with() { # recipe_with SHARE: the recipe with that share of its rendered scenes; prints the file
    "$PYTHON" - "$RECIPE" "$1" "$work/$recipe_name-$1.yaml" <<'PY'
import os, sys
from dataclasses import replace
from pathlib import Path
import yaml
from pagnet_training.recipe import load_recipe
scale, sensor = os.environ.get("SCALE", ""), os.environ.get("SENSOR", "")
recipe = load_recipe(Path(sys.argv[1]), int(scale) if scale else None, sensor or None)
share, target = float(sys.argv[2]), Path(sys.argv[3])
fewer = [replace(each, scenes=max(1, round(each.scenes * share))) for each in recipe.data.sources]
recipe = replace(recipe, data=replace(recipe.data, sources=tuple(fewer)))
target.write_text(yaml.safe_dump(recipe.to_dict()), encoding="utf-8")
print(target)
PY
}
train() { # train FOLDER SHARE STEPS MINUTES [options]
    local folder=$1 count=$3 minutes=$4 recipe
    recipe=$(recipe_with "$2") || return
    shift 4
    [ -z "${TEACHER:-}" ] || set -- "$@" --teacher "$TEACHER"
    "$PYTHON" -m pagnet_training.train "$recipe" --data "$DATA" --out "$folder" --steps "$count" --time-limit "$minutes" \
        --workers "$loaders" --threads 1 --quiet --accelerator "$([ "$DEVICE" = cuda ] && echo gpu || echo cpu)" "$@"
}
minutes_of() { awk "BEGIN { print $1 / 60 }"; }
calibrate() { # calibrate SECONDS: so long at most, a few steps from random weights; what a step takes stays in $work
    rm -rf "$work/calibration"
    train "$work/calibration" 0.02 "${CALIBRATION_STEPS:-300}" "$(minutes_of "$1")" --warm-start "" || return
    tail -n 1 "$work/calibration/throughput.jsonl" >"$work/$recipe_name.calibration.jsonl" || return
    cp "$work/$recipe_name.calibration.jsonl" "$OUT/calibration.jsonl"
}
export -f train calibrate minutes_of recipe_with
export OUT PYTHON DEVICE DATA RECIPE SCALE SENSOR TEACHER work loaders recipe_name

versions() {
    nvidia-smi || true
    df -h /dev/shm . || true
    "$PYTHON" - <<'PY'
import os, platform, sys
import torch
print("python", sys.version, platform.platform(), os.cpu_count(), "cores")
print("torch", torch.__version__, "CUDA", torch.version.cuda, "cuDNN", torch.backends.cudnn.version())
print([torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())])
PY
}
export -f versions shared_memory

checks() {
    local tests=(-m pytest -q -p no:cacheprovider --no-header) marker="gpu and not slow" probes=()
    local files=(tests/runtime/test_streams.py tests/runtime/test_cuda_graph.py tests/runtime/test_engine*.py)
    local networks="fast-x4-sensor or fast-x1-sensor or rt-x4-clean or rt-x16-clean"
    local bench=(-m benchmarks.engine --device "$DEVICE") most more compiled
    [ "${TEST_PROCESSES:-4}" = 0 ] || tests+=(-n "${TEST_PROCESSES:-4}")
    tests+=(--timeout $((60 * ${PATIENCE:-1}))) # of each test, well below the step's
    if [ -n "$SMALL" ]; then
        [ "$DEVICE" = cuda ] || marker="not gpu and not slow"
        files=("${files[@]:0:2}") networks="fast-x4-sensor or rt-x4-clean" probes=(--small)
        most=(--weights fast-x4-sensor bicubic-x4 --sizes 64x48 --frames 2 --ways eager --precisions fp32)
        more=("${most[@]}") compiled=("${most[@]}")
    else
        most=(--weights full-x4 fast-x4-sensor rt-x4-clean bicubic-x4 mid-x4-clean --sizes 640x480 1280x720 1920x1080 --frames 60)
        most+=(--ways graph --precisions fp16 fp32 --time-limit 60)
        more=(--weights fast-x4-sensor full-x4 fast-x1-sensor rt-x4-clean --ways eager graph --precisions fp16 bf16 --frames 60 --time-limit 30)
        compiled=(--weights fast-x4-sensor rt-x4-clean --ways graph compiled --precisions fp16 --frames 60 --time-limit 80)
    fi
    step versions 30 1 bash -c 'versions; shared_memory'
    step tests 90 20 "$PYTHON" "${tests[@]}" -m "$marker" "${files[@]}"
    step bench 80 30 "$PYTHON" "${bench[@]}" "${most[@]}" --json "$OUT/bench.json"
    step calibration 55 25 bash -c "calibrate ${CALIBRATION_SECONDS:-35}"
    step probes 60 15 "$PYTHON" scripts/gpu_probes.py --device "$DEVICE" --out "$OUT/probes.jsonl" \
        --seconds $((55 * ${PATIENCE:-1})) ${probes[@]+"${probes[@]}"}
    step more 45 20 "$PYTHON" "${bench[@]}" "${more[@]}" --json "$OUT/more.json"
    step networks 60 15 "$PYTHON" "${tests[@]}" -m "$marker" tests/model/test_zoo.py -k "$networks"
    step compiled 90 45 "$PYTHON" "${bench[@]}" "${compiled[@]}" --json "$OUT/compiled.json"
}

train_and_export() {
    local start=${START:-} step_ms=${STEP_MS:-} run=$work/run-$recipe_name reached=0 resume=() count left weights validation=()
    if [ -n "$start" ] && [ ! -f "$start" ]; then
        cat "$start".part-* >"$work/start.safetensors" || exit 1 # a checkpoint larger than what may travel in one file
        start=$work/start.safetensors
    fi
    step versions 30 1 bash -c 'versions; shared_memory'
    if [ -z "$step_ms" ]; then
        [ -f "$work/$recipe_name.calibration.jsonl" ] || step calibration 50 40 bash -c "calibrate ${CALIBRATION_SECONDS:-30}"
        step_ms=$("$PYTHON" - "$work/$recipe_name-0.02.yaml" "$work/$recipe_name.calibration.jsonl" <<'PY'
import json, sys
from pathlib import Path
import yaml
patches_per_s = json.loads(Path(sys.argv[2]).read_text().splitlines()[-1])["patches_per_s"]
print(1000 * yaml.safe_load(Path(sys.argv[1]).read_text())["batch"] / patches_per_s)
PY
        ) || { echo "no time of a step: set STEP_MS, or let checks run first" >&2; exit 1; }
    fi
    if [ -f "$run/checkpoint.safetensors" ]; then # of a command that was ended before its time
        reached=$("$PYTHON" - "$run/checkpoint.safetensors" <<'PY'
import sys
from pathlib import Path
from pagnet_training.checkpoint import read_checkpoint
print(read_checkpoint(Path(sys.argv[1])).step)
PY
        ) && resume=(--resume) && echo "going on from step $reached of $run"
    fi
    [ -n "${resume[*]}" ] || rm -rf "$run"
    left=$((end - SECONDS))
    # importing, cutting the first patches, validations, the weights file and its scores come on top of the steps
    count=$(awk "BEGIN { n = int(1000 * ($left - ${OVERHEAD_SECONDS:-80}) * 0.97 / $step_ms); print (n > 1 ? n : 1) }")
    echo "$count steps of $step_ms ms in $left s"
    step train "$((left - 35))" 30 bash -c 'train "$@"' train "$run" "${SCENES:-0.25}" "$((reached + count))" \
        "$(minutes_of $((left - 45)))" --warm-start "$start" ${resume[@]+"${resume[@]}"}
    weights=$OUT/$(sed -n 's/^name: //p' "$work/$recipe_name-${SCENES:-0.25}.yaml").safetensors
    if [ -d "$DATA/middlebury_val" ] && ! grep -q 'output: surfaces' "$work/$recipe_name-${SCENES:-0.25}.yaml"; then
        validation=(--validation "$DATA/middlebury_val") # the paper's protocol, for networks that regress depth
    fi
    step export 60 3 "$PYTHON" -m pagnet_training.export "$run/checkpoint.safetensors" "$weights" \
        --command "scripts/gpu_lease.sh train" ${validation[@]+"${validation[@]}"}
    cat "$run/validation.jsonl" "$run/throughput.jsonl" >"$OUT/journal.jsonl" 2>/dev/null
    # what a later loan goes on from exactly, in parts that may come back; without room for it the weights do
    if [ "$(stat -c %s "$run/checkpoint.safetensors" 2>/dev/null || echo 99999999)" -lt 60000000 ]; then
        split -b 15M "$run/checkpoint.safetensors" "$OUT/checkpoint.safetensors.part-"
    fi
    grep -q '"step": "train", "status": "done"' "$steps" && rm -rf "$run" # else the next command goes on from it
}

if [ "$what" = checks ]; then checks; else train_and_export; fi
echo "$what: $((SECONDS - begin)) of $budget s; results in $OUT:"
ls -l "$OUT"
! grep -q '"failed"' "$steps"
