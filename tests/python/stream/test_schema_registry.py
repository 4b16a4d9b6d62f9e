"""Schemas from a folder, and from a schema registry whose answers are not trusted."""

import base64
import contextlib
import io
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import fastavro
import pytest

from helpers.packets import SCHEMA, packet
from space2vec.errors import StreamError
from space2vec.reading.message_reader import MessageReader
from space2vec.stream import schema_registry
from space2vec.stream.schema_registry import RegistryDownError, UrlRegistry, open_registry


@contextlib.contextmanager
def serving(answers):
    """Serve the answers (status, body or headers) by method and path; yield the address and the requests."""
    requests = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            length = int(self.headers.get("Content-Length") or 0)
            requests.append((self.command, self.path, dict(self.headers), self.rfile.read(length)))
            status, body = answers.get((self.command, self.path), (404, {"error_code": 40403}))
            self.send_response(status)
            if status == 302:
                self.send_header("Location", body)
                body = ""
            self.end_headers()
            self.wfile.write(body if isinstance(body, bytes) else json.dumps(body).encode())

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}", requests
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_schema_is_read_and_an_unknown_number_is_not_asked_for_at_once_again():
    with serving({("GET", "/sub/schemas/ids/7"): (200, {"schema": json.dumps(SCHEMA)})}) as (host, requests):
        known = UrlRegistry(f"http://{host}/sub/", {})
        assert json.loads(known(7)) == SCHEMA
        assert known(8) is None
        assert known(8) is None
    assert [path for _, path, *_ in requests] == ["/sub/schemas/ids/7", "/sub/schemas/ids/8"]


@pytest.mark.parametrize(
    "answer",
    [{"schema": 5}, {"schema": "message X {}", "schemaType": "PROTOBUF"}, {"schema": "no JSON"}, [], "x", None, {}],
)
def test_what_is_no_schema_is_an_unknown_number(answer):
    with serving({("GET", "/schemas/ids/7"): (200, answer)}) as (host, _):
        assert UrlRegistry(f"http://{host}", {})(7) is None


def test_the_schemas_that_a_schema_refers_to_are_inserted():
    """The records of an alert are schemas of their own, one of which is found by the other, which refers back."""
    fields = {field["name"]: field["type"] for field in SCHEMA["fields"]}
    parts = {"ztf.candidate": fields["candidate"], "ztf.cutout": fields["cutoutScience"][1]}
    types = {"candidate": "ztf.candidate", "cutoutScience": ["null", "ztf.cutout"]}
    alert = SCHEMA | {
        "fields": [field | {"type": types.get(field["name"], field["type"])} for field in SCHEMA["fields"]]
    }
    to = {name: [{"name": name, "subject": f"of {name}", "version": 3}] for name in parts}
    answers = {
        ("GET", f"/subjects/of%20{name}/versions/3"): (
            200,
            {"schema": json.dumps(part | {"namespace": "ztf"}), "references": to[other]},
        )
        for (name, part), other in zip(parts.items(), reversed(parts), strict=True)
    }
    answers["GET", "/schemas/ids/7"] = (200, {"schema": json.dumps(alert), "references": to["ztf.candidate"]})
    with serving(answers) as (host, requests):
        text = UrlRegistry(f"http://{host}", {})(7)
    assert len(requests) == 3
    body = io.BytesIO()
    fastavro.schemaless_writer(body, SCHEMA, packet(5))
    read = MessageReader({7: text}).read([b"\0\0\0\0\x07" + body.getvalue()])
    assert read.candidate_id.tolist() == [10**17 + 5]
    assert not read.flags.any()


@pytest.mark.parametrize(
    "references",
    [
        [{"name": "ztf.candidate", "subject": "gone", "version": 1}],
        [{"name": "ztf.candidate", "subject": "odd", "version": 1}],
        [{"name": "ztf.candidate", "subject": "rubbish", "version": 1}],
        [{"subject": 3, "version": "x"}, 5],
        "none",
    ],
)
def test_a_schema_whose_references_lack_a_type_is_unknown(references):
    schema = {"type": "record", "name": "alert", "fields": [{"name": "candidate", "type": "ztf.candidate"}]}
    answers = {
        ("GET", "/schemas/ids/7"): (200, {"schema": json.dumps(schema), "references": references}),
        ("GET", "/subjects/odd/versions/1"): (200, {"schema": "message X {}", "schemaType": "PROTOBUF"}),
        ("GET", "/subjects/rubbish/versions/1"): (200, {"schema": "{no JSON"}),
    }
    with serving(answers) as (host, _):
        found = UrlRegistry(f"http://{host}", {})(7)
    if references in ("none", [{"subject": 3, "version": "x"}, 5]):
        assert json.loads(found) == schema  # it refers to nothing; the reader finds out what is missing
    else:
        assert found is None


