#!/usr/bin/env bash
# Check that a GPU gives the bits of the CPU, and measure how fast it is. Run it on a machine with a GPU, in a copy of
# the repository:
#
#     cuda/device_check.sh [--rows N] [--seconds S] [--tree TREE] [FOLDER]
#
# The steps, all within S seconds (480): the facts of the machine, and how the kernels are spread over the device;
# the parity suite twice; the rates of every stage with its data in place; a profile with the reasons of stalls; the
# tests that need a device; memcheck and racecheck; offsets beyond 2^31 pixels; arrays that their library still computes.
# Each step has a time limit, and the results that it has written until then are kept. Steps that need a missing tool are
# reported as not run. FOLDER (default: build/device/results) gets the logs and parity_<device>.json, with the bits, the
# times a row, the spread, the report of ptxas on each kernel and the result of each step. FOLDER.tar.gz has all of it in
# one file, the one to send. It is rewritten during the check, and complete at any moment.
#
# TREE, or $SPACE2VEC_DEVICE_TREE, is a build that `make device-package` or this script made elsewhere. It is used if it
# can be loaded; otherwise everything is built, for the GPU of this machine or for $CUDA_ARCHITECTURES.
#
# The script changes no setting of the device, neither clocks nor modes, and needs no network. It needs python3 (3.11 or
# later) with NumPy and, to build, pybind11, CMake and the CUDA toolkit; it uses Ninja, pytest, CuPy, PyTorch, JAX, Numba,
# compute-sanitizer and ncu if they are installed. Exit status: 0 if every bit is equal and nothing fails, 77 if there is
# no device, another one otherwise.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
rows=4000
seconds=480
tree=${SPACE2VEC_DEVICE_TREE:-}
while [[ ${1:-} == --* ]]; do
    case $1 in
        --rows) rows=$2 ;;
        --seconds) seconds=$2 ;;
        --tree) tree=$2 ;;
        *)
            echo "unknown option $1" >&2
            exit 2
            ;;
    esac
    shift 2
done
end=$((SECONDS + seconds - 6)) # the rest is for ending what runs, and the last archive
build=$root/build/device
folder=$(realpath -m "${1:-$build/results}")
work=$build/work
export PATH=$PATH:/usr/local/cuda/bin CMAKE_BUILD_PARALLEL_LEVEL=${CMAKE_BUILD_PARALLEL_LEVEL:-$(nproc)}
steps=$folder/steps.tsv
rm -rf "$work"
[[ ! -f $steps ]] || rm -f "$folder"/{*.log,*.tsv,rates.json,check.json,parity_*.json} # of an earlier check
mkdir -p "$work" "$folder"
: >"$steps"
status=0
child=

# Whatever is in FOLDER, as one file that takes the place of the one before only when it is whole.
archive() {
    tar -C "$(dirname "$folder")" -czf "$folder.tar.gz.new" "$(basename "$folder")" 2>/dev/null || [[ $? == 1 ]]
    mv -f "$folder.tar.gz.new" "$folder.tar.gz"
}

# Ends what runs: the processes of a group of its own.
end_child() {
    [[ -n $child ]] || return 0
    kill -TERM -- "-$child" 2>/dev/null || true
    for _ in {1..20}; do
        kill -0 -- "-$child" 2>/dev/null || break
        sleep 0.1
    done
    kill -KILL -- "-$child" 2>/dev/null || true
    child=
}

# within SECONDS LOG COMMAND...: runs it for so long at most, and not beyond the end. `code` is then its exit status, 124
# where it was stopped, 125 where no time was left to begin. Does not wait for what no signal ends.
within() {
    local limit=$(($1 < end - SECONDS ? $1 : end - SECONDS)) log=$2 packed=$SECONDS
    code=125
    ((limit >= 3)) || return 0
    local stop=$((SECONDS + limit))
    setsid "${@:3}" >"$log" 2>&1 </dev/null &
    child=$!
    while kill -0 "$child" 2>/dev/null; do
        if ((SECONDS >= stop)); then
            end_child
            code=124
            return 0
        fi
        if ((SECONDS >= packed + 15)); then
            archive
            packed=$SECONDS
        fi
        sleep 0.1
    done
    code=0
    wait "$child" || code=$?
    child=
}

failed() {
    [[ $code != 0 && $code != 124 && $code != 125 ]]
}

# outcome WORDS: what became of a step, by `code`; WORDS where it went well.
outcome() {
    case $code in
        0) echo "$1" ;;
        124) echo "stopped for time" ;;
        125) echo "not run: no time left" ;;
        *) echo "failed with $code" ;;
    esac
}

