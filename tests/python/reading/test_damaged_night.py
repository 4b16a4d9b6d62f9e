"""One alert in twenty of a night is damaged, in ten ways: the sound ones keep their scores, the others are told."""

import gzip
from collections import Counter

import numpy as np
import pytest

from space2vec.simulation import simulate
from space2vec.simulation.packet import SCHEMA, packet
from stress import damage_night


@pytest.fixture(scope="module")
def packets():
    """Return simulated alerts."""
    night = simulate(400, seed=5)
    return [packet(night, row) for row in range(len(night))]


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_damaged_night(tmp_path, packets, together, seed):
    (tmp_path / "damaged").mkdir()
    (tmp_path / "whole").mkdir()
    rng = np.random.default_rng(seed)
    night = damage_night.damage(packets, SCHEMA, tmp_path / "damaged", rng, together=together)
    (tmp_path / "whole" / "night.avro").write_bytes(damage_night.container(packets, SCHEMA))
    whole, none = damage_night.score(tmp_path / "whole")
    assert len(whole) == 400
    assert len(none) == 0
    scores, errors = damage_night.score(tmp_path / "damaged")
    told, wrong = damage_night.compare(night, whole, scores, errors)
    assert not wrong
    assert {count["made"] for count in told.values()} == {2}
    assert len(scores) == 400
    # File, record and offset lead to the alert.
    for line in errors.to_pylist():
        if line["file"] in night.by_file or line["file"] is None:
            continue
        with open(line["file"], "rb") as file:
            file.seek(line["offset"])
            alert = damage_night.fastavro.schemaless_reader(file, SCHEMA, None)
        assert (alert["candid"], alert["objectId"]) == (line["candidate_id"], line["object_id"])


def test_the_ways_do_what_they_say(packets):
    rng = np.random.default_rng(0)
    made = {way: damage_night.damaged(way, packets[0], rng) for way in damage_night.REASONS if way != "foreign schema"}
    changed = {way: [name for name in damage_night.CUTOUTS if made[way][name] != packets[0][name]] for way in made}
    assert Counter(len(names) for names in changed.values()) == {1: 9}
    absurd = gzip.decompress(made["absurd NAXIS"][changed["absurd NAXIS"][0]]["stampData"])
    assert b"NAXIS1  =              1234567" in absurd
    empty = gzip.decompress(made["NaN everywhere"][changed["NaN everywhere"][0]]["stampData"])
    assert np.isnan(np.frombuffer(empty[-2880:], ">f4")).all()


def test_a_real_night(tmp_path, data):
    folder = data / "ztf" / "night_20180713"
    if not folder.is_dir():
        pytest.skip(f"real data missing: {folder}")
    packets, schema = damage_night.read_packets(folder)
    (tmp_path / "damaged").mkdir()
    night = damage_night.damage(
        packets, schema, tmp_path / "damaged", np.random.default_rng(3), together=False, every=10
    )
    _, wrong = damage_night.compare(night, damage_night.score(folder)[0], *damage_night.score(tmp_path / "damaged"))
    assert not wrong
