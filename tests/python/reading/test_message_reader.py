"""Messages in memory: exactly one row each, whatever they hold, and each schema once; fastavro is the oracle."""

import io
import json
from collections import Counter

import fastavro
import numpy as np
import pytest

import space2vec as s2v
from helpers.packets import SCHEMA, avro_bytes, packet
from oracle import catalogue as oracle
from space2vec.data.flags import bits
from space2vec.errors import ReadError
from space2vec.plans.features import FeaturePlan
from space2vec.reading import catalogue

NUMBER = 7
ALERTS = [packet(k) for k in range(6)]


def bare(alert, schema=SCHEMA):
    written = io.BytesIO()
    fastavro.schemaless_writer(written, fastavro.parse_schema(schema), alert)
    return written.getvalue()


def message(alert, number=NUMBER):
    return b"\0" + number.to_bytes(4, "big") + bare(alert)


def test_every_message_is_a_row():
    sound = [message(alert) for alert in ALERTS]
    messages = [
        sound[0], None, b"", b"rubbish", message(ALERTS[1], 99), sound[2] + sound[3], sound[3] + b"xyz",
        avro_bytes([ALERTS[4]]), avro_bytes(ALERTS[:3]), sound[5][:300], bytearray(sound[1]), memoryview(sound[5]),
    ]  # fmt: skip
    problems = []
    stamps = s2v.MessageReader({NUMBER: SCHEMA}).read(messages, problems)
    assert len(stamps) == len(messages)
    whose = [0, None, None, None, None, 2, 3, 4, 0, 5, 1, 5]
    for row, k in enumerate(whose):
        if k is not None:
            assert stamps.object_id[row] == ALERTS[k]["objectId"]
            assert stamps.candidate_id[row] == ALERTS[k]["candid"]
    assert {problem.row: problem.reason for problem in problems} == {
        1: "empty_file", 2: "empty_file", 3: "foreign_file", 4: "unknown_schema", 5: "surplus", 6: "surplus",
        8: "surplus", 9: "truncated",
    }  # fmt: skip
    assert all(problem.path == f"message {problem.row}" for problem in problems)
    assert np.flatnonzero(stamps.flags & bits("bad_stamp")).tolist() == [1, 2, 3, 4, 9]
    assert np.flatnonzero(stamps.flags & bits("surplus")).tolist() == [5, 6, 8]
    assert len(s2v.MessageReader({NUMBER: SCHEMA}).read([])) == 0


def test_rows_are_those_of_files(tmp_path):
    (tmp_path / "night.avro").write_bytes(avro_bytes(ALERTS))
    expected = s2v.read(tmp_path / "night.avro", columns=["candidate.magpsf"])
    reader = s2v.MessageReader({NUMBER: json.dumps(SCHEMA)}, columns=["candidate.magpsf"])
    for messages in ([message(alert) for alert in ALERTS], [avro_bytes([alert]) for alert in ALERTS]):
        stamps = reader.read(messages)
        assert stamps.object_id.tolist() == expected.object_id.tolist()
        assert stamps.catalogue.keys() == expected.catalogue.keys()
        for name, values in expected.catalogue.items():
            assert np.array_equal(stamps.catalogue[name], values, equal_nan=True), name
        assert np.array_equal(stamps.columns["candidate.magpsf"], expected.columns["candidate.magpsf"])
        for row in range(len(ALERTS)):
            assert np.array_equal(stamps.plane(row, "difference"), expected.plane(row, "difference"))


def test_messages_without_a_header():
    reader = s2v.MessageReader({NUMBER: SCHEMA}, SCHEMA)
    stamps = reader.read([bare(ALERTS[0]), message(ALERTS[1]), avro_bytes([ALERTS[2]]), bare(ALERTS[3])[:200]])
    assert stamps.candidate_id.tolist()[:3] == [alert["candid"] for alert in ALERTS[:3]]
    assert np.flatnonzero(stamps.flags & bits("bad_stamp")).tolist() == [3]


def test_a_callable_is_asked_once_for_what_it_knows():
    asked = Counter()

    def schema_of(number):
        asked[number] += 1
        if number == 8:
            raise KeyError(number)
        return {NUMBER: SCHEMA, 9: {"type": "record", "name": "other", "fields": []}}.get(number)

    reader = s2v.MessageReader(schema_of)
    for _ in range(3):
        stamps = reader.read([message(ALERTS[0]), message(ALERTS[1]), *(message(ALERTS[2], k) for k in (8, 9, 10))])
        assert (stamps.flags & bits("bad_stamp") != 0).tolist() == [False, False, True, True, True]
    assert asked == {NUMBER: 1, 8: 3, 9: 1, 10: 3}


