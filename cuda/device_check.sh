#!/usr/bin/env bash
# Does a GPU give the bits of the CPU, and how fast? On a machine with one, from a copy of the repository:
#
#     cuda/device_check.sh [--rows N] [--minutes M] [FOLDER]
#
# Builds the libraries, the extension modules and the parity program for that GPU, exports the parity suite, runs it on
# the device, then a smaller one under compute-sanitizer, a profile of the features, the tests that need a device, and
# `space2vec bench --device cuda` in what is left of the M minutes (9). FOLDER (default: build/device/results) has then
# parity_<device>.json, with the bits, the times a row and what ptxas says of each kernel, the benchmark's figures, and
# the logs. A step that takes too long is stopped: what it has written is kept, and that is said. Needs no network:
# python3 (3.11 or later) with NumPy, pybind11, CMake and the CUDA toolkit; Ninja, pytest, CuPy, Torch and ncu where
# they are there. Exit status: 0 where every bit is equal and nothing fails, 77 where there is no device, else not 0.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
rows=4000
minutes=9
while [[ ${1:-} == --* ]]; do
    case $1 in
        --rows) rows=$2 ;;
        --minutes) minutes=$2 ;;
        *)
            echo "unknown option $1" >&2
            exit 2
            ;;
    esac
    shift 2
done
end=$((SECONDS + minutes * 60))
build=$root/build/device
folder=$(realpath -m "${1:-$build/results}")
export PATH=$PATH:/usr/local/cuda/bin CMAKE_BUILD_PARALLEL_LEVEL=${CMAKE_BUILD_PARALLEL_LEVEL:-$(nproc)}
mkdir -p "$build" "$folder"

command -v nvcc >/dev/null || {
    echo "no nvcc: neither in PATH nor in /usr/local/cuda/bin" >&2
    exit 1
}
# within SECONDS LOG COMMAND...: runs it for so long at most, and not beyond the end; its exit status, 124: stopped.
within() {
    local left=$((end - SECONDS > 20 ? end - SECONDS : 20)) log=$2
    timeout --kill-after=10 $(($1 < left ? $1 : left)) "${@:3}" >"$log" 2>&1
}
# What became of a step, by its exit status.
outcome() {
    case $1 in
        0) echo "$2" ;;
        124 | 137) echo "stopped for time" ;;
        *) echo "failed with $1" ;;
    esac
}
failed() {
    [[ $1 != 0 && $1 != 124 && $1 != 137 ]]
}

# Make keeps apart what the compilers of several files say, which ptxas_table.py reads, only when told to.
if command -v ninja >/dev/null; then
    export CMAKE_GENERATOR=Ninja
    native=()
else
    export CMAKE_GENERATOR="Unix Makefiles"
    native=(-- --output-sync=target)
fi
if ! grep -qsx "CMAKE_GENERATOR:INTERNAL=$CMAKE_GENERATOR" "$build/CMakeCache.txt"; then
    rm -rf "$build/CMakeCache.txt" "$build/CMakeFiles"  # of another generator
fi

echo "building"
cmake -S "$root" -B "$build" -DCMAKE_BUILD_TYPE=Release -DSPACE2VEC_BUILD_CUDA=ON -DSPACE2VEC_BUILD_PYTHON=ON \
    -DSPACE2VEC_BUILD_TESTS=OFF -DSPACE2VEC_INSTALL_LIBRARY=OFF \
    -DCMAKE_CUDA_ARCHITECTURES="${CUDA_ARCHITECTURES:-native}" \
    -DPython_EXECUTABLE="$(command -v python3)" -Dpybind11_DIR="$(python3 -m pybind11 --cmakedir)" >"$build/cmake.log"
code=0
within $((minutes * 60)) "$folder/build.log" cmake --build "$build" --clean-first \
    --target space2vec_python space2vec_parity space2vec_scratch "${native[@]}" || code=$?
if [[ $code != 0 ]]; then
    tail -n 40 "$folder/build.log"
    echo "build: $(outcome "$code" done)"
    exit 1
fi
"$build/cuda/space2vec_scratch" >"$build/scratch.json"
python3 "$root/cuda/ptxas_table.py" "$folder/build.log" --scratch "$build/scratch.json"
rm -rf "$build/package"
mkdir -p "$build/package"
cp -r "$root/python/space2vec" "$build/package/"
rm -f "$build"/package/space2vec/{registry.json,_core*.so,_cuda*.so}  # of another build, where one is there
cmake --install "$build" --component python --prefix "$build/package" >/dev/null
export PYTHONPATH=$build/package:$root/tests
echo "built after $SECONDS s"

export_suite() {
    python3 -m parity.suite --export "$1" --rows "$2"
}
parity=$build/cuda/space2vec_parity

