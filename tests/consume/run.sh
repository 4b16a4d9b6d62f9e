#!/usr/bin/env bash
# Builds and installs the library, shared and static, and builds projects from nothing against what was installed: in C99
# and C++20, by CMake and pkg-config, and as a part of another project. Its symbols and structures are compared with
# those that were promised (cpp/abi.txt).
#
#     run.sh             with the first of GCC and Clang that is here
#     run.sh --all       with both, and the library as a part of another project
#     run.sh --wheel W   against what lies in a wheel
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export CMAKE_BUILD_PARALLEL_LEVEL=${CMAKE_BUILD_PARALLEL_LEVEL:-$(nproc)}
strict=(-Wall -Wextra -Wconversion -Wpedantic -Werror)

quietly() {
    "$@" >"$work/log" 2>&1 || {
        cat "$work/log"
        echo "failed: $*"
        exit 1
    }
}

# Calls a function with CC and CXX of each pair of compilers that is here, or of the first.
each_compiler() {
    local pair any=0
    for pair in gcc:g++ clang:clang++; do
        command -v "${pair%:*}" >/dev/null && command -v "${pair#*:}" >/dev/null || continue
        CC=${pair%:*} CXX=${pair#*:} "$@"
        any=1
        [[ $all == 1 ]] || break
    done
    [[ $any == 1 ]] || {
        echo "failed: neither GCC nor Clang is here"
        exit 1
    }
}

# With the library in a prefix: kinds of it.
consume() {
    local prefix=$1 language kind build
    shift
    for kind in "$@"; do
        for language in c cpp; do
            build=$work/$CC-$kind-$language
            rm -rf "$build"
            quietly env CC="$CC" CXX="$CXX" cmake -S "$root/tests/consume/$language" -B "$build" \
                -DCMAKE_PREFIX_PATH="$prefix" -DKIND="$kind" -Wdev -Werror=dev
            quietly cmake --build "$build"
            quietly "$build/consume"
            echo "$kind library from $language, $CC: $(head -n 1 "$work/log")"
            [[ $language == cpp ]] || quietly "$build/score_packets" # no files, but the packaged model is found
            [[ $language == c ]] || [[ $("$build/score_frames" | wc -l) == 1000 ]]
        done
    done
}

# The same without CMake.
consume_by_pkg_config() {
    local pkgconfig=$1 folder
    command -v pkg-config >/dev/null || {
        echo "pkg-config not run: it is not here"
        return
    }
    export PKG_CONFIG_PATH=$pkgconfig
    folder=$(pkg-config --variable=libdir space2vec)
    # shellcheck disable=SC2046
    quietly "$CC" -std=c99 "${strict[@]}" $(pkg-config --cflags space2vec) "$root/tests/consume/c/main.c" -o "$work/by_c" \
        $(pkg-config --libs space2vec) -lm
    # shellcheck disable=SC2046
    quietly "$CXX" -std=c++20 "${strict[@]}" $(pkg-config --cflags space2vec) "$root/tests/consume/cpp/main.cpp" \
        -o "$work/by_cpp" $(pkg-config --libs space2vec)
    quietly env LD_LIBRARY_PATH="$folder" "$work/by_c"
    quietly env LD_LIBRARY_PATH="$folder" "$work/by_cpp"
    [[ -f $(pkg-config --variable=modelsdir space2vec)/stampnet.safetensors ]]
    # Each header stands alone; cuda.h is there only with CUDA.
    local header
    for header in "$(pkg-config --variable=includedir space2vec)"/space2vec/*.h; do
        echo "#include \"$header\"" |
            "$CC" -std=c99 "${strict[@]}" -fsyntax-only $(pkg-config --cflags space2vec) -x c -
    done
    for header in "$(pkg-config --variable=includedir space2vec)"/space2vec/*.hpp; do
        echo "#include \"$header\"" |
            "$CXX" -std=c++20 "${strict[@]}" -fsyntax-only $(pkg-config --cflags space2vec) -x c++ -
    done
    # Older C++ is told what is missing; C's header asks for none.
    if echo '#include <space2vec/space2vec.hpp>' |
        "$CXX" -std=c++17 -fsyntax-only $(pkg-config --cflags space2vec) -x c++ - 2>"$work/log"; then
        echo "failed: C++17 takes space2vec.hpp"
        exit 1
    fi
    grep -q 'needs C++20' "$work/log"
    echo '#include <space2vec/space2vec.h>' |
        "$CXX" -std=c++11 "${strict[@]}" -fsyntax-only $(pkg-config --cflags space2vec) -x c++ -
    echo "by pkg-config, $CC"
}

all=0
if [[ ${1:-} == --wheel ]]; then
    all=1
    python -m venv --without-pip "$work/venv"
    site=$("$work/venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    python -m zipfile -e "$2" "$site"
    # What the package itself needs is not looked at for the folders.
    cmake_dir=$(cd / && PYTHONPATH=$site "$(command -v python)" -m space2vec --cmake-dir)
    pkgconfig_dir=$(cd / && PYTHONPATH=$site "$(command -v python)" -m space2vec --pkgconfig-dir)
    [[ $cmake_dir == "$site"/* && $pkgconfig_dir == "$site"/* ]]
    each_compiler consume "$cmake_dir" shared
    each_compiler consume_by_pkg_config "$pkgconfig_dir"
    exit
fi
[[ ${1:-} != --all ]] || all=1

prefix=$work/prefix
quietly cmake -S "$root" -B "$work/build" -DCMAKE_BUILD_TYPE=Release -DSPACE2VEC_BUILD_TESTS=OFF -DSPACE2VEC_BUILD_CUDA=OFF \
    -DCMAKE_INSTALL_PREFIX="$prefix"
quietly cmake --build "$work/build"
quietly cmake --install "$work/build"
[[ ! -e $prefix/include/space2vec/cuda.h && -f $prefix/share/licenses/space2vec/LICENSE ]]
each_compiler consume "$prefix" static
mv "$prefix" "$prefix-moved" # a shared library finds its models wherever it lies
prefix=$prefix-moved
library=$(echo "$prefix"/lib*/libspace2vec.so)
python3 "$root/tests/consume/abi.py" "$library" --include "$prefix/include"
each_compiler consume "$prefix" shared
each_compiler consume_by_pkg_config "$(dirname "$library")/pkgconfig"

if [[ $all == 1 ]]; then
    quietly cmake -S "$root/tests/consume/subproject" -B "$work/subproject" -DSPACE2VEC="$root" \
        -DCMAKE_INSTALL_PREFIX="$work/subproject-prefix"
    quietly cmake --build "$work/subproject"
    quietly cmake --install "$work/subproject"
    installed=$(cd "$work/subproject-prefix" && find . -type f)
    [[ $installed == ./bin/consume ]] || {
        echo "failed: a part of another project installs $installed"
        exit 1
    }
    cp -r "$root/python/space2vec/packaged" "$work/subproject/packaged" # beside the program
    quietly "$work/subproject/consume"
    echo "as a part of another project"
fi
