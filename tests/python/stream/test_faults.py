"""What goes wrong around a stream, and passes: brokers and registries away, new schemas, outputs that stall."""

import json
import signal
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import fastavro
import pytest

from helpers.packets import SCHEMA
from helpers.stream_messages import NUMBER, alert_message, make_messages, write_registry
from helpers.streams import differences, without_repeats

#: The schema with one field more, and its number.
NEXT = SCHEMA | {"fields": [*SCHEMA["fields"], {"name": "drb", "type": "float", "default": 0.5}]}
NEXT_NUMBER = NUMBER + 1
#: The most memory that a stream may have had, in kilobytes.
MEMORY = 400 * 1024


def peak(process):
    """Return the most memory that a process has had, in kilobytes."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def end(stream, process):
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 0, stream.log()


@pytest.mark.parametrize("mode", ["topic", "exactly once", "folder"])
def test_a_broker_is_restarted(own_noida, mode, tmp_path, stream_of):
    sent = make_messages(300)
    topic = own_noida.topic()
    own_noida.feed(topic, sent.values[:150])
    stream = stream_of(own_noida, tmp_path, topic, mode)
    process = stream.start("--part-seconds", "1")
    stream.wait_for(100, live=process)
    own_noida.stop()
    time.sleep(2)
    own_noida.start()
    own_noida.feed(topic, sent.values[150:], begin=150)
    if mode == "exactly once":  # its client may wait for ever for the coordinator of a broker that was away
        process.kill()
        process = stream.start()
    rows = stream.wait_for(300, live=process)
    end(stream, process)
    assert not differences(sent, without_repeats(rows), tmp_path)
    assert mode == "topic" or len(stream.rows()) == 300


def test_a_schema_changes_in_mid_stream(broker, tmp_path, stream_of):
    """Alerts of both schemas come mixed; the file of the second appears while the stream runs."""
    sent = make_messages(200, poison=False)
    later = fastavro.parse_schema(NEXT)
    for number in range(80, 200):
        if number % 3:
            alert = sent.alerts[sent.candidates[number]]
            sent.values[number] = alert_message(alert | {"drb": 0.25}, NEXT_NUMBER, later)
    topic = broker.topic()
    stream = stream_of(broker, tmp_path, topic)
    process = stream.start()
    broker.feed(topic, sent.values[:80])
    stream.wait_for(80, live=process)
    (tmp_path / "schemas" / f"{NEXT_NUMBER}.avsc").write_text(json.dumps(NEXT))
    broker.feed(topic, sent.values[80:], begin=80)
    rows = stream.wait_for(200, live=process)
    end(stream, process)
    assert not differences(sent, rows, tmp_path)


class Registry:
    """A schema registry on loopback that can be down, in which nobody can connect, or ill, in which it answers 503."""

    def __init__(self):
        registry = self
        self.schemas = {NUMBER: SCHEMA, NEXT_NUMBER: NEXT}
        self.asked = []
        self.ill = False
        self.registered = []

        class Handler(BaseHTTPRequestHandler):
            def answer(self, status, body):
                text = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def do_GET(self):
                number = int(self.path.partition("?")[0].rpartition("/")[2])
                registry.asked.append(number)
                if registry.ill:
                    self.answer(503, {"error_code": 50302, "message": "not now"})
                elif number in registry.schemas:
                    self.answer(200, {"schema": json.dumps(registry.schemas[number])})
                else:
                    self.answer(404, {"error_code": 40403, "message": "Schema not found"})

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                registry.registered.append((self.path, json.loads(body["schema"])))
                self.answer(200, {"id": 4711})

            def log_message(self, *_):
                pass

        self.handler = Handler
        self.server = None
        self.port = 0

    def up(self):
        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), self.handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def down(self):
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            self.server = None


@pytest.fixture
def registry():
    """Return a registry that was up, so that it has an address, and is down."""
    one = Registry()
    one.up()
    one.down()
    yield one
    one.down()


@pytest.mark.parametrize("mode", ["topic", "exactly once"])
def test_a_registry_goes_and_comes(transactional, registry, mode, tmp_path, stream_of):
    """It is down when the stream starts, and down or ill when a new schema comes."""
    sent = make_messages(150)
    later = fastavro.parse_schema(NEXT)
    for number in range(50, 150):
        if sent.candidates[number] in sent.alerts and number not in sent.surplus:
            alert = sent.alerts[sent.candidates[number]]
            sent.values[number] = alert_message(alert | {"drb": 0.25}, NEXT_NUMBER, later)
    topic = transactional.topic()
    transactional.feed(topic, sent.values[:50])
    stream = stream_of(transactional, tmp_path, topic, mode, registry=f"http://127.0.0.1:{registry.port}")
    process = stream.start()
    time.sleep(3)
    assert process.poll() is None, stream.log()
    assert not stream.rows()
    registry.up()
    stream.wait_for(50, live=process)
    assert registry.registered[0][0] == f"/subjects/{stream.output}-value/versions"
    registry.ill = True
    transactional.feed(topic, sent.values[50:100], begin=50)
    time.sleep(2)
    registry.down()
    time.sleep(2)
    assert len(stream.rows()) == 50
    registry.ill = False
    registry.up()
    transactional.feed(topic, sent.values[100:], begin=100)
    rows = stream.wait_for(150, live=process)
    end(stream, process)
    assert not differences(sent, rows, tmp_path)
    assert registry.asked.count(NUMBER) <= 2, "schemas are held"
    headers = {record.value[:5] for record in transactional.records(stream.output)}
    assert headers == {b"\0" + (4711).to_bytes(4, "big")}


def test_messages_larger_than_a_megabyte(broker, tmp_path, stream_of):
    """Each has a history of tens of thousands of candidates; memory stays within bounds."""
    sent = make_messages(120, poison=False)
    write_registry(tmp_path / "schemas")
    for number in range(0, 120, 20):
        alert = sent.alerts[sent.candidates[number]]
        sent.values[number] = alert_message(alert | {"prv_candidates": [alert["candidate"]] * (30_000 + 100 * number)})
    assert len(sent.values[0]) > 1 << 20
    topic = broker.topic(max_message_bytes="8000000")
    broker.feed(topic, sent.values, message_max_bytes=8_000_000)
    stream = stream_of(broker, tmp_path, topic)
    process = stream.start()
    rows = stream.wait_for(120, live=process)
    assert peak(process) < MEMORY
    end(stream, process)
    assert not differences(sent, rows, tmp_path)


def test_an_output_that_stalls(grouping, tmp_path, stream_of):
    """It stalls for twice the interval after which a member that does not poll is expelled; the stream stays."""
    sent = make_messages(1500)
    topic = grouping.topic(2)
    grouping.feed(topic, sent.values, partitions=2)
    settings = {"max.poll.interval.ms": "6000", "session.timeout.ms": "6000"}
    stream = stream_of(grouping, tmp_path, topic, settings=settings)
    process = stream.start("--batch", "64", point="produced", number=3, seconds=12)
    rows = stream.wait_for(1500, 60, live=process)
    assert peak(process) < MEMORY
    end(stream, process)
    assert not differences(sent, rows, tmp_path, 2)
    assert "given" not in stream.log()