# show LINES LOG: the end of what a step said, if it has run.
show() {
    [[ ! -f $2 ]] || tail -n "$1" "$2"
}

# record STEP OUTCOME: says and keeps what became of it, and writes the results anew, once for all that had no time.
record() {
    echo "$1: $2 (after $SECONDS s)"
    printf '%s\t%s\t%s\n' "$1" "$2" "$SECONDS" >>"$steps"
    [[ $2 != *"no time left" ]] || return 0
    python3 "$root/tests/device/summary.py" "$work" "$folder" || true
    archive
}

stopped() {
    trap '' TERM INT
    end_child
    record "check" "stopped by a signal"
    exit "$1"
}
trap 'stopped 143' TERM
trap 'stopped 130' INT

no_device() {
    record "device" "no device: $1"
    echo "there is no device here; nothing was compared. What was found: $folder.tar.gz"
    exit 77
}

git -C "$root" describe --always --dirty >"$folder/revision.log" 2>/dev/null || true
code=127
if command -v nvidia-smi >/dev/null; then
    within 10 "$folder/device.log" nvidia-smi \
        --query-gpu=name,driver_version,memory.total,clocks.sm,clocks.max.sm,mig.mode.current --format=csv
    # Which this only asks; an older driver does not know every field.
    [[ $code == 0 ]] || within 10 "$folder/device.log" nvidia-smi -L
