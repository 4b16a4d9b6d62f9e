"""Counts of a stream for Prometheus, as text over HTTP."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from space2vec.stream.events import Counts

__all__ = ["MetricsServer", "as_text"]

_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def as_text(counts: Counts) -> str:
    """Return the counts in the text format of Prometheus."""
    lines = []
    for name, kind, what, value in (
        ("messages_total", "counter", "Messages that were scored.", counts.rows),
        ("stored_total", "counter", "Messages whose scores are in the output.", counts.stored),
        ("unread_total", "counter", "Messages that hold no alert that can be read.", counts.unread),
        ("scored_total", "counter", "Messages with a score.", counts.scored),
        ("latency_seconds", "gauge", "From a message's time stamp until its score was stored.", counts.latency),
    ):
        full = f"space2vec_stream_{name}"
        lines += [f"# HELP {full} {what}", f"# TYPE {full} {kind}", f"{full} {value}"]
    for name, what, counted in (
        ("flagged_total", "Messages with a score and this flag.", counts.flags),
        ("refused_total", "Messages without a score and with this flag.", counts.refused),
    ):
        full = f"space2vec_stream_{name}"
        lines += [f"# HELP {full} {what}", f"# TYPE {full} counter"]
        lines += [f'{full}{{flag="{flag}"}} {number}' for flag, number in sorted(counted.items())]
    for name, kind, what, by_partition in (
        ("lag", "gauge", "Messages of a partition whose scores are not stored yet.", counts.lag),
        ("position", "counter", "The offset of a partition before which all scores are stored.", counts.positions),
    ):
        full = f"space2vec_stream_{name}"
        lines += [f"# HELP {full} {what}", f"# TYPE {full} {kind}"]
        lines += [
            f'{full}{{topic="{topic}",partition="{partition}"}} {number}'
            for (topic, partition), number in sorted(by_partition.items())
        ]
    return "\n".join(lines) + "\n"


class MetricsServer:
    """Serve the counts at ``/metrics``; use it in a ``with`` block.

    Parameters
    ----------
    host : str
        The address to listen at; ``127.0.0.1`` is seen by this machine alone.
    port : int
        The port; 0 takes a free one.
    counts : list of Counts
        Holds the counts, once there are any; the stream replaces them.

    Raises
    ------
    OSError
        If the port is in use.
    """

    def __init__(self, host: str, port: int, counts: Sequence[Counts]) -> None:
        class Handler(BaseHTTPRequestHandler):
            timeout = 10

            def do_GET(self) -> None:
                found = self.path.partition("?")[0] in ("/", "/metrics")
                text = as_text(counts[0] if counts else Counts()).encode() if found else b"see /metrics\n"
                self.send_response(200 if found else 404)
                self.send_header("Content-Type", _TYPE)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, format: str, *args: object) -> None:
                """Keep silent."""

        self._server = ThreadingHTTPServer((host, port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, name="space2vec-metrics", daemon=True)

    def __enter__(self) -> MetricsServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
