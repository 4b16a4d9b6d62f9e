"""What an import loads, and what the package and its extension say of themselves."""

import ast
import json
import os
import re
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest

import space2vec
from space2vec import registry
from space2vec.cli import main
from space2vec.data.device import unavailable_reason

HEAVY = ("astropy", "cramjam", "fastavro", "matplotlib", "numba", "onnx", "onnxruntime", "PIL", "pyarrow",
         "safetensors", "scipy", "sklearn", "torch", "tqdm")  # fmt: skip


def loaded_by(program):
    """Return the names of the modules that a new interpreter has loaded after the program."""
    text = f"{program}\nimport sys, json\nprint(json.dumps(sorted(sys.modules)))"
    environment = {key: value for key, value in os.environ.items() if key != "SPACE2VEC_BACKEND"}
    done = subprocess.run([sys.executable, "-c", text], env=environment, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def test_the_import_loads_nothing_heavy():
    assert loaded_by("import space2vec").isdisjoint(HEAVY)


def test_features_load_numpy_and_the_extension_alone():
    pytest.importorskip("space2vec._core", reason="the compiled extension is missing: space2vec._core")
    program = (
        "import numpy, space2vec\n"
        "stamps = space2vec.Stamps(numpy.ones((1, 3, 51, 51)))\n"
        "space2vec.features(stamps), space2vec.prepare(stamps, 'braai')"
    )
    loaded = loaded_by(program)
    assert "space2vec._core" in loaded
    assert loaded.isdisjoint(HEAVY)


def test_asking_for_whatever_device_there_is_does_not_load_pytorch():
    program = (
        "from space2vec.backends.choice import usable_device\nassert usable_device('auto', 'torch', bulk=True) == 'cpu'"
    )
    if not unavailable_reason():
        pytest.skip("there is a device, which PyTorch is asked for")
    assert loaded_by(program).isdisjoint(HEAVY)


def test_every_public_name_is_there():
    assert dir(space2vec) == sorted(space2vec.__all__)
    for name in space2vec.__all__:
        assert getattr(space2vec, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'numpy'"):
        _ = space2vec.numpy


def test_the_version_is_that_of_the_c_header():
    header = Path(__file__).parents[3] / "cpp" / "include" / "space2vec" / "space2vec.h"
    version = re.search(r'#define S2V_VERSION "([^"]+)"', header.read_text("utf-8")).group(1)
    assert space2vec.__version__ == version
    core = pytest.importorskip("space2vec._core", reason="the compiled extension is missing: space2vec._core")
    assert core.version == version


def test_the_extension_has_the_registry_of_the_package():
    core = pytest.importorskip("space2vec._core", reason="the compiled extension is missing: space2vec._core")
    packaged = resources.files("space2vec").joinpath("registry.json").read_text("utf-8")
    assert json.loads(core.registry()) == json.loads(packaged)


def test_the_kernels_write_the_columns_in_the_order_of_the_registry():
    core = pytest.importorskip("space2vec._core", reason="the compiled extension is missing: space2vec._core")
    assert len(registry.AUTOSCAN_STAMP) == 18
    assert tuple(core.stamp_feature_name(1, k) for k in range(18)) == registry.AUTOSCAN_STAMP
    assert core.stamp_feature_name(1, 18) is None
    assert core.stamp_feature_name(1, -1) is None


def test_the_stub_tells_what_the_extension_has():
    extension = pytest.importorskip("space2vec._core", reason="no compiled extension")
    stub = ast.parse(resources.files("space2vec").joinpath("_core.pyi").read_text("utf-8"))
    declared = {
        node.target.id if isinstance(node, ast.AnnAssign) else node.name
        for node in stub.body
        if isinstance(node, (ast.AnnAssign, ast.ClassDef, ast.FunctionDef))
    }
    assert declared == {name for name in vars(extension) if not name.startswith("_")}
    for node in stub.body:
        if isinstance(node, ast.ClassDef):
            methods = {inner.name for inner in node.body if isinstance(inner, ast.FunctionDef)}
            held = vars(getattr(extension, node.name))
            assert methods == {name for name in held if name == "__init__" or not name.startswith("_")}
        if isinstance(node, ast.FunctionDef):
            text = getattr(extension, node.name).__doc__
            assert all(f"{argument.arg}:" in text for argument in node.args.args), node.name


def test_the_score_of_an_alert_loads_nothing_that_it_does_not_need(tmp_path):
    """PyArrow's conversions import pandas where it is installed, and its compute functions take as long as alerts."""
    pytest.importorskip("space2vec._core", reason="the compiled extension is missing: space2vec._core")
    assert main(["simulate", "-n", "1", "-o", str(tmp_path / "night")]) == 0
    (tmp_path / "path" / "pandas").mkdir(parents=True)
    (tmp_path / "path" / "pandas" / "__init__.py").touch()
    program = f"""
import sys
sys.path.insert(0, {str(tmp_path / "path")!r})
import pandas; del sys.modules["pandas"]
from space2vec.cli import main
sys.stdout = sys.stderr
assert main(["score", {str(tmp_path / "night")!r}, "-o", {str(tmp_path / "scores.parquet")!r}]) == 0
sys.stdout = sys.__stdout__
"""
    needless = {"pandas", "pyarrow.compute", "pyarrow.dataset", "importlib.metadata", "astropy", "torch", "numba"}
    assert loaded_by(program).isdisjoint(needless)
