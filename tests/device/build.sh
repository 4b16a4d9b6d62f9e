#!/usr/bin/env bash
# Builds what cuda/device_check.sh runs: tests/device/build.sh TREE, for the GPU that is here or $CUDA_ARCHITECTURES
#
# TREE has then tests/device/space2vec_parity, the package with both extension modules (package/), what the compiler said
# (build.log) and the shared memory that the kernels ask for (scratch.json).
# By $PYTHON (python3), whose version is that of the machine that is to run it; pybind11 from $pybind11_DIR, or of it;
# linked with $LINKED.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
python=$(command -v "${PYTHON:-python3}")
mkdir -p "$1"
tree=$(realpath "$1")
export PATH=$PATH:/usr/local/cuda/bin CMAKE_BUILD_PARALLEL_LEVEL=${CMAKE_BUILD_PARALLEL_LEVEL:-$(nproc)}
command -v nvcc >/dev/null || {
    echo "no nvcc: neither in PATH nor in /usr/local/cuda/bin" >&2
    exit 1
}
# Make keeps apart what the compilers of several files say, which ptxas_table.py reads, only when told to.
if command -v ninja >/dev/null; then
    export CMAKE_GENERATOR=Ninja
    native=()
else
    export CMAKE_GENERATOR="Unix Makefiles"
    native=(-- --output-sync=target)
fi
if ! grep -qsx "CMAKE_GENERATOR:INTERNAL=$CMAKE_GENERATOR" "$tree/CMakeCache.txt"; then
    rm -rf "$tree/CMakeCache.txt" "$tree/CMakeFiles" # of another generator
fi
cmake -S "$root" -B "$tree" -DCMAKE_BUILD_TYPE=Release -DSPACE2VEC_BUILD_CUDA=ON -DSPACE2VEC_BUILD_PYTHON=ON \
    -DSPACE2VEC_BUILD_TESTS=OFF -DSPACE2VEC_INSTALL_LIBRARY=OFF \
    -DCMAKE_CUDA_ARCHITECTURES="${CUDA_ARCHITECTURES:-native}" \
    -DPython_EXECUTABLE="$python" -Dpybind11_DIR="${pybind11_DIR:-$("$python" -m pybind11 --cmakedir)}" \
    -DCMAKE_EXE_LINKER_FLAGS="${LINKED:-}" -DCMAKE_MODULE_LINKER_FLAGS="${LINKED:-}"
cmake --build "$tree" --clean-first --target space2vec_python space2vec_parity space2vec_scratch "${native[@]}" \
    2>&1 | tee "$tree/build.log"
"$tree/tests/device/space2vec_scratch" >"$tree/scratch.json"
python3 "$root/tests/device/ptxas_table.py" "$tree/build.log" --scratch "$tree/scratch.json"
git -C "$root" describe --always --dirty >"$tree/revision" 2>/dev/null || true
rm -rf "$tree/package"
mkdir -p "$tree/package"
cp -r "$root/python/space2vec" "$tree/package/"
rm -f "$tree"/package/space2vec/{registry.json,_core*.so,_cuda*.so} # of another build, where one is there
cmake --install "$tree" --component python --prefix "$tree/package"
