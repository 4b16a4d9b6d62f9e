"""Labelling a night in a browser: which candidates are suggested, the file of labels, and who may use the server."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import space2vec as s2v
from space2vec.cli import main
from space2vec.errors import OutputError
from space2vec.reading.labels import read_labels
from space2vec.report import NightReport
from space2vec.report.review import LabelFile, ReviewServer


def test_the_file_of_labels_is_whole_after_each(tmp_path: Path) -> None:
    file = LabelFile(tmp_path / "labels.csv", {"a": "bogus"})
    file.set('b,"', "real")
    file.set("c", "unsure")
    file.set("a", "")
    assert (tmp_path / "labels.csv").read_text() == 'candidate_id,label\n"b,""",real\nc,unsure\n'
    table = read_labels(tmp_path / "labels.csv", problems=(problems := []))
    np.testing.assert_array_equal(table.real, [1, np.nan])
    assert problems == []
    with pytest.raises(ValueError, match="a label is one of"):
        file.set("c", "perhaps")
    (tmp_path / "labels.csv").write_text("candidate_id,label\nhand,real\n")
    with pytest.raises(OutputError, match="another program has changed"):
        file.set("c", "real")
    assert file.labels["c"] == "unsure"
    assert (tmp_path / "labels.csv").read_text() == "candidate_id,label\nhand,real\n"
    with pytest.raises(OutputError, match=r"labels\.csv\.review is in use by process"):
        LabelFile(tmp_path / "labels.csv", {})
    file.close()
    LabelFile(tmp_path / "labels.csv", {}).close()
    assert [path.name for path in tmp_path.iterdir()] == ["labels.csv"]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ReviewServer]:
    """A server of a small report, in a thread."""
    stamps = s2v.simulate(6, seed=2).stamps
    with NightReport(tmp_path / "night") as report:
        report.add(stamps, s2v.load("default").score(stamps))
        report.finish(labels={})
    candidates = frozenset(map(str, stamps.candidate_id))
    with ReviewServer(tmp_path / "night", LabelFile(tmp_path / "labels.csv", {}), candidates) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield serving
        serving.shutdown()
        thread.join()


