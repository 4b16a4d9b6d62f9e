#!/usr/bin/env bash
# What a built tree needs of the machine that runs it, and the tree as one file: cuda/device_package.sh TREE [GLIBC]
#
# Fails where a binary asks for a symbol of a later glibc than GLIBC (2.34: Debian 12, Ubuntu 22.04, RHEL 9 and later),
# or for a library that comes with a compiler. TREE.tar.gz has what cuda/device_check.sh takes by --tree.
set -euo pipefail

tree=$(realpath "$1")
most=${2:-2.34}
status=0
binaries=("$tree/cuda/space2vec_parity" "$tree"/package/space2vec/_c*.so)
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
    "$(basename "$tree")"/{cuda/space2vec_parity,package,build.log,scratch.json,revision}
echo "$tree.tar.gz: $(stat -c %s "$tree.tar.gz") bytes"
