"""Benchmarks for pytest-benchmark: stages of space2vec beside packages that do the same.

    pytest benchmarks --benchmark-only                                two minutes, a table a stage
    pytest benchmarks --benchmark-only -k features --benchmark-save=before
    pytest benchmarks --benchmark-only -k features --benchmark-compare
    pytest benchmarks --benchmark-disable                             run each once, in seconds, without timing

A group is a stage, and a row of its table a contender: ``space2vec`` on one core of the CPU; ``cuda`` and ``cuda from
host`` if there is a GPU (the stamps lie on it, or come from the host; the results end on the host); ``numba`` with
``--numba``, the twin of the kernels, whose first run compiles for minutes; and peers. All contenders of a group work on
the same ``--rows`` (64) candidates; a GPU wants thousands. Claims beside a peer come from the scripts of
``benchmarks/speed``, whose contenders take turns.
"""
