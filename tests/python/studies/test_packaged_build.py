from __future__ import annotations

import pytest

import space2vec as s2v
from space2vec.models.load import packaged
from space2vec.studies.packaged import build


def test_a_cascade_is_built_on_the_stampnet_of_the_output_folder_else_on_the_packaged_one(tmp_path):
    assert build._stampnet(tmp_path).header == s2v.load("stampnet").header
    (tmp_path / "stampnet.safetensors").write_bytes(packaged()["tablenet"].read_bytes())
    assert build._stampnet(tmp_path).header == s2v.load("tablenet").header


def test_models_are_not_built_without_a_folder_to_put_them_in(capsys, tmp_path):
    with pytest.raises(SystemExit):
        build.main(["--data", str(tmp_path)])
    assert "--output" in capsys.readouterr().err


def test_a_model_that_scores_otherwise_is_called_by_the_next_version():
    packaged_one, other = s2v.load("forest"), s2v.load("autoscan")
    assert build.with_version(packaged_one, "forest").id == packaged_one.id
    new = build.with_version(other, "forest")
    assert new.id == f"forest v2 {other.digest[:12]}"
    assert other.name == "autoscan"
    assert build.with_version(other, "unheard of") is other
