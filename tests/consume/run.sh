#!/usr/bin/env bash
# Builds and installs the library, shared and static, and builds projects from nothing against what was installed: in C99,
# C++20 and Rust, by CMake, pkg-config and cargo, and as a part of another project. The programs of examples/ are among
# them: what they print is compared with Python's scores, where the package is here. Symbols and structures are compared
# with those that were promised (cpp/abi.txt).
#
#     run.sh             with the first of GCC and Clang that is here
#     run.sh --all       with both, and the library as a part of another project
#     run.sh --wheel W   with both, against what lies in a wheel
#     run.sh --prefix P  with both, against a library that is installed there
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
        done
        [[ -x $work/$CC-$kind-c/score_fits ]] ||
            echo "score_fits not run: no cfitsio (on Debian or Ubuntu: libcfitsio-dev and pkg-config)"
        compare_examples "$work/$CC-$kind"-{c,cpp}/score_*
    done
}

# Programs of examples/ with Python's scores; without Python, that they run and find the packaged model.
compare_examples() {
    local program
    if [[ -n $package ]]; then
        quietly "$package" "$root/tests/consume/examples.py" "$@"
        cat "$work/log"
        return
    fi
    for program in "$@"; do
        case ${program##*/} in
        score_packets) quietly "$program" ;;
        score_frames) [[ $("$program" | wc -l) == 1000 ]] ;;
        esac
    done
}

# The program in Rust, by cargo and by rustc alone.
consume_by_rust() {
    local pkgconfig=$1 folder=$work/rust word any=0
    local -a link=()
    export PKG_CONFIG_PATH=$pkgconfig
    if ! command -v pkg-config >/dev/null; then
        echo "Rust not run: no pkg-config"
        return
    fi
    rm -rf "$folder"
    cp -r "$root/examples/rust" "$folder"
    if command -v cargo >/dev/null; then
        any=1
        quietly env RUSTFLAGS="-D warnings" CARGO_NET_OFFLINE=true cargo build --manifest-path "$folder/Cargo.toml" \
            --target-dir "$folder/target"
        echo "from Rust, by cargo"
        compare_examples "$folder/target/debug/score_messages"
    fi
    if command -v rustc >/dev/null; then
        any=1
        for word in $(pkg-config --libs space2vec) "-Wl,-rpath,$(pkg-config --variable=libdir space2vec)"; do
            link+=(-C "link-arg=$word")
        done
        quietly rustc --edition 2021 -D warnings "${link[@]}" "$folder/src/main.rs" -o "$folder/score_messages"
        echo "from Rust, by rustc"
        compare_examples "$folder/score_messages"
    fi
    [[ $any == 1 ]] || echo "Rust not run: neither cargo nor rustc is here (on Debian or Ubuntu: cargo)"
}

# A static library finds its models where it was installed, so this comes before the prefix is moved.
link_statically_by_pkg_config() {
    command -v pkg-config >/dev/null || return 0
    export PKG_CONFIG_PATH=$1
    # shellcheck disable=SC2046
    quietly "$CC" -std=c99 "${strict[@]}" $(pkg-config --cflags space2vec) "$root/tests/consume/c/main.c" \
        -o "$work/by_c_static" $(pkg-config --static --libs space2vec | sed 's/-lspace2vec/-l:libspace2vec.a/')
    quietly "$work/by_c_static"
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

# The Python that has the package, which examples are compared with; a library without one is tried, too.
package=''
for candidate in python python3; do
    if (cd / && "$candidate" -c 'import space2vec._core, astropy, fastavro') 2>/dev/null; then
        package=$candidate
        break
    fi
done
[[ -n $package ]] || echo "not compared with Python: no python with space2vec, Astropy and fastavro"

# The library as a part of another project, which it leaves as it is: linked statically, and as that project says.
consume_as_subproject() {
    local folder=$work/$CC-subproject shared installed models
    for shared in OFF ON; do
        quietly env CC="$CC" CXX="$CXX" cmake -S "$root/tests/consume/subproject" -B "$folder" -DSPACE2VEC="$root" \
            -DCMAKE_INSTALL_PREFIX="$folder-prefix" -DBUILD_SHARED_LIBS="$shared"
        quietly cmake --build "$folder"
        quietly cmake --install "$folder"
        installed=$(cd "$folder-prefix" && find . -type f)
        [[ $installed == ./bin/consume ]] || {
            echo "failed: a part of another project installs $installed"
            exit 1
        }
        # Models are looked for beside what holds the library: the program, or the shared library.
        [[ $shared == OFF ]] && models=$folder/packaged || models=$folder/space2vec/cpp/packaged
        rm -rf "$folder/packaged" "$folder/space2vec/cpp/packaged"
        cp -r "$root/python/space2vec/packaged" "$models"
        quietly "$folder/consume"
        quietly "$folder/consume_cpp"
        echo "as a part of another project, $CC, BUILD_SHARED_LIBS $shared"
    done
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
    consume_by_rust "$pkgconfig_dir"
    exit
fi
if [[ ${1:-} == --prefix ]]; then
    all=1
    each_compiler consume "$(realpath "$2")" static shared
    each_compiler link_statically_by_pkg_config "$(echo "$(realpath "$2")"/lib*/pkgconfig)"
    each_compiler consume_by_pkg_config "$(echo "$(realpath "$2")"/lib*/pkgconfig)"
    consume_by_rust "$(echo "$(realpath "$2")"/lib*/pkgconfig)"
    exit
fi
[[ ${1:-} != --all ]] || all=1

prefix=$work/prefix
build=$root/build/consume # as deep as other builds, for those whose compiler keeps objects
rm -rf "$build"
quietly cmake -S "$root" -B "$build" -DCMAKE_BUILD_TYPE=Release -DSPACE2VEC_BUILD_TESTS=OFF -DSPACE2VEC_BUILD_CUDA=OFF \
    -DCMAKE_INSTALL_PREFIX="$prefix"
quietly cmake --build "$build"
quietly cmake --install "$build"
[[ ! -e $prefix/include/space2vec/cuda.h && -f $prefix/share/licenses/space2vec/LICENSE ]]
each_compiler consume "$prefix" static
each_compiler link_statically_by_pkg_config "$(echo "$prefix"/lib*/pkgconfig)"
mv "$prefix" "$prefix-moved" # a shared library finds its models wherever it lies
prefix=$prefix-moved
library=$(echo "$prefix"/lib*/libspace2vec.so)
python3 "$root/tests/consume/abi.py" "$library" --include "$prefix/include"
each_compiler consume "$prefix" shared
each_compiler consume_by_pkg_config "$(dirname "$library")/pkgconfig"
consume_by_rust "$(dirname "$library")/pkgconfig"

[[ $all == 0 ]] || each_compiler consume_as_subproject
