"""Benchmarks for pytest-benchmark: stages of ours beside what others offer for the same.

    pytest benchmarks --benchmark-only                                two minutes, a table a stage
    pytest benchmarks --benchmark-only -k features --benchmark-save=before
    pytest benchmarks --benchmark-only -k features --benchmark-compare
    pytest benchmarks --benchmark-disable                             each once, in seconds: whether they run

A group is a stage, a row of its table a contender: ``space2vec`` on one core of the CPU, ``cuda`` and ``cuda from
host`` where there is a GPU (stamps lie on it, or come from the host; results end on the host), ``numba`` where
``--numba`` asks for the twin of the kernels, whose first run compiles for minutes, and peers. All of a group work on
the same ``--rows`` (64) candidates; a GPU wants thousands. For claims beside a peer there are the scripts of
``benchmarks/speed``, whose contenders take turns.
"""
