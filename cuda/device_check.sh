#!/usr/bin/env bash
# Does a GPU give the bits of the CPU? On a machine with one, from a copy of the repository:
#
#     cuda/device_check.sh [--rows N] [FOLDER]
#
# Builds the library, the extension and the parity program, exports the parity suite, runs it on the device, then a small
# one under compute-sanitizer, and writes FOLDER/parity_<device>.json (default: benchmarks/results). Needs no network:
# python3 (3.11 or later) with numpy, pybind11, CMake and the CUDA toolkit. Exit status: 0 where every bit is
# equal and the sanitizer finds nothing, 77 where there is no device, else not 0.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
rows=100000
if [[ ${1:-} == --rows ]]; then
    rows=$2
    shift 2
fi
folder=$(realpath -m "${1:-$root/benchmarks/results}")
build=$root/build/device
export PATH=$PATH:/usr/local/cuda/bin CMAKE_BUILD_PARALLEL_LEVEL=${CMAKE_BUILD_PARALLEL_LEVEL:-$(nproc)}
mkdir -p "$build" "$folder"

command -v nvcc >/dev/null || {
    echo "no nvcc: neither in PATH nor in /usr/local/cuda/bin" >&2
    exit 1
}

echo "building"
cmake -S "$root" -B "$build" -DCMAKE_BUILD_TYPE=Release -DSPACE2VEC_BUILD_CUDA=ON -DSPACE2VEC_BUILD_PYTHON=ON \
    -DSPACE2VEC_BUILD_TESTS=OFF -DCMAKE_CUDA_ARCHITECTURES="${CUDA_ARCHITECTURES:-native}" \
    -DPython_EXECUTABLE="$(command -v python3)" -Dpybind11_DIR="$(python3 -m pybind11 --cmakedir)" >"$build/cmake.log"
cmake --build "$build" --clean-first >"$build/build.log" 2>&1 || {
    tail -n 40 "$build/build.log"
    exit 1
}
python3 "$root/cuda/ptxas_table.py" "$build/build.log"
rm -rf "$build/package"
mkdir -p "$build/package"
cp -r "$root/python/space2vec" "$build/package/"
rm -f "$build"/package/space2vec/{registry.json,_core*.so}  # of another build, where one is there
cmake --install "$build" --component python --prefix "$build/package" >/dev/null

export_suite() {
    PYTHONPATH=$build/package:$root/tests python3 -m parity.suite --export "$1" --rows "$2"
}
parity=$build/cuda/space2vec_parity

rm -rf "$build/suite" "$build/small"
export_suite "$build/suite" "$rows"
status=0
"$parity" "$build/suite" --json "$build/parity.json" || status=$?
[[ $status == 0 || $status == 1 ]] || exit "$status"

# A short suite: the sanitizer slows the device down a hundredfold.
export_suite "$build/small" 48
declare -A sanitizer
for tool in memcheck racecheck synccheck; do
    if ! command -v compute-sanitizer >/dev/null; then
        sanitizer[$tool]="not run: no compute-sanitizer"
    elif compute-sanitizer --tool "$tool" --error-exitcode 99 "$parity" "$build/small" >"$build/$tool.log" 2>&1; then
        sanitizer[$tool]=clean
    else
        sanitizer[$tool]="failed with $?"
        tail -n 40 "$build/$tool.log"
        status=1
    fi
    echo "$tool: ${sanitizer[$tool]}"
done

python3 - "$build" "$folder" "${sanitizer[memcheck]}" "${sanitizer[racecheck]}" "${sanitizer[synccheck]}" <<'PYTHON'
import datetime, json, pathlib, re, subprocess, sys

build, folder = map(pathlib.Path, sys.argv[1:3])
result = json.loads((build / "parity.json").read_text())
root = build.parents[1]


def said(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


result["sanitizer"] = dict(zip(("memcheck", "racecheck", "synccheck"), sys.argv[3:], strict=True))
result["ptxas"] = json.loads(said(sys.executable, str(root / "cuda/ptxas_table.py"), str(build / "build.log"), "--json"))
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
