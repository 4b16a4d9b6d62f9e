"""Schemas of bare messages: texts, files, parts in files beside them, and what is said where one is missing."""

import io
import json

import fastavro
import pytest

from helpers.packets import SCHEMA, packet
from space2vec import read
from space2vec.cli import main
from space2vec.errors import ReadError
from space2vec.reading import read_messages
from space2vec.reading.schemas import read_schema

#: A survey's schema as it is published: one file a type.
PARTS = {
    "survey.v1.alert.avsc": {
        "namespace": "survey.v1",
        "type": "record",
        "name": "alert",
        "fields": [
            {"name": "objectId", "type": "string"},
            {"name": "candid", "type": "long"},
            {"name": "candidate", "type": "survey.v1.candidate"},
            {"name": "prv_candidates", "type": ["null", {"type": "array", "items": "candidate"}]},
            {"name": "by_name", "type": {"type": "map", "values": "survey.v1.note"}},
            {"name": "cutoutScience", "type": ["null", "survey.v1.cutout"]},
            {"name": "cutoutTemplate", "type": ["null", "cutout"]},
            {"name": "cutoutDifference", "type": ["null", "cutout"]},
        ],
    },
    "candidate.avsc": {
        "namespace": "survey.v1",
        "type": "record",
        "name": "candidate",
        "fields": [
            {"name": "candid", "type": "long"},
            *({"name": name, "type": ["null", "float"]} for name in ("magpsf", "sigmapsf", "distnr", "xpos", "ypos")),
            {"name": "fid", "type": "int"},
            {"name": "note", "type": ["null", "note"], "default": None},
        ],
    },
    "note.json": {
        "name": "survey.v1.note",
        "type": "record",
        "fields": [{"name": "text", "type": "string"}, {"name": "next", "type": ["null", "note"], "default": None}],
    },
    "cutout.avsc": [
        {"type": "fixed", "name": "survey.v1.sum", "size": 4},
        {
            "namespace": "survey.v1",
            "type": "record",
            "name": "cutout",
            "fields": [{"name": "fileName", "type": "string"}, {"name": "stampData", "type": "bytes"}],
        },
    ],
}
WHOLE = "survey.v1.alert.avsc"


def written(folder, parts=PARTS):
    folder.mkdir(exist_ok=True)
    for name, schema in parts.items():
        (folder / name).write_text(json.dumps(schema))
    return folder / WHOLE


def message(alert, number, schema):
    file = io.BytesIO()
    fastavro.schemaless_writer(file, fastavro.parse_schema(schema), alert)
    return b"\0" + number.to_bytes(4, "big") + file.getvalue()


def survey_alert(number):
    alert = packet(number)
    note = {"text": "a", "next": {"text": "b", "next": None}}
    alert["candidate"] = alert["candidate"] | {"note": note}
    return alert | {"prv_candidates": [alert["candidate"]] * 2, "by_name": {"k": note}}


def test_parts_beside_a_schema_are_found(tmp_path, capsys):
    file = written(tmp_path / "schema")
    (tmp_path / "schema" / "readme.json").write_text("no JSON")
    (tmp_path / "schema" / "list.json").write_text("[1, 2]")
    (tmp_path / "schema" / "older.avsc").write_text(json.dumps(PARTS["candidate.avsc"] | {"namespace": "survey.v0"}))
    whole = json.loads(read_schema(file))
    # fastavro, which wants every type defined before it is used, takes it.
    held = [message(survey_alert(number), 900, whole) for number in range(3)]
    stamps = read_messages(held, {900: file})
    assert stamps.candidate_id.tolist() == [10**17 + number for number in range(3)]
    assert stamps.plane(2, "difference").shape == (63, 63)
    (tmp_path / "m.avro").write_bytes(b"".join(held))
    assert (
        read(tmp_path / "m.avro", schemas={900: str(read_schema(file))}).candidate_id.tolist()
        == stamps.candidate_id.tolist()
    )
    assert main(["features", str(tmp_path / "m.avro"), "--schema", f"900={file}", "-o", str(tmp_path / "f.csv")]) == 0
    assert (tmp_path / "f.csv").read_text().count("\n") == 4
    capsys.readouterr()