def test_references_without_an_end_are_refused():
    class Endless(dict):
        def get(self, key, default=None):
            number = int(key[1].rpartition("/")[2])
            references = [{"name": "x", "subject": "s", "version": number + 1}]
            return 200, {
                "schema": '{"type": "record", "name": "alert", "fields": [{"name": "x", "type": "no.x"}]}',
                "references": references,
            }

    with serving(Endless()) as (host, requests):
        assert UrlRegistry(f"http://{host}", {})(7) is None
    assert len(requests) < 110


def test_a_registry_that_goes_away_between_a_schema_and_its_references_may_answer_later():
    schema = {"type": "record", "name": "alert", "fields": [{"name": "candidate", "type": "ztf.candidate"}]}
    answers = {
        ("GET", "/schemas/ids/7"): (
            200,
            {"schema": json.dumps(schema), "references": [{"subject": "s", "version": 1}]},
        ),
        ("GET", "/subjects/s/versions/1"): (503, {}),
    }
    with serving(answers) as (host, _), pytest.raises(RegistryDownError, match="503"):
        UrlRegistry(f"http://{host}", {})(7)


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_registry_that_is_down_may_answer_later(status):
    answers = {("GET", "/schemas/ids/7"): (status, {})}
    with serving(answers) as (host, _), pytest.raises(RegistryDownError, match=str(status)):
        UrlRegistry(f"http://{host}", {})(7)
    with pytest.raises(RegistryDownError, match="does not answer"):
        UrlRegistry(f"http://{host}", {})(7)


def test_answers_that_are_not_json_or_too_large_or_refused_are_errors(monkeypatch):
    monkeypatch.setattr(schema_registry, "_MOST", 100)
    answers = {
        ("GET", "/schemas/ids/1"): (200, b"<html>"),
        ("GET", "/schemas/ids/2"): (200, b" " * 101),
        ("GET", "/schemas/ids/3"): (401, b"no\x1b[31m entry"),
        ("GET", "/schemas/ids/4"): (200, b"[" * 90),
    }
    with serving(answers) as (host, _):
        client = UrlRegistry(f"http://{host}", {})
        for number, words in ((1, "in JSON"), (2, "more than"), (3, r"401: no\\x1b\[31m entry"), (4, "in JSON")):
            with pytest.raises(StreamError, match=words) as caught:
                client(number)
            assert not isinstance(caught.value, RegistryDownError)


def test_a_redirection_does_not_lead_the_password_elsewhere():
    with serving({}) as (elsewhere, stolen):
        answers = {("GET", "/schemas/ids/7"): (302, f"http://{elsewhere}/schemas/ids/7")}
        with serving(answers) as (host, requests), pytest.raises(StreamError, match="302"):
            UrlRegistry(f"http://{host}", {"basic.auth.user.info": "me:secret"})(7)
    assert not stolen
    assert requests[0][2]["Authorization"] == f"Basic {base64.b64encode(b'me:secret').decode()}"


def test_a_password_in_the_address_is_sent_and_not_shown():
    answers = {("GET", "/schemas/ids/7"): (500, {})}
    with serving(answers) as (host, requests), pytest.raises(RegistryDownError) as caught:
        UrlRegistry(f"http://me:s%40cret@{host}", {})(7)
    assert "cret" not in str(caught.value)
    assert requests[0][2]["Authorization"] == f"Basic {base64.b64encode(b'me:s@cret').decode()}"


def test_the_schema_of_the_scores_is_registered():
    answers = {("POST", "/subjects/a%20b-value/versions"): (200, {"id": 3})}
    with serving(answers) as (host, requests):
        assert UrlRegistry(f"http://{host}", {}).register("a b-value", "{}") == 3
    assert json.loads(requests[0][3]) == {"schema": "{}"}


@pytest.mark.parametrize("number", ["3", None, True, -1, 1 << 32, 1.5])
def test_a_number_that_is_none_is_refused(number):
    answers = {("POST", "/subjects/s/versions"): (200, {"id": number})}
    with serving(answers) as (host, _), pytest.raises(StreamError, match="no number"):
        UrlRegistry(f"http://{host}", {}).register("s", "{}")


def test_a_folder_holds_files_by_number_and_may_gain_some(tmp_path):
    known = open_registry(str(tmp_path), {})
    assert known(7) is None
    (tmp_path / "7.avsc").write_text(json.dumps(SCHEMA))
    (tmp_path / "8.json").write_text(json.dumps(SCHEMA))
    (tmp_path / "lsst.alert.avsc").write_text("of another kind")
    assert known(7) == tmp_path / "7.avsc"
    assert known(8) == tmp_path / "8.json"
    assert known(9) is None


@pytest.mark.parametrize("place", ["file:///etc/passwd", "ftp://host/", "http://", "nowhere"])
def test_what_is_neither_a_registry_nor_a_folder_is_refused(place):
    with pytest.raises(StreamError):
        open_registry(place, {})


def test_an_unknown_setting_is_named():
    with pytest.raises(StreamError, match=r"basic\.auth\.pasword"):
        open_registry("http://host", {"basic.auth.pasword": "x"})
