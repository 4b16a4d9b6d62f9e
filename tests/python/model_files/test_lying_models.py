"""Model files that lie: refused in one line, by every reader, before anything is allocated for what they ask."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import space2vec as s2v
from helpers import tiny_models
from helpers.lying_models import LARGE, LIES, SETTINGS, of_settings
from space2vec import model_files
from space2vec.errors import ModelError, Space2vecWarning
from space2vec.model_files import tensor_file
from space2vec.model_files.integer_network import split_integers

SEEDS = Path(__file__).resolve().parents[2] / "fuzz" / "seeds" / "model"


def load(file: bytes, folder: Path) -> Any:
    path = folder / "lie.safetensors"
    path.write_bytes(file)
    return s2v.load(path)


def check_words(said: str, words: str) -> None:
    assert re.search(words, said), said
    assert said.isprintable()
    assert len(said) <= 1000


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_told(lie: str, tmp_path: Path) -> None:
    file, words = LIES[lie]
    with pytest.raises(ModelError) as caught:
        load(file, tmp_path)
    check_words(str(caught.value), words)
    assert str(tmp_path / "lie.safetensors") in str(caught.value)


@pytest.mark.parametrize("lie", LIES)
def test_the_library_tells_it_as_well(lie: str) -> None:
    core = pytest.importorskip("space2vec._core")
    file, words = LIES[lie]
    with pytest.raises(ValueError, match="Model: ") as caught:
        core.Model(file)
    check_words(str(caught.value), words)
    assert str(caught.value).isascii()


@pytest.mark.parametrize("lie", LIES)
def test_so_does_the_twin(lie: str) -> None:
    pytest.importorskip("numba", reason="Numba is missing: numba")
    from space2vec.backends.numba.model_file import read_model

    file, words = LIES[lie]
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (the words are looked at below)
        read_model(file)
    if "\\x" not in words and "\\n" not in words and "\\r" not in words:  # who calls it shows names
        check_words(str(caught.value).encode("unicode_escape").decode(), words)


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_settings_are_looked_at_before_a_network_is_built(settings: Any, tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        load(of_settings(settings), tmp_path)
    check_words(str(caught.value), "setting|what its architecture takes|damaged|something else")


@pytest.mark.parametrize("lie", LARGE)
def test_a_large_lie_costs_little(lie: str, tmp_path: Path) -> None:
    core = pytest.importorskip("space2vec._core")
    make, words = LARGE[lie]
    file = make()
    for read, kind in ((core.Model, ValueError), (lambda given: load(given, tmp_path), ModelError)):
        begin = time.process_time()
        with pytest.raises(kind) as caught:
            read(file)
        assert time.process_time() - begin < 0.5 + 2e-6 * len(file), "2 ms a kB"
        check_words(str(caught.value), words)


def test_large_lies_need_little_memory(tmp_path: Path) -> None:
    """All of them, one after another, in 3 GB of addresses and 1 GB of memory."""
    for name, (make, _) in LARGE.items():
        (tmp_path / f"{name}.safetensors").write_bytes(make())
    program = """
import re, resource, sys
from pathlib import Path
import space2vec as s2v
from space2vec.errors import ModelError
resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
for path in sorted(Path(sys.argv[1]).glob("*.safetensors")):
    try:
        s2v.load(path)
    except ModelError as error:
        print(path.name in str(error))
