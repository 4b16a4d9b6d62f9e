#!/usr/bin/env bash
# What cuda/device_check.sh runs, built for a machine that builds nothing: tests/device/package.sh TREE [GLIBC]
#
# For CPython 3.12 ($PYTHON, or where one with its headers is found) and all kinds of GPU that the library is built for,
# or $CUDA_ARCHITECTURES. Fails where a binary asks for a symbol of a later glibc than GLIBC (2.34: Debian 12, Ubuntu
# 22.04, RHEL 9 and later), or for a library that comes with a compiler. TREE.tar.gz has what device_check.sh takes by
# --tree. Needs nvcc, CMake and pybind11 of python3.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
mkdir -p "$1"
# A name on the path may be that of a version manager which has no such version.
for python in ${PYTHON:-python3.12 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.12.*/bin/python3.12 ""}; do
    "$python" -c "import sys; sys.exit(sys.version_info[:2] != (3, 12))" 2>/dev/null && break
done
if ! "$python" -c "" 2>/dev/null; then
    echo "no Python 3.12: say by PYTHON where it is, with its headers" >&2
    exit 1
fi
# No C++ library of the machine that runs it is asked for. What nobody calls of ours would ask for a glibc of 2.36 (random
# devices), and is left out.
export LINKED="-static-libstdc++ -Wl,--gc-sections -Wl,--exclude-libs,ALL"
PYTHON=$python pybind11_DIR=$(python3 -m pybind11 --cmakedir) \
    CUDA_ARCHITECTURES=${CUDA_ARCHITECTURES:-80-real;90-real;100-real;120} "$root/tests/device/build.sh" "$1"

tree=$(realpath "$1")
most=${2:-2.34}
status=0
binaries=("$tree/tests/device/space2vec_parity" "$tree"/package/space2vec/_c*.so)
for binary in "${binaries[@]}"; do
    newest=$(objdump -T "$binary" | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -n 1)
    needed=$(objdump -p "$binary" | sed -n 's/^ *NEEDED *//p' | sort | tr '\n' ' ')
    printf '%s: up to %s; needs %s\n' "${binary#"$tree/"}" "$newest" "$needed"
    if [[ $(printf '%s\n' "${newest#GLIBC_}" "$most" | sort -V | tail -n 1) != "$most" ]]; then
        echo "${binary#"$tree/"} needs $newest; at most GLIBC_$most is wanted" >&2
        status=1
    fi
    if [[ $needed == *libstdc++* ]]; then
        echo "${binary#"$tree/"} needs a C++ library of the machine" >&2
        status=1
    fi
done
((status == 0)) || exit 1
find "$tree/package" -name __pycache__ -prune -exec rm -rf {} +
tar -C "$(dirname "$tree")" -czf "$tree.tar.gz" \
    "$(basename "$tree")"/{tests/device/space2vec_parity,package,build.log,scratch.json,revision}
echo "$tree.tar.gz: $(stat -c %s "$tree.tar.gz") bytes"
