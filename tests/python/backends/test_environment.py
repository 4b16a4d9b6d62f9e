"""Environment variables that choose a backend: settings that name nothing, and a backend that is not installed."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest

import space2vec as s2v
from space2vec.errors import BackendError

PROBE = "import numpy as np, space2vec as s2v; s2v.features(s2v.Stamps(np.ones((1, 3, 51, 51)))); print('ran')"


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("SPACE2VEC_BACKEND", "fortran", "SPACE2VEC_BACKEND is 'fortran'; accepted are native and numba"),
        ("SPACE2VEC_ISA", "mmx", "SPACE2VEC_ISA is 'mmx'.*known instruction sets: baseline, v3, v4"),
    ],
)
def test_settings_that_name_nothing(variable, value, told):
    environment = {**os.environ, "SPACE2VEC_BACKEND": "native", variable: value}
    done = subprocess.run([sys.executable, "-c", PROBE], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("space2vec.errors.BackendError: ")
    assert re.search(told, last)


def test_numba_that_is_not_installed(monkeypatch):
    monkeypatch.setenv("SPACE2VEC_BACKEND", "numba")
    for name in [name for name in sys.modules if name.startswith("space2vec.backends.numba")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "numba", None)
    with pytest.raises(BackendError, match=r"pip install '\.\[numba\]'"):
        s2v.features(s2v.Stamps(np.ones((1, 3, 51, 51))))
