"""Serve the pages of a report to the browser of this machine, and keep the labels that are made there in a file."""

from __future__ import annotations

import csv
import http.server
import io
import json
import secrets
import socket
import threading
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path

from space2vec.data.atomic_file import write_whole
from space2vec.errors import OutputError
from space2vec.errors.text import one_line
from space2vec.writing.folder import Folder

__all__ = ["LABELS", "LabelFile", "ReviewServer"]

#: What a candidate can be labelled.
LABELS = ("real", "bogus", "unsure")
#: The most bytes of a request that carries a label.
_LONGEST = 1 << 16
_PLAIN = "text/plain; charset=utf-8"
_TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript"}


class LabelFile:
    """Labels by candidate id in a CSV file that is whole at any time.

    Parameters
    ----------
    path : Path
        The file; its folder must exist.
    labels : mapping of str to str
        The labels that it holds already.

    Raises
    ------
    OutputError
        If another review writes the file: it holds the folder of that name with ``.review`` behind it.
    """

    def __init__(self, path: Path, labels: Mapping[str, str]) -> None:
        self.path = path
        self.labels = dict(labels)
        self._thread_lock = threading.Lock()
        self._state = _state_of(path)
        self._lock: Folder | None = Folder(path.with_name(f"{path.name}.review"))

    def close(self) -> None:
        """Let others write the file."""
        if self._lock is not None:
            self._lock.remove_lock()
            self._lock.remove_if_empty()
            self._lock.close()
            self._lock = None

    def set(self, candidate_id: str, label: str) -> None:
        """Label a candidate, or take its label away (an empty label), and write the file.

        Raises
        ------
        ValueError
            If it is no label.
        OutputError
            If another program has changed the file.
        OSError
            If the file cannot be written; the label is then not taken over.
        """
        if label not in ("", *LABELS):
            raise ValueError(f"a label is one of {', '.join(LABELS)}")
        with self._thread_lock:
            if _state_of(self.path) != self._state:
                raise OutputError(f"another program has changed {self.path}; end the review and start it again")
            labels = {**self.labels, candidate_id: label}
            if not label:
                labels.pop(candidate_id)
            text = io.StringIO()
            rows = csv.writer(text, lineterminator="\n")
            rows.writerow(("candidate_id", "label"))
            rows.writerows(labels.items())
            write_whole(self.path, text.getvalue().encode())
            self.labels, self._state = labels, _state_of(self.path)


def _state_of(path: Path) -> tuple[int, int, int] | None:
    """Return what tells a changed file: its inode, its size and the time of its change; None if there is none."""
    try:
        state = path.stat()
    except FileNotFoundError:
        return None
    return state.st_ino, state.st_size, state.st_mtime_ns


class ReviewServer(http.server.ThreadingHTTPServer):
    """Serve a report on the loopback interface alone, to whoever knows its address.

    The address holds a random token. A request that lacks it, names another host (a name that was made to lead here),
    or comes from a page of another origin is refused; so is a label for a candidate that is not in the night.

    Parameters
    ----------
    folder : Path
        The report.
    labels : LabelFile
        Where labels go.
    candidates : frozenset of str
        The ids of the candidates of the night.
    port : int
        The port; 0 lets the system choose a free one.

    Raises
    ------
    OSError
        If the port is in use.
    """

    daemon_threads = True

    def __init__(self, folder: Path, labels: LabelFile, candidates: frozenset[str], port: int = 0) -> None:
        self.folder = folder.resolve()
        self.labels = labels
        self.candidates = candidates
        self.token = secrets.token_urlsafe(24)
        super().__init__(("127.0.0.1", port), _Handler)

    @property
    def origin(self) -> str:
        """The scheme, host and port of the pages."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def address(self) -> str:
        """The address of the first page."""
        return f"{self.origin}/{self.token}/"

    def server_bind(self) -> None:
        """Bind to the port without asking a name server what this machine is called."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "127.0.0.1", int(self.server_address[1])


class _Handler(http.server.BaseHTTPRequestHandler):
    """Answer one request: a file of the report, or a label."""

    server: ReviewServer
    #: Seconds that a connection may be silent.
    timeout = 60

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing of requests: the terminal is for what the user should know."""

    def do_GET(self) -> None:
        """Send a file of the report."""
        name = self._path_after_token()
        if name is None:
            return
        file = (self.server.folder / (name or "index.html")).resolve()
        if not file.is_relative_to(self.server.folder) or file.suffix not in _TYPES or not file.is_file():
            self._refuse(HTTPStatus.NOT_FOUND)
            return
        self._send(HTTPStatus.OK, _TYPES[file.suffix], file.read_bytes())

    def do_POST(self) -> None:
        """Take over a label."""
        if self._path_after_token() != "label":
            return
        if self.headers.get("Origin") != self.server.origin or self.headers.get_content_type() != "application/json":
            self._refuse(HTTPStatus.FORBIDDEN)
            return
        try:
            length = int(self.headers.get("Content-Length", ""))
            if not 0 < length <= _LONGEST:
                raise ValueError("the request has no length, or is too long")
            wanted = json.loads(self.rfile.read(length))
            candidate, label = wanted["candidate_id"], wanted["label"]
            if candidate not in self.server.candidates:
                raise ValueError("the night has no such candidate")
            self.server.labels.set(candidate, label)
        except (KeyError, TypeError, RecursionError):
            self._refuse(HTTPStatus.BAD_REQUEST)
        except ValueError as error:
            self._send(HTTPStatus.BAD_REQUEST, _PLAIN, one_line(error, 200).encode())
        except OutputError as error:
            self._send(HTTPStatus.CONFLICT, _PLAIN, one_line(error, 500).encode())
        except OSError as error:
            self._send(HTTPStatus.INTERNAL_SERVER_ERROR, _PLAIN, str(error.strerror).encode())
        else:
            self._send(HTTPStatus.OK, "application/json", b"{}")

    def _path_after_token(self) -> str | None:
        """Return the path of the request below the token; refuse a request without the token or to another host."""
        host = self.server.origin.partition("//")[2]
        token, slash, name = self.path.partition("?")[0].removeprefix("/").partition("/")
        known = secrets.compare_digest(token.encode("utf-8", "replace"), self.server.token.encode())
        if self.headers.get("Host") != host or not known or not slash:
            self._refuse(HTTPStatus.FORBIDDEN)
            return None
        return name

    def _refuse(self, status: HTTPStatus) -> None:
        self._send(status, _PLAIN, status.phrase.encode())

    def _send(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        for name, value in (
            ("Content-Type", kind),
            ("Content-Length", str(len(body))),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            ("X-Frame-Options", "DENY"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
            ("Referrer-Policy", "no-referrer"),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
