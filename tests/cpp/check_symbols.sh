#!/usr/bin/env bash
# Reads the symbols of the built library.
#
#     check_symbols.sh LIBRARY OBJECT...
#
# An object of kernels for one instruction set exports its table and nothing else, weak symbols included: the linker
# could give a weak function compiled for AVX-512 to code that runs everywhere. Nothing in the library ends the process
# or prints (std::thread's destructor names std::terminate), and it exports its C ABI only, beside what the standard
# library's headers make visible of themselves.
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
    stray=$(nm --dynamic --defined-only --format=posix "$library" | cut -d ' ' -f 1 | grep -Ev '^(s2v_|_Z(Z?N?K?|T[IS])St)' || true)
    [[ -z $stray ]] || fail "$library exports: $stray"
fi

[[ $failed == 0 ]] && echo "symbols: as they should be"
exit "$failed"