def test_a_registry_that_is_down_is_heard_and_costs_nothing():
    down = True

    def schema_of(number):
        if down:
            raise ConnectionError("the registry is down")
        return SCHEMA

    reader = s2v.MessageReader(schema_of)
    with pytest.raises(ConnectionError):
        reader.read([message(ALERTS[0])])
    down = False
    assert reader.read([message(ALERTS[0])]).candidate_id.tolist() == [ALERTS[0]["candid"]]


def test_what_is_made_of_messages():
    messages = [message(alert) for alert in ALERTS] + [None]
    stamps = s2v.MessageReader({NUMBER: SCHEMA}).read(messages)
    model = s2v.load("default")
    scores = s2v.MessageReader({NUMBER: SCHEMA}, model=model).read(messages)
    expected = model.score(stamps)
    assert np.array_equal(scores.score, expected.score, equal_nan=True)
    assert scores.flags.tolist() == expected.flags.tolist()
    assert scores.model == expected.model
    assert np.isfinite(scores.score[:-1]).all()
    measure = FeaturePlan(("MASKFRAC", "MAG"), "code")
    features = s2v.MessageReader({NUMBER: SCHEMA}, measure=measure).read(messages)
    assert features.names == measure.names
    assert features["MAG"][:-1].tolist() == stamps.catalogue["MAG"][:-1].tolist()
    assert len(s2v.MessageReader(model=model).read([])) == 0
    with pytest.raises(ValueError, match="measure and model"):
        s2v.MessageReader(measure=measure, model=model)


def test_models_of_the_catalogue_score_while_reading():
    model = s2v.load("autoscan")
    assert model.needs.catalogue
    messages = [message(alert) for alert in ALERTS]
    scores = s2v.MessageReader({NUMBER: SCHEMA}, model=model).read(messages)
    expected = model.score(s2v.MessageReader({NUMBER: SCHEMA}).read(messages))
    assert np.array_equal(scores.score, expected.score)
    assert scores.flags.tolist() == expected.flags.tolist()


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ReadError, match=r"schema 3 is no Avro schema of alerts: .*cutout"):
        s2v.MessageReader({3: {"type": "record", "name": "r", "fields": []}})
    with pytest.raises(ReadError, match="the schema is no Avro schema of alerts"):
        s2v.MessageReader(schema='{"type": "long"}')
    reader = s2v.MessageReader({NUMBER: SCHEMA})
    with pytest.raises(TypeError, match="message 1 is str"):
        reader.read([b"", "text"])
    with pytest.raises(TypeError, match="must be several"):
        reader.read(b"one")


@pytest.mark.parametrize("survey", ["ztf", "candidate", "rubin"])
def test_the_map_of_the_library_is_the_documented_one(survey):
    rng = np.random.default_rng(3)
    n = 5000
    fields = catalogue.RUBIN_FIELDS if survey == "rubin" else catalogue.ZTF_FIELDS
    columns = {name: rng.uniform(-5, 30, n) for name in fields}
    for name, values in columns.items():
        values[rng.random(n) < 0.1] = np.nan
        if survey != "rubin":
            values[rng.random(n) < 0.1] = -999
            values[rng.random(n) < 0.05] = 0
        columns[name] = values
    if survey == "rubin":
        columns["band"] = rng.choice(["g", "r", "i", "z", "u", "y", None], n)
        columns["psfFlux"] = 10 ** rng.uniform(-40, 40, n) * rng.choice([-1, 1], n)
    else:
        columns["fid"] = rng.choice([1, 2, 3, 4, np.nan], n)
    lacking = {name: values for name, values in columns.items() if name not in ("distnr", "ixy")}
    for given in (columns, lacking):
        got = getattr(catalogue, f"from_{survey}")(given)
        want = getattr(oracle, f"from_{survey}")(given)
        assert got.keys() == want.keys()
        for name, values in want.items():
            near = np.isclose(got[name], values, rtol=1e-7, atol=0, equal_nan=True)
            assert near.all(), (name, got[name][~near][:3], values[~near][:3])
