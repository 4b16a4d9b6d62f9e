"""What the tests share."""

import importlib.util
import os
import sys
from pathlib import Path

import pytest

from space2vec.data.device import extension


def pytest_runtest_setup(item):
    """Name a test that needs a device as not run where there is none, and say why."""
    if item.get_closest_marker("device") is not None and (reason := extension.unavailable_reason()):
        pytest.skip(f"not run on a device: {reason}")


@pytest.fixture(autouse=True)
def no_device(request, monkeypatch):
    """Hide the CUDA backend from every test that is not of a device: what they tell does not depend on the machine."""
    if request.node.get_closest_marker("device") is None:
        monkeypatch.setitem(sys.modules, "space2vec._cuda", None)


@pytest.fixture(scope="session")
def data():
    """Return the folder of real data, ``$SPACE2VEC_DATA`` or ``../shared/data``; skip where it is absent."""
    folder = Path(os.environ.get("SPACE2VEC_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"real data missing: {folder}")
    return folder


@pytest.fixture(scope="session")
def docs_script():
    """Return what loads a script of docs/ by its name."""

    def load(name):
        path = Path(__file__).resolve().parents[2] / "docs" / f"{name}.py"
        spec = importlib.util.spec_from_file_location(f"docs_{name}", path)
        module = importlib.util.module_from_spec(spec)
        with pytest.MonkeyPatch.context() as patch:
            patch.syspath_prepend(path.parent)  # where python finds what a script of this folder imports
            spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture(scope="module")
def known():
    """Let the tests' networks be known; skip where there is no PyTorch."""
    tiny_networks = pytest.importorskip("helpers.tiny_networks")
    with pytest.MonkeyPatch.context() as patch:
        tiny_networks.make_known(patch)
        yield
