"""The comparison of counted instructions with their budget, on invented numbers."""

import json
import shutil

import pytest

from benchmarks.speed import instructions

COUNTS = {"fit": 1000, "median": 200}


@pytest.fixture
def budget(tmp_path, monkeypatch):
    """Return the module, with a budget of its own and stages that take COUNTS."""
    module = instructions
    answers = {"--list": "\n".join(COUNTS), "--compiler": "GNU 12.2.0"}
    monkeypatch.setattr(module, "BUDGET", tmp_path / "instructions.json")
    monkeypatch.setattr(module, "run_program", lambda program, what: answers[what])
    monkeypatch.setattr(module, "count_stage", lambda counter, program, stage: COUNTS[stage])
    monkeypatch.setattr(module.shutil, "which", lambda name: name)
    monkeypatch.setattr(module.platform, "machine", lambda: "x86_64")
    return module


def run(module, monkeypatch, *arguments):
    """Return the exit status of a command line."""
    monkeypatch.setattr("sys.argv", ["instructions.py", "--program", "stages", *arguments])
    return module.main()


def write_budget(module, counts, compiler="GNU 12.2.0"):
    """Write a budget."""
    module.BUDGET.write_text(json.dumps({"compiler": compiler, "isa": "v3", "instructions": counts}))


@pytest.mark.parametrize("count", [971, 1000, 1029])
def test_three_percent_pass(budget, count):
    assert budget.find_differences({"fit": count}, {"fit": 1000}, ["fit"]) == []


def test_too_many(budget):
    (found,) = budget.find_differences({"fit": 1050, "median": 200}, COUNTS, COUNTS)
    assert found == "fit: 1050 instructions, 5.0% above its budget"


def test_too_few(budget):
    (found,) = budget.find_differences({"fit": 1000, "median": 100}, COUNTS, COUNTS)
    assert found == "median: 100 instructions, 50.0% below its budget: lower it"


def test_a_stage_without_a_budget_and_a_budget_without_a_stage(budget):
    found = budget.find_differences({"new": 7}, {"gone": 5, "median": 200}, ["new", "median"])
    assert found == ["new: 7 instructions, and no budget", "gone: a budget, and no such stage"]


def test_the_exit_status(budget, monkeypatch, capsys):
    write_budget(budget, COUNTS)
    assert run(budget, monkeypatch) == 0
    write_budget(budget, COUNTS | {"fit": 900})
    assert run(budget, monkeypatch) == 1
    assert "fit: 1000 instructions, 11.1% above its budget" in capsys.readouterr().out
    assert run(budget, monkeypatch, "--only", "median") == 0


def test_another_compiler_is_not_checked(budget, monkeypatch, capsys):
    write_budget(budget, {"fit": 1}, compiler="GNU 14.1.0")
    assert run(budget, monkeypatch) == 0
    assert "not checked here: it is that of GNU 14.1.0, and this is GNU 12.2.0" in capsys.readouterr().out


def test_update_keeps_what_was_not_counted(budget, monkeypatch):
    write_budget(budget, {"gone": 3, "fit": 900, "median": 190})
    assert run(budget, monkeypatch, "--update", "--only", "fit") == 0
    assert json.loads(budget.BUDGET.read_text())["instructions"] == {"fit": 1000, "median": 190}
    write_budget(budget, {"fit": 1}, compiler="GNU 14.1.0")
    assert run(budget, monkeypatch, "--update") == 0
    assert json.loads(budget.BUDGET.read_text()) == {"compiler": "GNU 12.2.0", "isa": "v3", "instructions": COUNTS}
    assert run(budget, monkeypatch) == 0


def test_without_valgrind(budget, monkeypatch, capsys):
    monkeypatch.setattr(budget.shutil, "which", lambda name: None)
    assert run(budget, monkeypatch) == 2
    assert "apt install valgrind" in capsys.readouterr().out


def test_the_budget_of_the_repository():
    record = json.loads(instructions.BUDGET.read_text(encoding="utf-8"))
    assert record["isa"] == "v3"
    assert min(record["instructions"].values()) > 0


def test_counts_of_an_emulated_program_are_printed_and_not_compared(budget, monkeypatch, capsys):
    write_budget(budget, COUNTS | {"fit": 1})
    monkeypatch.setattr(budget, "run_program", lambda *command: "\n".join(COUNTS))
    monkeypatch.setattr(budget, "load_plugin", lambda emulator, folder: emulator)
    assert run(budget, monkeypatch, "--emulator", "emulator -cpu max") == 0
    assert "+99900.0%" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        run(budget, monkeypatch, "--emulator", "emulator -cpu max", "--update")


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_the_plugin_of_the_emulator_compiles(tmp_path):
    *_, plugin = instructions.load_plugin(["emulator"], tmp_path)
    assert plugin.exists()