fi
device=$code
facts() {
    uname -srm
    getconf GNU_LIBC_VERSION || true
    python3 --version
    nproc
    grep -E "model name|MemTotal" /proc/cpuinfo /proc/meminfo | sort -u
    nvcc --version 2>/dev/null | tail -n 2
    python3 - <<'PYTHON'
import importlib.metadata

for name in ("numpy", "pyarrow", "cupy-cuda12x", "cupy-cuda13x", "torch", "jax", "numba", "numba-cuda", "pytest", "astropy", "fastavro"):
    try:
        print(name, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        print(name, "is not there")
PYTHON
}
export -f facts
record "nvidia-smi" "$([[ $device == 127 ]] && echo "not run: no nvidia-smi" || outcome "in device.log")"

within 20 "$folder/facts.log" bash -c facts
record "facts" "$(outcome "in facts.log")"

# A tree loads where its modules import and its program starts.
loads() {
    within 20 "$folder/tree.log" env PYTHONPATH="$1/package" python3 -c \
        "import space2vec._core, space2vec._cuda, space2vec.compute; print('modules load')"
    [[ $code == 0 ]] || return 1
    within 5 "$work/usage.log" "$1/tests/device/space2vec_parity"
    [[ $code == 2 ]] && grep -q "usage: space2vec_parity" "$work/usage.log"
}

if [[ -n $tree ]] && tree=$(realpath -m "$tree") && loads "$tree"; then
    record "tree" "prebuilt: $tree, of revision $(cat "$tree/revision" 2>/dev/null || echo unknown)"
    for name in build.log scratch.json; do
        [[ ! -f $tree/$name ]] || cp "$tree/$name" "$work/"
    done
    if ! diff -rq --exclude='*.so' --exclude=__pycache__ --exclude=registry.json "$root/python/space2vec" \
        "$tree/package/space2vec" >"$folder/tree_differs.log"; then
        record "sources" "the tree's package is not that of this checkout: tree_differs.log"
    fi
else
    [[ -z $tree ]] || record "tree" "does not load here: $(tail -n 1 "$folder/tree.log" 2>/dev/null)"
    if [[ $device != 0 && -z ${CUDA_ARCHITECTURES:-} && -z $(compgen -G '/dev/nvidia[0-9]*') ]]; then
        no_device "neither nvidia-smi nor /dev shows one, so nothing was built"
    fi
    within 240 "$work/build_steps.log" "$root/tests/device/build.sh" "$build"
    cp "$build/build.log" "$work/" 2>/dev/null || true
    cp "$work/build_steps.log" "$folder/build.log" 2>/dev/null || true
    record "build" "$(outcome done)"
    if [[ $code != 0 ]]; then
        show 40 "$folder/build.log"
        exit 1
    fi
    cp "$build/scratch.json" "$work/"
    tree=$build
fi
parity=$tree/tests/device/space2vec_parity
export PYTHONPATH=$tree/package:$root/tests

# suite ROWS NAME: the stamps of the parity suite, and what the CPU gives for them.
suite() {
    within 45 "$folder/export.log" python3 -m parity.suite --export "$work/$2" --rows "$1"
    [[ $code != 0 ]] || return 0
    record "export of $1 rows" "$(outcome done)"
    show 20 "$folder/export.log"
    return 1
}

# compared STEP LOG: what became of a run of the parity suite.
compared() {
    [[ $code != 77 ]] || no_device "$(sed -n 's/^not run: //p' "$2" | head -n 1)"
    [[ $code == 0 ]] || status=1
    record "$1" "$([[ $code == 1 ]] && echo "bits differ" || outcome "every bit is equal")"
    [[ $code == 0 || $code == 1 || $code == 124 ]] || exit 1
}

# Few rows, to know at once whether anything runs, and how each kernel is spread (Spread, sharedSizeBytes).
suite 64 tiny || exit 1
within 30 "$folder/spread.log" "$parity" "$work/tiny" --json "$work/spread.json"
compared "spread" "$folder/spread.log"

suite "$rows" suite || exit 1
for time in parity parity_again; do
    within 45 "$folder/$time.log" "$parity" "$work/suite" --json "$work/$time.json"
    show 1 "$folder/$time.log"
    compared "$time" "$folder/$time.log"
done

within 110 "$folder/rates.log" python3 -m space2vec bench --device cuda --columns "gpu in place" --rounds 3 \
    --output "$folder/rates.json"
if failed; then
    show 20 "$folder/rates.log"
    status=1
fi
record "rates" "$(outcome passed)$([[ $code == 124 && -f $folder/rates.json ]] && echo ": rates.json has the stages before")"

# Why the kernels take the time that they do. Counters may be kept from who is not root, or from a virtual machine: that
# fails nothing. ncu would lock the clocks by itself. Each kernel is launched twice: the second is profiled.
profile="not run: no ncu"
if command -v ncu >/dev/null; then
    within 70 "$folder/ncu.log" ncu --clock-control none --set basic --section SchedulerStats --section WarpStateStats \
        --section InstructionStats --section MemoryWorkloadAnalysis --kernel-name regex:_kernel --launch-count 60 \
        "$parity" "$work/suite"
    profile=$(outcome "in ncu.log")
    if grep -qs ERR_NVGPUCTRPERM "$folder/ncu.log"; then profile="not run: the driver keeps its counters to root"; fi
    if grep -qs "Failed to initialize the profiler" "$folder/ncu.log"; then profile="not run: the profiler finds no driver"; fi
fi
record "profile" "$profile"

# tested STEP SECONDS FILE...: tests that need a device. Without the options of the project: some are of plugins that may
# not be there. JAX would take most of the device's memory for itself.
tested() {
    local found="not run: no pytest"
    if python3 -c "import pytest" 2>/dev/null; then
        within "$2" "$folder/$1.log" env XLA_PYTHON_CLIENT_PREALLOCATE=false python3 -m pytest -v -rs -p no:cacheprovider \
            -o addopts= --durations=10 "${@:3}"
        found=$(outcome passed)
        failed && status=1
        show 3 "$folder/$1.log"
    fi
    record "$1" "$found"
}

# checked TOOL SECONDS SUITE: the parity suite under a tool of compute-sanitizer.
checked() {
    local found="not run: no compute-sanitizer"
    if [[ ! -d $work/$3 ]]; then
        found="not run: no suite"
    elif command -v compute-sanitizer >/dev/null; then
        within "$2" "$folder/$1.log" compute-sanitizer --tool "$1" --error-exitcode 99 "$parity" "$work/$3"
        found=$(outcome clean)
        if grep -qs "Device not supported" "$folder/$1.log"; then
            found="not run: device not supported"
        elif grep -qsE "^=+ (Invalid|Error|Warning: Race|Barrier error|Program hit)" "$folder/$1.log"; then
            found="errors found"
            code=99
        fi
        if [[ $found != "not run"* ]] && failed; then
            show 40 "$folder/$1.log"
            status=1
        fi
    fi
    record "$1" "$found"
}

mapfile -t files < <(find "$root/tests/python" -name 'test_*cuda*.py' -o -name 'test_on_*device.py' | sort)
tested "tests" 80 "${files[@]}"
# The tools slow the device down a hundredfold. Of fewer rows than this a block would have one warp, and a warp one row,
# and what goes wrong between two of them would not be seen; racecheck looks at every access of shared memory.
suite $((rows < 1500 ? rows : 1500)) small || true
checked memcheck 45 small
suite $((rows < 300 ? rows : 300)) few || true
checked racecheck 40 few
tested "far" 60 "$root/tests/python/data/test_far_on_device.py"
tested "busy" 60 "$root/tests/python/data/test_busy_on_device.py"
checked synccheck 30 few

record "check" "$([[ $status == 0 ]] && echo "nothing failed" || echo "something failed")"
echo "results: $folder.tar.gz"
exit "$status"
