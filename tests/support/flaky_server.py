"""A local HTTP server with a few files that answers as told: truncates, fails, lies.

Each path has a list of *moods*; a request takes the next one, and ``"good"`` when none is left.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class FlakyServer:
    """Files by path (``/a/b.zip``) and how they are served.

    Attributes:
        files: Path -> content.
        moods: Path -> moods still to come: ``"good"``; ``"cut:N"``: closes after N bytes of the body; ``"status:503"``,
            ``"status:429:7"`` (with Retry-After); ``"page"``: an HTML page with 200; ``"other"``: other bytes of the
            same length; ``"long"``: more bytes than the file has, without a length; ``"no_range"``: all of it, whatever
            was asked for; ``"wrong_range"``: 206 from another place.
        requests: (path, Range header, If-Range header) in the order of arrival.
        tag_of: Path -> entity tag; default: from the content. Empty: none.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    moods: dict[str, list[str]] = field(default_factory=dict)
    requests: list[tuple[str, str | None, str | None]] = field(default_factory=list)
    tag_of: dict[str, str] = field(default_factory=dict)
    url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)
    at_once: int = 0
    most_at_once: int = 0

    def add(self, path: str, content: bytes, checksum: bool = True) -> None:
        """Publish a file, with its checksum beside it."""
        self.files[path] = content
        if checksum:
            line = f"{hashlib.sha256(content).hexdigest()}  {path.rsplit('/', 1)[-1]}\n"
            self.files[f"{path}.CHECKSUM"] = line.encode()

    def next_mood(self, path: str) -> str:
        """Take the next mood of a path."""
        with self.lock:
            waiting = self.moods.get(path, [])
            return waiting.pop(0) if waiting else "good"

    def asked(self, path: str) -> list[tuple[str | None, str | None]]:
        """(Range, If-Range) of the requests of a path."""
        return [(start, condition) for name, start, condition in self.requests if name == path]


@contextmanager
def serving() -> Iterator[FlakyServer]:
    """Run a server on a free local port."""
    state = FlakyServer()

    class Handler(_Handler):
        flaky = state

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    flaky: FlakyServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Be quiet."""

    def do_GET(self) -> None:
        state = self.flaky
        with state.lock:
            state.requests.append((self.path, self.headers.get("Range"), self.headers.get("If-Range")))
            state.at_once += 1
            state.most_at_once = max(state.most_at_once, state.at_once)
        try:
            self._answer(state.next_mood(self.path))
        except OSError:
            self.close_connection = True
        finally:
            with state.lock:
                state.at_once -= 1

    def _answer(self, mood: str) -> None:
        kind, *rest = mood.split(":")
        content = self.flaky.files.get(self.path)
        if kind == "status":
            self._send(int(rest[0]), b"no", {"Retry-After": rest[1]} if len(rest) > 1 else {})
        elif kind == "page":
            self._send(200, b"<html>come back later</html>", {"Content-Type": "text/html"})
        elif content is None:
            self._send(404, b"no such file", {})
        elif kind == "other":
            self._send(200, bytes(byte ^ 0xFF for byte in content), {"ETag": '"other"'})
        elif kind == "long":
            self.close_connection = True
            self.send_response(200)
            self.end_headers()
            self.wfile.write(content + b"more")
        else:
            self._file(content, kind, rest)

    def _file(self, content: bytes, kind: str, rest: list[str]) -> None:
        tag = self.flaky.tag_of.get(self.path, f'"{hashlib.sha256(content).hexdigest()[:8]}"')
        headers = {"ETag": tag} if tag else {}
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(match[1]) if match and self.headers.get("If-Range") == tag and kind != "no_range" else 0
        if start and start >= len(content):
            self._send(416, b"", {})
            return
        status = 200
        if start:
            status, first = 206, start + (kind == "wrong_range")
            headers["Content-Range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
        body = content[start:]
        self._send(status, body, headers, int(rest[0]) if kind == "cut" else len(body))

    def _send(self, status: int, body: bytes, headers: dict[str, str], sent: int | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/octet-stream", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if sent is None else body[:sent])
        if sent is not None and sent < len(body):
            self.close_connection = True