def ask(
    server: ReviewServer, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, bytes, http.client.HTTPMessage]:
    """Return status, body and headers of the answer to a request."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=20)
    connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    result = answer.status, answer.read(), answer.headers
    connection.close()
    return result


def label_request(server: ReviewServer, candidate: object, label: object, **headers: str) -> int:
    """Send a label as the page does, with other headers if they are given; return the status."""
    body = json.dumps({"candidate_id": candidate, "label": label}).encode()
    sent = {"Origin": server.origin, "Content_Type": "application/json", **headers}
    return ask(server, "POST", f"/{server.token}/label", body, **sent)[0]


def test_pages_are_served_to_whoever_has_the_address(server: ReviewServer) -> None:
    status, page, headers = ask(server, "GET", f"/{server.token}/")
    assert status == 200
    assert b"Content-Security-Policy" in page
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    for name in ("main.js", "report.css", "data/night.js", "data/stamps-0.js"):
        status, file, headers = ask(server, "GET", f"/{server.token}/{name}")
        assert status == 200
        assert file == (server.folder / name).read_bytes()
        assert "charset" not in headers["Content-Type"] or not name.endswith(".js")
    assert server.server_address[0] == "127.0.0.1"


def test_strangers_are_refused(server: ReviewServer, tmp_path: Path) -> None:
    token, port = server.token, server.server_address[1]
    for path in ("/", "/index.html", f"/{token}", f"/{token[:-1]}/", "//", f"/x{token}/index.html", "/%C3%A9/"):
        assert ask(server, "GET", path)[0] == 403
    for host in ("evil.example", f"evil.example:{port}", f"localhost:{port}", ""):
        assert ask(server, "GET", f"/{token}/", Host=host)[0] == 403
    (tmp_path / "secret.js").write_text("secret")
    for path in ("../secret.js", "..%2fsecret.js", "/etc/passwd", "data", "data/../../secret.js", "nothing.html"):
        assert ask(server, "GET", f"/{token}/{path}")[0] == 404
    candidate = next(iter(server.candidates))
    for headers in (
        {"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": ""}, {"Content_Type": "text/plain"},
        {"Content_Type": "application/x-www-form-urlencoded"}, {"Host": "evil.example"},
    ):  # fmt: skip
        assert label_request(server, candidate, "real", **headers) == 403
    assert ask(server, "POST", "/label", b"{}", Origin=server.origin)[0] == 403
    assert not (tmp_path / "labels.csv").exists()


def test_labels_are_written_as_they_are_made(server: ReviewServer, tmp_path: Path) -> None:
    one, other = sorted(server.candidates)[:2]
    assert label_request(server, one, "real") == 200
    assert label_request(server, other, "bogus") == 200
    assert (tmp_path / "labels.csv").read_text() == f"candidate_id,label\n{one},real\n{other},bogus\n"
    assert label_request(server, one, "") == 200
    assert (tmp_path / "labels.csv").read_text() == f"candidate_id,label\n{other},bogus\n"
    for candidate, label in (
        ("stranger", "real"),
        (one, "perhaps"),
        (None, "real"),
        ([], "real"),
        (one, 1),
        ("x" * 70000, ""),
    ):
        assert label_request(server, candidate, label) == 400
    for body in (b"", b"{", b"[]", b"1", b"\xff"):
        sent = {"Origin": server.origin, "Content_Type": "application/json"}
        assert ask(server, "POST", f"/{server.token}/label", body, **sent)[0] == 400
    assert (tmp_path / "labels.csv").read_text() == f"candidate_id,label\n{other},bogus\n"


def test_the_command(tmp_path: Path) -> None:
    alerts, labels = tmp_path / "alerts", tmp_path / "labels.csv"
    assert main(["simulate", "-n", "12", "-o", str(alerts), "--seed", "3"]) == 0
    ids = [str(value) for value in s2v.read(str(alerts)).candidate_id]
    labels.write_text(f"candidate_id,label\n{ids[0]},1\nelsewhere,unsure\n")
    program = [sys.executable, "-m", "space2vec", "review", str(alerts), "--labels", str(labels)]
    process = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    try:
        lines = [process.stdout.readline() for _ in range(3)]
        assert lines[0].startswith("12 candidates")
        assert lines[1] == f"2 labels in {labels}, 1 of them of candidates that the night does not have\n"
        address = lines[2].split()[2]
        connection = http.client.HTTPConnection(address.split("/")[2], timeout=20)
        token = address.split("/")[3]
        connection.request("GET", f"/{token}/data/night.js")
        night = json.loads(connection.getresponse().read().removeprefix(b"s2vNight(").removesuffix(b");\n"))
        assert night["served"] is True
        assert night["title"] == "alerts"
        assert night["labels"] == {ids[0]: "real", "elsewhere": "unsure"}
        assert sorted(night["suggested"]) == list(range(12))
        body = json.dumps({"candidate_id": ids[1], "label": "bogus"})
        origin = address.removesuffix(f"/{token}/")
        connection.request("POST", f"/{token}/label", body, {"Origin": origin, "Content-Type": "application/json"})
        assert connection.getresponse().read() == b"{}"
        connection.close()
        process.terminate()
        assert process.wait(20) == 143
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    assert labels.read_text() == f"candidate_id,label\n{ids[0]},real\nelsewhere,unsure\n{ids[1]},bogus\n"


def test_ctrl_c_is_how_a_review_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(server: ReviewServer) -> None:
        server.labels.set("1", "real")
        raise KeyboardInterrupt

    monkeypatch.setattr(ReviewServer, "serve_forever", interrupt)
    assert main(["simulate", "-n", "3", "-o", str(tmp_path / "alerts")]) == 0
    assert main(["review", str(tmp_path / "alerts"), "--labels", str(tmp_path / "labels.csv")]) == 0
    assert capsys.readouterr().out.endswith(f"1 labels in {tmp_path}/labels.csv\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--labels", "labels.parquet"], "suffix of a file of labels"),
        (["--labels", "nowhere/labels.csv"], "nowhere"),
        (["--labels", "labels.csv", "--port", "70000"], "is no port"),
        (["--labels", "labels.csv", "--port", "x"], "x is no port"),
        (["--labels", "more.csv"], "other columns than candidate_id and label"),
        (["--labels", "both.csv"], "candidate 7 has two labels, real and bogus"),
    ],
)
def test_what_cannot_be_is_refused_first(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["simulate", "-n", "2", "-o", "alerts"]) == 0
    Path("more.csv").write_text("candidate_id,label,kind\n7,1,transient\n")
    Path("both.csv").write_text("candidate_id,label\n7,1\n7,0\n")
    assert main(["review", "alerts", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_port_in_use_is_refused_before_anything_is_scored(
    tmp_path: Path, server: ReviewServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", "-n", "2", "-o", str(tmp_path / "alerts")]) == 0
    capsys.readouterr()
    port = str(server.server_address[1])
    arguments = ["review", str(tmp_path / "alerts"), "--labels", str(tmp_path / "others.csv"), "--port", port]
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert f"port {port} cannot be used" in printed.err
    assert "candidates" not in printed.out