rm -rf "$build/suite" "$build/small"
export_suite "$build/suite" "$rows"
status=0
timeout --kill-after=10 120 "$parity" "$build/suite" --json "$build/parity.json" | tee "$folder/parity.log" || status=$?
if [[ $status != 0 && $status != 1 ]]; then
    [[ $status == 77 ]] || echo "parity: $(outcome "$status" done)"
    exit "$status"
fi
echo "parity after $SECONDS s"

# A smaller suite: the sanitizers slow the device down a hundredfold. Of fewer rows a block would have one warp, and a
# warp one row, and what goes wrong between two of them would not be seen.
export_suite "$build/small" 2500
declare -A sanitizer
for tool in memcheck racecheck synccheck; do
    sanitizer[$tool]="not run: no compute-sanitizer"
    if command -v compute-sanitizer >/dev/null; then
        code=0
        within 60 "$folder/$tool.log" compute-sanitizer --tool "$tool" --error-exitcode 99 "$parity" "$build/small" ||
            code=$?
        sanitizer[$tool]=$(outcome "$code" clean)
        if grep -qE "^=+ (Invalid|Error|Warning: Race|Barrier error|Program hit)" "$folder/$tool.log"; then
            sanitizer[$tool]="errors found"
            code=99
        fi
        if failed "$code"; then
            tail -n 40 "$folder/$tool.log"
            status=1
        fi
    fi
    echo "$tool: ${sanitizer[$tool]} after $SECONDS s"
done

# Why the features take the time that they do. Counters may be kept from who is not root: that fails nothing.
profile="not run: no ncu"
if command -v ncu >/dev/null; then
    code=0
    within 40 "$folder/ncu.log" ncu --set basic --kernel-name features_kernel --launch-count 6 \
        "$parity" "$build/small" || code=$?
    profile=$(outcome "$code" "in ncu.log")
    if grep -q ERR_NVGPUCTRPERM "$folder/ncu.log"; then profile="not run: the driver keeps its counters to root"; fi
fi
echo "profile: $profile after $SECONDS s"

# The tests of the package that need a device, then the benchmark.
tests="not run: no pytest"
if python3 -c "import pytest" 2>/dev/null; then
    code=0
    # Without the options of the project: some are of plugins that may not be there.
    within 120 "$folder/pytest.log" python3 -m pytest -q -rs -p no:cacheprovider -o addopts= \
        $(find "$root/tests/python" -name 'test_*cuda*.py' -o -name 'test_on_*device.py') || code=$?
    tests=$(outcome "$code" passed)
    failed "$code" && status=1
    tail -n 3 "$folder/pytest.log"
fi
bench="not run: this version has no space2vec bench"
if python3 -m space2vec.cli bench --help >/dev/null 2>&1; then
    picture=()
    python3 -c "import matplotlib" 2>/dev/null && picture=(--plot "$folder/bench.png")
    code=0
    within $((minutes * 60)) "$folder/bench.log" python3 -m space2vec.cli bench --device cuda --rounds 3 \
        --output "$folder/bench.json" "${picture[@]}" || code=$?
    bench=$(outcome "$code" passed)
    if failed "$code"; then
        tail -n 20 "$folder/bench.log"
        status=1
    elif [[ $code != 0 && -f $folder/bench.json ]]; then
        bench="$bench: bench.json has the stages before"
    fi
fi
echo "tests: $tests; bench: $bench; after $SECONDS s"

python3 - "$build" "$folder" "${sanitizer[memcheck]}" "${sanitizer[racecheck]}" "${sanitizer[synccheck]}" \
    "$tests" "$bench" "$profile" <<'PYTHON'
import datetime, json, pathlib, re, subprocess, sys

build, folder = map(pathlib.Path, sys.argv[1:3])
result = json.loads((build / "parity.json").read_text())
root = build.parents[1]


def said(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


table = (sys.executable, str(root / "cuda/ptxas_table.py"), str(folder / "build.log"), "--json")
result["sanitizer"] = dict(zip(("memcheck", "racecheck", "synccheck"), sys.argv[3:6], strict=True))
result["tests"], result["bench"], result["profile"] = sys.argv[6:9]
result["ptxas"] = json.loads(said(*table, "--scratch", str(build / "scratch.json")))
result["date"] = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
result["driver"] = said("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader", "--id=0")
result["nvcc"] = said("nvcc", "--version").splitlines()[-1]
result["revision"] = said("git", "-C", str(root), "describe", "--always", "--dirty")
name = re.sub(r"[^a-z0-9]+", "_", result["device"].lower()).strip("_")
path = folder / f"parity_{name}.json"
path.write_text(json.dumps(result, indent=1) + "\n")
print(f"written: {path}")
PYTHON
exit "$status"
