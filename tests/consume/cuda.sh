#!/usr/bin/env bash
# Builds a C project against an installed library that has the CUDA backend, and runs it: cuda.sh PREFIX
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
prefix=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
{
    cmake -S "$root/tests/consume/cuda" -B "$work/build" -DCMAKE_PREFIX_PATH="$prefix" -Wdev -Werror=dev
    cmake --build "$work/build"
} >"$work/log" 2>&1 || {
    cat "$work/log"
    exit 1
}
"$work/build/consume"
