#!/usr/bin/env bash
# Reads the symbols of the built library.
#
#     check_symbols.sh LIBRARY OBJECT...
#
# An object of kernels for one instruction set exports its table and nothing else, weak symbols included: the linker
# could give a weak function compiled for AVX-512 to code that runs everywhere. Nothing in the library ends the process
# or prints (std::thread's destructor names std::terminate). A shared library exports its C ABI alone, by its version,
# needs the libraries of C and C++ and no other, and stays below 3 MB.
set -euo pipefail

library=$1
shift
failed=0
fail() {
    echo "failed: $*"
    failed=1
}

for object in "$@"; do
    name=$(basename "$object" | sed 's/\.cpp\.o$//')
    exported=$(nm --extern-only --defined-only --format=posix "$object" | cut -d ' ' -f 1,2)
    [[ $exported == "s2v_$name R" || $exported == "s2v_$name D" ]] || fail "$object exports: $exported"
done
[[ $# -gt 0 ]] || fail "no kernel objects given"

banned='^(abort|_?exit|_Exit|quick_exit|printf|fprintf|vprintf|vfprintf|__printf_chk|__fprintf_chk|puts|fputs|putchar|perror|__assert_fail|_ZSt4cout|_ZSt4cerr|_ZSt4clog)(@|$)'
used=$(nm --undefined-only --format=posix "$library" | cut -d ' ' -f 1 | grep -E "$banned" | sort -u || true)
[[ -z $used ]] || fail "$library uses: $used"

if [[ $library == *.so* ]]; then
    exported=$(nm --dynamic --defined-only --format=posix "$library" | cut -d ' ' -f 1)
    stray=$(grep -Ev '^(s2v_[a-z0-9_]+@@SPACE2VEC_[0-9]+\.[0-9]+|SPACE2VEC_[0-9]+\.[0-9]+(@.*)?)$' <<<"$exported" || true)
    [[ -z $stray ]] || fail "$library exports: $stray"
    [[ $(grep -c '^s2v_' <<<"$exported") -ge 50 ]] || fail "$library does not export its C ABI"
    needed=$(objdump -p "$library" | awk '$1 == "NEEDED" {print $2}')
    stray=$(grep -Ev '^lib(c|m|stdc\+\+|gcc_s)\.so\.[0-9]+$' <<<"$needed" || true)
    [[ -z $stray ]] || fail "$library needs: $stray"
    # Without the symbols that a debugger reads, which an installation by pip strips.
    size=$(size "$library" | awk 'NR == 2 {print $1 + $2}')
    [[ $size -lt 3000000 ]] || fail "$library has $size bytes"
fi

[[ $failed == 0 ]] && echo "symbols: as they should be"
exit "$failed"
