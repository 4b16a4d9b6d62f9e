"""``--module``: commands run a network whose class is the user's own, and import nothing that was not asked for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import space2vec as s2v
from space2vec.cli import main
from space2vec.cli.own_module import make_module
from space2vec.models.load import load

torch = pytest.importorskip("torch")

Captured = pytest.CaptureFixture[str]

CODE = """
import torch

class Mine(torch.nn.Module):
    def __init__(self, channels=6, columns={columns}):
        super().__init__()
        self.look = torch.nn.Sequential(torch.nn.Conv2d(channels, 8, 5, stride=4), torch.nn.AdaptiveAvgPool2d(1))
        self.head = torch.nn.Linear(8 + columns, 1)

    def forward(self, planes, features):
        seen = self.look(planes).flatten(1)
        return self.head(torch.cat([seen, torch.nan_to_num(features).clamp(-9, 9)], dim=1)).squeeze(1)

class Other(torch.nn.Module):
    pass

class Wants(torch.nn.Module):
    def __init__(self, width):
        super().__init__()

def made():
    return Mine(6, {columns})

def no_module():
    return 3

ready = Mine()
number = 3
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with alerts, their truth, the code of a network in a module, and its weights in a file."""
    folder = tmp_path_factory.mktemp("own")
    like = s2v.load("stampnet")
    assert isinstance(like, s2v.Network)
    code = folder / "code" / "s2v_test_networks.py"
    code.parent.mkdir()
    code.write_text(CODE.format(columns=len(like.feature_names)))
    (code.parent / "s2v_test_fails.py").write_text("1 / 0\n")
    (code.parent / "s2v_test_misses.py").write_text("import s2v_no_such_package\n")
    assert main(["simulate", "-n", "30", "--seed", "22", "-o", str(folder / "alerts")]) == 0
    sys.path.insert(0, str(code.parent))
    try:
        torch.manual_seed(1)
        network = s2v.Network.from_module(make_module("s2v_test_networks:Mine"), like=like, name="mine")
    finally:
        sys.path.remove(str(code.parent))
    network.save(folder / "mine.safetensors")
    return folder


@pytest.fixture
def on_path(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(folder / "code"))


@pytest.mark.usefixtures("on_path")
@pytest.mark.parametrize("name", ["Mine", "made"])
def test_a_module_of_ones_own_is_scored_from_the_command_line(folder: Path, tmp_path: Path, name: str) -> None:
    out, file = tmp_path / "scores.parquet", folder / "mine.safetensors"
    place = f"s2v_test_networks:{name}"
    assert main(["score", str(folder / "alerts"), "-o", str(out), "--model", str(file), "--module", place]) == 0
    table = pq.read_table(out)
    network, stamps = load(file, module=make_module(place)), s2v.read(folder / "alerts")
    assert isinstance(stamps, s2v.Stamps)
    scores = network.score(stamps)
    expected = dict(zip(scores.candidate_id.tolist(), scores.score.tolist(), strict=True))
    assert np.isfinite(scores.score).all()
    found = dict(zip(table["candidate_id"].to_pylist(), table["score"].to_pylist(), strict=True))
    assert found.keys() == expected.keys()
    np.testing.assert_allclose([found[key] for key in expected], list(expected.values()), atol=1e-6)


@pytest.mark.usefixtures("on_path")
def test_all_commands_that_take_a_model_take_the_module(folder: Path, tmp_path: Path, capsys: Captured) -> None:
    file, alerts, truth = folder / "mine.safetensors", folder / "alerts", folder / "alerts" / "truth.csv"
    module = ["--module", "s2v_test_networks:Mine"]
    scores, better, tuned = tmp_path / "scores.parquet", tmp_path / "better.safetensors", tmp_path / "tuned"
    assert main(["info", str(file), "--no-speed", *module]) == 0
    assert "floating point, by torch" in capsys.readouterr().out
    assert main(["score", str(alerts), "-o", str(scores), "--model", str(file), *module]) == 0
    assert main(["calibrate", str(file), str(scores), "--labels", str(truth), "-o", str(better), *module]) == 0
    assert main(["info", str(better), "--no-speed", *module]) == 0
    assert "a table of" in capsys.readouterr().out
    command = ["train", "network", str(alerts), "--labels", str(truth), "--from", str(file), "-o", str(tuned)]
    assert main([*command, "--epochs", "1", *module]) == 0
    capsys.readouterr()
    assert main(["info", str(tuned), "--no-speed", *module]) == 0
    assert capsys.readouterr().out.startswith("# mine v2")
    assert main(["report", str(alerts), "-o", str(tmp_path / "night"), "--model", str(tuned), *module]) == 0


@pytest.mark.usefixtures("on_path")
def test_what_is_no_module_is_named(folder: Path, capsys: Captured) -> None:
    name = "s2v_test_networks"
    wrong = {
        "Mine": "is not PACKAGE.MODULE:CLASS",
        f"{name}:": "is not PACKAGE.MODULE:CLASS",
        f"../{name}:Mine": "is not PACKAGE.MODULE:CLASS",
        "s2v_nowhere.networks:Mine": "there is no module s2v_nowhere; commands do not look in the current folder",
        f"{name}.deeper:Mine": f"there is no module {name}.deeper",
        f"{name}:Yours": f"{name} has no Yours",
        f"{name}:number": "is neither a class nor a function",
        f"{name}:ready": "is neither a class nor a function",
        f"{name}:no_module": "makes a int, and not a torch.nn.Module",
        f"{name}:Wants": "called without arguments it raises TypeError",
        "s2v_test_fails:Mine": "importing it raises ZeroDivisionError",
        "s2v_test_misses:Mine": "No module named 's2v_no_such_package'",
    }
    for place, message in wrong.items():
        assert main(["info", str(folder / "mine.safetensors"), "--module", place]) == 2
        assert message in capsys.readouterr().err
    assert main(["info", str(folder / "mine.safetensors"), "--module", f"{name}:Other"]) == 2
    assert "these are no weights of Other" in capsys.readouterr().err
    assert main(["info", "stampnet", "--module", f"{name}:Mine"]) == 2
    assert "it takes no module, since its file says how it is built" in capsys.readouterr().err
    assert main(["info", str(folder / "mine.safetensors")]) == 2
    assert "name the class to a command by --module PACKAGE.MODULE:CLASS" in capsys.readouterr().err
    assert main(["train", "network", "x", "-o", "y", "--module", f"{name}:Mine"]) == 2
    assert "--module goes with --from MODEL" in capsys.readouterr().err


def test_nothing_is_imported_from_the_current_folder_and_from_pythonpath_what_is_named(folder: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONSAFEPATH"}
    command = [sys.executable, "-m", "space2vec", "info", str(folder / "mine.safetensors"), "--no-speed"]
    place = ["--module", "s2v_test_networks:Mine"]

    def run(*options: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *options],
            cwd=folder / "code",
            env={**environment, **more},
            capture_output=True,
            text=True,
            check=False,
        )

    refused = run(*place)
    assert refused.returncode == 2
    assert "there is no module s2v_test_networks" in refused.stderr
    path = os.pathsep.join(filter(None, (str(folder / "code"), environment.get("PYTHONPATH"))))
    done = run(*place, PYTHONPATH=path)
    assert done.returncode == 0, done.stderr
    assert "# mine" in done.stdout
    unasked = run(PYTHONPATH=path)
    assert unasked.returncode == 2, "the file names its class, which does not make anything import it"
    assert "whose code is not in the file" in unasked.stderr