# Not ru_maxrss, which counts the parent's memory from before the program was loaded.
print(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
"""
    said = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True
    ).stdout.split()
    assert said[:-1] == ["True"] * len(LARGE)
    assert int(said[-1]) < 1 << 20, "1 GB"


def test_the_seeds_are_these() -> None:
    """What the library is tested and fuzzed with where there is no Python."""
    assert {path.name: path.read_bytes() for path in SEEDS.glob("lie_*")} == {
        f"lie_{name}": file for name, (file, _) in LIES.items()
    }


@pytest.mark.parametrize("error", [MemoryError(), RecursionError("too deep")])
def test_what_the_interpreter_cannot_hold_is_that_files_error(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> Any:
        raise error

    monkeypatch.setattr(tensor_file, "decode", fail)
    with pytest.raises(ModelError, match=r"lie\.safetensors"):
        load(b"", tmp_path)


@pytest.mark.parametrize("change", [{"name": "n" * 300}, {"name": "a\0b"}, {"training": {"ids": [0] * 300_000}}])
def test_what_no_reader_takes_is_not_written(change: dict[str, Any], tmp_path: Path) -> None:
    file = tiny_models.forest(("L1", "snr_2"))
    model = load(file, tmp_path)
    with pytest.raises(ModelError, match="no model that a file can hold"):
        (tmp_path / "new.safetensors").write_bytes(model_files.encode(dataclasses.replace(model.header, **change), {}))
    assert not (tmp_path / "new.safetensors").exists()


# The id.

FOREST = tiny_models.forest(("L1", "snr_2"), fill=True)
NETWORK = tiny_models.network(s2v.Recipe.of("id", steps="l2", side=9), ("L1", "snr_2"))
BUILT = tiny_models.header_of(NETWORK).architecture or {}


def id_of(file: bytes, folder: Path) -> str:
    return str(load(file, folder).digest)


@pytest.mark.parametrize("file", [FOREST, NETWORK], ids=["forest", "network"])
def test_every_tensor_changes_the_id(file: bytes, tmp_path: Path) -> None:
    """A bit of any tensor, where the file is still a model; ``--resume`` goes by it."""
    known = {id_of(file, tmp_path)}
    tensors = tensor_file.decode(file)[1]
    for name, tensor in tensors.items():
        changed = tensor.copy()
        flat = changed.reshape(-1).view(np.uint8)
        flat[0] ^= 1
        try:
            known.add(id_of(tiny_models.changed(file, **{name: changed}), tmp_path))
        except ModelError:
            continue
        assert len(known) > 1
    assert len(known) >= len(tensors) - 2, "tree_start and right cannot be others alone"


@pytest.mark.parametrize(("file", "change", "counts"), [
    (FOREST, {"feature_names": ("snr_2", "L1")}, True),
    (FOREST, {"convention": "paper"}, True),
    (FOREST, {"calibration": tiny_models.CALIBRATION}, True),
    (FOREST, {"imputation": "median"}, False),
    (FOREST, {"training": {"a": 1}, "metrics": {"b": 2}, "library": "9"}, False),
    (NETWORK, {"recipe": s2v.Recipe.of("id", steps="zscale", side=9).to_plain()}, True),
    (NETWORK, {"recipe": s2v.Recipe.of("id", steps="l2", side=9, channels=("template", "science", "difference"))
               .to_plain()}, True),
    (NETWORK, {"architecture": {**BUILT, "temperature": 2.5}}, True),
    (NETWORK, {"architecture": {**BUILT, "optional": ["template"]}}, True),
])  # fmt: skip
def test_what_decides_a_score_is_in_the_id(file: bytes, change: dict[str, Any], counts: bool, tmp_path: Path) -> None:
    other = tiny_models.with_header(file, **change)
    assert (id_of(file, tmp_path) != id_of(other, tmp_path)) == counts


def test_no_bytes_move_from_one_tensor_to_the_next_unseen(tmp_path: Path) -> None:
    """Integer networks may hold further floats: with these the same bytes could be said in two ways."""
    tensors = tensor_file.decode(NETWORK)[1]
    extra = [
        {"a": np.zeros(8, np.uint8)},
        {"a": np.zeros(4, np.uint8), "b": np.zeros(4, np.uint8)},
        {"a": np.zeros((2, 4), np.uint8)},
        {"a": np.zeros(8, np.int8)},
        {"a uint8 (8,)": np.zeros(8, np.uint8)},
    ]
    files = [tensor_file.encode(tensor_file.decode(NETWORK)[0], {**tensors, **more}) for more in extra]
    assert len({id_of(file, tmp_path) for file in files}) == len(extra)


def test_columns_do_not_run_into_each_other(tmp_path: Path) -> None:
    one, two = tiny_models.forest(("a\nb", "c")), tiny_models.forest(("a", "b\nc"))
    assert id_of(one, tmp_path) != id_of(two, tmp_path)


def test_a_stored_graph_is_nothing(tmp_path: Path) -> None:
    """Files of earlier versions hold an ONNX graph: it is not run, and so not in the id."""
    metadata, tensors = tensor_file.decode(NETWORK)
    graphs = [np.frombuffer(graph, np.uint8) for graph in (b"\x08\x08 some graph", b"another one, which would lie")]
    old = [load(tensor_file.encode(metadata, {**tensors, "onnx": graph}), tmp_path) for graph in graphs]
    assert {model.digest for model in old} == {id_of(NETWORK, tmp_path)}
    assert all("onnx" not in tensor_file.decode(model.file)[1] for model in old)
    assert split_integers(old[0].header, tensor_file.decode(old[0].file)[1])[0] is not None


def test_resume_refuses_another_model_of_the_same_header(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from space2vec.cli import main

    night = tmp_path / "night"
    assert main(["simulate", "-n", "40", "-o", str(night), "--seed", "3"]) == 0
    model = tmp_path / "mine.safetensors"
    model.write_bytes(FOREST)
    command = [
        sys.executable, "-c",
        "import sys, space2vec.writing as w\n"
        "real = w.Output.add\n"
        "def add(self, *a, **k):\n"
        "    real(self, *a, **k)\n"
        "    raise KeyboardInterrupt\n"
        "w.Output.add = add\n"
        "from space2vec.cli import main\n"
        "sys.exit(main(sys.argv[1:]))",
        "score", str(night), "-o", str(tmp_path / "out.parquet"), "--model", str(model), "--part-rows", "16",
    ]  # fmt: skip
    assert subprocess.run(command, capture_output=True, check=False).returncode == 130
    value = tensor_file.decode(FOREST)[1]["value"].copy()
    value[-1] = np.nextafter(value[-1], np.float32(2.0))
    model.write_bytes(tiny_models.changed(FOREST, value=value))
    capsys.readouterr()
    again = command[3:]
    assert main([*again, "--resume"]) == 2
    assert "it was begun with model tiny forest" in capsys.readouterr().err
    model.write_bytes(FOREST)
    assert main([*again, "--resume"]) == 0


def test_the_id_shows_the_first_digits(tmp_path: Path) -> None:
    """Twelve digits can be met by trying; what a run notes is all 64."""
    model = load(FOREST, tmp_path)
    assert len(model.digest) == 64
    assert model.id == f"tiny forest {model.digest[:12]}"


# Networks in floating point.


def of_floats(settings: dict[str, Any], **tensors: Any) -> bytes:
    recipe = s2v.Recipe("braai").to_plain()
    how = {"name": "braai", "settings": settings, "temperature": 1.0}
    header = model_files.Header("network", "floats", (), "custom", recipe=recipe, architecture=how)
    return model_files.encode(header, tensors)


@pytest.mark.parametrize("settings", [
    {"side": 60000}, {"side": 65536, "channels": 65536}, {"side": -1}, {"side": "63"}, {"channels": None}, {"sides": 1},
])  # fmt: skip
def test_what_settings_ask_for_is_what_the_file_holds(settings: dict[str, Any], tmp_path: Path) -> None:
    """Nothing is allocated for 200 TB of weights that are not there."""
    pytest.importorskip("torch")
    begin = time.process_time()
    with pytest.raises(ModelError, match=r"braai|setting"):
        load(of_floats(settings, weight=np.zeros(3, np.float32)), tmp_path)
    assert time.process_time() - begin < 10


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_are_numbers(value: float, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from space2vec.architectures import build

    torch.manual_seed(1)
    weights = {name: tensor.numpy() for name, tensor in build("braai", {}).state_dict().items()}
    assert load(of_floats({}, **weights), tmp_path).runtime == "torch"
    weights["head.3.bias"] = np.full(1, value, np.float32)
    with pytest.raises(ModelError, match=r"head\.3\.bias holds what is no finite number"):
        load(of_floats({}, **weights), tmp_path)


def test_what_runs_is_made_of_the_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ONNX Runtime is given a graph that is made anew: none of a file, which could read other files."""
    for package in ("torch", "onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package)
    from space2vec.architectures import build
    from space2vec.models import runtimes

    weights = {name: tensor.numpy() for name, tensor in build("braai", {}).state_dict().items()}
    model = load(of_floats({}, onnx=np.frombuffer(b"\x08\x08", np.uint8), **weights), tmp_path)
    assert "onnx" not in tensor_file.decode(model.file)[1]
    given: list[bytes] = []
    monkeypatch.setattr(runtimes, "OnnxRuntime", lambda graph, _names: given.append(graph))
    monkeypatch.setattr("space2vec.models.onnx_graph.make_graph", lambda _network: b"made anew")
    model.runtime = "onnxruntime"
    runtimes.make_runtime(model)
    assert given == [b"made anew"]


def chain(depth: int) -> dict[str, Any]:
    """Return one tree: splits on the first column, each the left child of the one before."""
    right = np.zeros(2 * depth + 1, np.int32)
    right[:depth] = 2 * (depth - np.arange(depth))
    value = np.full(2 * depth + 1, 0.25, np.float32)
    value[:depth] = -np.arange(depth)
    value[depth] = 0.75
    zeros = np.zeros(2 * depth + 1)
    return {
        "tree_start": np.array([0, 2 * depth + 1]), "right": right, "value": value,
        "feature": zeros.astype(np.int16), "missing_left": zeros.astype(np.uint8),
    }  # fmt: skip


def test_a_million_nodes(tmp_path: Path) -> None:
    """A tree as deep as nodes can say is a tree; one of whose nodes has two parents is none, and both cost little."""
    tensors = chain(500_000)
    begin = time.process_time()
    forest = load(tiny_models.changed(tiny_models.forest(("L1", "snr_2")), **tensors), tmp_path)
    score = forest.predict(np.array([[1.0, 0.0], [-1e9, 0.0], [-7.5, 0.0]], np.float32))
    assert score.tolist() == [0.25, 0.75, 0.25]
    tensors["right"][-2] = 1
    with pytest.raises(ModelError, match="a child lies outside its tree"):
        load(tiny_models.changed(tiny_models.forest(("L1", "snr_2")), **tensors), tmp_path)
    assert time.process_time() - begin < 10
    with pytest.raises(ModelError, match="a tree is too large"):
        load(tiny_models.changed(tiny_models.forest(("L1", "snr_2")), **chain(600_000)), tmp_path)


def test_a_network_that_gives_no_number_is_told(tmp_path: Path) -> None:
    """Finite weights may overflow; such a row has no score, and that is said."""
    torch = pytest.importorskip("torch")
    from space2vec.architectures import build

    torch.manual_seed(1)
    weights = {name: tensor.numpy() for name, tensor in build("braai", {}).state_dict().items()}
    weights["body.0.weight"] = np.full_like(weights["body.0.weight"], 3e38)
    weights["body.2.weight"] = np.where(np.arange(16) % 2, 3e38, -3e38).astype(np.float32)[:, None, None, None] * (
        np.ones_like(weights["body.2.weight"])
    )
    weights["body.6.weight"] = np.where(np.arange(16) % 2, 1, -1).astype(np.float32)[None, :, None, None] * (
        np.ones_like(weights["body.6.weight"])
    )
    stamps = s2v.simulate(3, seed=1).stamps
    model = load(of_floats({}, **weights), tmp_path)
    with pytest.warns(Space2vecWarning, match="'floats' in floating point gives no number for 3 of 3 candidates"):
        scores = model.score(stamps)
    assert np.isnan(scores.score).all()
