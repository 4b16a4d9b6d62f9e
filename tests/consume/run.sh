#!/usr/bin/env bash
# Builds and installs the library, shared and static, and builds a C and a C++ project against what was installed.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
jobs=$(nproc)

quietly() {
    "$@" >"$work/log" 2>&1 || {
        cat "$work/log"
        echo "failed: $*"
        exit 1
    }
}

for kind in shared static; do
    prefix=$work/$kind
    quietly cmake -S "$root" -B "$work/build-$kind" -DCMAKE_BUILD_TYPE=Release -DSPACE2VEC_BUILD_TESTS=OFF -DSPACE2VEC_BUILD_CUDA=OFF \
        -DBUILD_SHARED_LIBS="$([[ $kind == shared ]] && echo ON || echo OFF)" -DCMAKE_INSTALL_PREFIX="$prefix"
    quietly cmake --build "$work/build-$kind" --parallel "$jobs"
    quietly cmake --install "$work/build-$kind"
    for language in c cpp; do
        build=$work/$kind-$language
        quietly cmake -S "$root/tests/consume/$language" -B "$build" -DCMAKE_PREFIX_PATH="$prefix" -Wdev -Werror=dev
        quietly cmake --build "$build"
        quietly "$build/consume"
        [[ $language == cpp ]] || "$build/score_packets" # no files, but the packaged model is found
        [[ $language == c ]] || [[ $("$build/score_frames" | wc -l) == 1000 ]]
        echo "$kind library from $language: $(head -n 1 "$work/log")"
    done
done
