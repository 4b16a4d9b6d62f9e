"""``space2vec --cmake-dir`` and ``--pkgconfig-dir``: where a wheel's library for C and C++ is found."""

from pathlib import Path

import pytest

from space2vec import cli

OPTIONS = {"--cmake-dir": "lib/cmake/space2vec", "--pkgconfig-dir": "lib/pkgconfig"}


@pytest.mark.parametrize(("option", "folder"), OPTIONS.items())
def test_folder_of_a_wheel(
    option: str, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The folder is printed alone, without a command, and lies in the package."""
    (tmp_path / "space2vec" / folder).mkdir(parents=True)
    monkeypatch.setattr(cli, "__file__", str(tmp_path / "space2vec" / "cli" / "__init__.py"))
    assert cli.main([option]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'space2vec' / folder}\n"


@pytest.mark.parametrize("option", OPTIONS)
def test_nothing_to_link(
    option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A package that was built in place has no library: that is said, and nothing is printed for a build to take."""
    monkeypatch.setattr(cli, "__file__", str(tmp_path / "space2vec" / "cli" / "__init__.py"))
    assert cli.main([option]) == 2
    out = capsys.readouterr()
    assert out.out == ""
    assert "carries no library for C and C++" in out.err
