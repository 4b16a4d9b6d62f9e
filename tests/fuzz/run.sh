#!/usr/bin/env bash
# Fuzz: every target, or those that are named, for so many seconds of processor time each; two at a time.
#
#     cmake --preset fuzz && cmake --build --preset fuzz    # the targets in C++: fits container schema message stream model frames
#     pip install atheris                                   # the targets in Python: python/csv python/npz ...
#     tests/fuzz/run.sh SECONDS [TARGET]...
#
# Without names it runs the targets in C++ that are built, and those in Python where Atheris is installed; "python" and "c++"
# stand for all of a kind. FUZZ_PYTHON: another interpreter.
# What is found out is kept under build/fuzz/work/TARGET, and a later run goes on from it: corpus/ (inputs that reach new
# code), log, cpu (seconds of processor time so far), and the input of a crash, a leak, a hang or a greed (2 GB), at which
# the run ends and fails. FUZZ_BUILD: another build folder; FUZZ_JOBS: how many at a time; FUZZ_HANG (60): seconds by the
# clock that are a hang, more where others need the machine.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=${FUZZ_BUILD:-$here/../../build/fuzz}
seconds=$1
shift
in_cpp=(fits container schema message stream model frames)
in_python=(python/csv python/npz python/parquet python/gif python/fits_folder python/model python/schema python/dataset)
python=${FUZZ_PYTHON:-python}

kinds=("$@")
if [[ $# == 0 ]]; then
    [[ ! -x $build/tests/fuzz/fuzz_fits ]] || kinds+=(c++)
    ! "$python" -c 'import atheris' 2>/dev/null || kinds+=(python)
    [[ ${#kinds[@]} -gt 0 ]] || { echo "nothing to fuzz: neither are the targets in C++ built, nor is Atheris installed" >&2; exit 1; }
fi
targets=()
for kind in "${kinds[@]}"; do
    case $kind in
    c++) targets+=("${in_cpp[@]}") ;;
    python) targets+=("${in_python[@]}") ;;
    *) targets+=("$kind") ;;
    esac
done

# Rounds until the processor time is spent: a round is limited by the clock, which a busy machine lets run faster.
fuzz() {
    local target=$1 work=$build/work/$1 spent=0 left used ended
    local dictionary=$here/$target.dict
    local options=("-timeout=${FUZZ_HANG:-60}" -rss_limit_mb=2048 -print_final_stats=1 "-artifact_prefix=$work/")
    local program=("$build/tests/fuzz/fuzz_$target")
    if [[ $target == python/* ]]; then
        program=("$python" "$here/python/fuzz_reader.py" "${target#python/}")
        options+=(-max_len=8192)
    fi
    [[ ! -f $dictionary ]] || options+=("-dict=$dictionary")
    mkdir -p "$work/corpus"
    while left=$((seconds - spent)) && ((left > 0)); do
        ended=well
        used=$(
            TIMEFORMAT='%U %S'
            { time "${program[@]}" "${options[@]}" "-max_total_time=$((left < 300 ? left : 300))" \
                "$work/corpus" "$here/seeds/$target" </dev/null >>"$work/log" 2>&1; } 2>&1
        ) || ended=failed
        used=$(awk '{ print int($1 + $2 + 1) }' <<<"$used")
        spent=$((spent + used))
        echo $(($(cat "$work/cpu" 2>/dev/null || echo 0) + used)) >"$work/cpu"
        if [[ $ended == failed ]]; then
            grep -E 'ERROR|SUMMARY|runtime error|does not hold|Error: |Test unit written' "$work/log" | tail -n 5 || true
            echo "fuzz_$target: failed; see $work/log"
            return 1
        fi
    done
    echo "fuzz_$target: $(grep -c . <(ls "$work/corpus")) inputs kept," \
        "$(grep stat::number_of_executed_units "$work/log" | awk '{ n += $2 } END { print n }') run," \
        "$(cat "$work/cpu") s of processor time, nothing found"
}

failed=0
running=0
for target in "${targets[@]}"; do
    if ((running == ${FUZZ_JOBS:-2})); then
        wait -n || failed=1
        running=$((running - 1))
    fi
    fuzz "$target" &
    running=$((running + 1))
done
while ((running > 0)); do
    wait -n || failed=1
    running=$((running - 1))
done
exit "$failed"
