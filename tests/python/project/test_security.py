"""SECURITY.md names tests, and they are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
TEXT = (ROOT / "SECURITY.md").read_text("utf-8")
#: A file of tests, and a test in it.
NAMED = re.findall(r"`(tests/[\w/.]+)(?:::(\w+))?`", TEXT)


def test_promises_name_tests():
    promises = TEXT.partition("## Promises")[2].partition("## Fuzzing")[0]
    rows = [line for line in promises.splitlines() if line.startswith("| ") and "checked by" not in line]
    assert len(rows) > 10
    for row in rows:
        assert "`tests/" in row.split("|")[2], row


@pytest.mark.parametrize(("path", "name"), sorted(set(NAMED)), ids=lambda part: part)
def test_a_test_that_is_named_is_there(path, name):
    file = ROOT / path
    assert file.exists()
    if name:
        function = rf"^def {name}\(" if file.suffix == ".py" else rf"\b{name}\("
        assert re.search(function, file.read_text("utf-8"), re.MULTILINE)


def test_files_that_are_named_are_there():
    for name in re.findall(r"`(\.ci/[\w.]+)`|\]\(([\w/.-]+)\)", TEXT):
        assert (ROOT / (name[0] or name[1])).exists(), name