@pytest.mark.parametrize("lost", ["candidate.avsc", "note.json", "cutout.avsc"])
def test_a_part_that_is_missing_is_named(tmp_path, capsys, lost):
    file = written(tmp_path / "schema", {name: schema for name, schema in PARTS.items() if name != lost})
    name = {"candidate.avsc": "candidate", "note.json": "note", "cutout.avsc": "cutout"}[lost]
    with pytest.raises(
        ReadError, match=rf"names the unknown type 'survey\.v1\.{name}', which no \.avsc or \.json file"
    ):
        read_schema(file)
    (tmp_path / "m.avro").write_bytes(b"\0\0\0\3\x84")
    assert main(["score", str(tmp_path / "m.avro"), "--schema", f"900={file}", "-o", str(tmp_path / "s.csv")]) == 2
    assert f"unknown type 'survey.v1.{name}'" in capsys.readouterr().err
    # Of a text nothing lies beside it.
    with pytest.raises(
        ReadError, match=r"schema 900 is no Avro schema of alerts: unknown type 'survey\.v1\.candidate'"
    ):
        read_messages([b"\0\0\0\3\x84"], {900: PARTS[WHOLE]})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is no JSON"),
        ('{"type": "record"}', "schema 9 is no Avro schema of alerts: a type or a field without a string 'name'"),
        ('"nothing"', "names the unknown type 'nothing'"),
        ('["null", 7]', "schema 9 is no Avro schema of alerts: a type that is no string, array or object"),
        ("7", "schema 9 is no Avro schema of alerts: a type that is no string, array or object"),
        ('{"type": "record", "name": "star", "fields": []}', "schema 9 .*: none of its fields is a cutout"),
        ('{"type": "record", "name": "star", "fields": [7, {"name": "x"}]}', "schema 9 is no Avro schema"),
        ('{"type": "record", "name": "star", "fields": 7}', "schema 9 is no Avro schema"),
        ("[" * 5000 + "]" * 5000, "nested too deeply|is no JSON"),
    ],
)
def test_what_is_no_schema_is_told(tmp_path, text, words):
    (tmp_path / "s.avsc").write_text(text)
    with pytest.raises(ReadError, match=words):
        read_messages([b"\0\0\0\0\x09"], {9: tmp_path / "s.avsc"})


def test_a_number_or_file_that_is_none(tmp_path):
    with pytest.raises(ReadError, match="does not fit into four bytes"):
        read_messages([], {-1: SCHEMA})
    for text in (str(tmp_path / "s.avsc"), "", "7"):
        with pytest.raises(ReadError, match="is no JSON of one; a file is given as a Path"):
            read_messages([], {1: text})
    with pytest.raises(FileNotFoundError):
        read_messages([], {1: tmp_path / "none.avsc"})


def test_a_message_without_its_schema_gets_a_hint(tmp_path, capsys):
    held = message(packet(0), 900, SCHEMA)
    problems = []
    read_messages([held], problems=problems)
    read_messages([held], {7: SCHEMA}, problems=problems)
    for problem in problems:
        assert problem.reason == "unknown_schema"
        assert problem.message.startswith("schema 900: ")
        assert "--schema 900=FILE" in problem.message
        assert "schemas={900: Path(FILE)}" in problem.message
    (tmp_path / "m.avro").write_bytes(held)
    with pytest.raises(ReadError, match=r"m\.avro: schema 900: .*--schema 900=FILE"):
        read(tmp_path / "m.avro")
    assert main(["score", str(tmp_path / "m.avro"), "-o", str(tmp_path / "s.csv")]) == 1
    assert "--schema 900=FILE" in capsys.readouterr().err
    # What begins with a zero need be no message.
    for content in (b"\0" * 600, b"\0\xff\xff\xff\xff" + bytes(99), b"\0\0\0\0\1"):
        (tmp_path / "m.avro").write_bytes(content)
        found = []
        read(tmp_path / "m.avro", strict=False, problems=found)
        assert [problem.reason for problem in found] == ["foreign_file"]
