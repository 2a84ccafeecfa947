"""A small server that speaks OPA's REST API as far as Flyball asks it, for tests: `/health`, `/v1/policies`, `/v1/data`.

`answers` says what a path is worth for an input (or `MISSING`, which is undefined); `mood` makes it misbehave; `seen` keeps what was asked.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MISSING = object()


class Opa:
    """The server's state; `url` is where it answers."""

    def __init__(self, answers: Callable[[str, Any], Any]) -> None:
        self.answers = answers
        self.modules = {"rules.rego": "package flyball"}
        self.revisions = {"flyball": "r1"}
        self.healthy = True
        self.mood: Callable[[BaseHTTPRequestHandler], bool] = lambda _handler: False
        self.seen: list[tuple[str, str, Any, dict[str, str]]] = []
        self.lines = 0  # connections opened
        self.gate = threading.Event()
        self.url = ""


class Handler(BaseHTTPRequestHandler):
    opa: Opa
    protocol_version = "HTTP/1.1"
    timeout = 30

    def setup(self) -> None:
        super().setup()
        self.opa.lines += 1

    def log_message(self, *_: object) -> None:
        pass

    def say(self, status: int, doc: Any) -> None:
        raw = json.dumps(doc).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def do_GET(self) -> None:
        self.answer(None)

    def do_POST(self) -> None:
        self.answer(json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}"))

    def answer(self, body: Any) -> None:
        path, _, query = self.path.partition("?")
        self.opa.seen.append((self.command, self.path, body, dict(self.headers.items())))
        if self.opa.mood(self):
            return
        if path == "/health":
            self.say(200 if self.opa.healthy else 500, {} if self.opa.healthy else {"error": "not all plugins are ok"})
        elif path == "/v1/policies":
            self.say(200, {"result": [{"id": name, "raw": text} for name, text in self.opa.modules.items()]})
        elif path.startswith("/v1/data/"):
            doc: dict[str, Any] = {"decision_id": f"d-{len(self.opa.seen)}"}
            if "provenance" in query:
                doc["provenance"] = {"version": "1.0", "bundles": {name: {"revision": rev} for name, rev in self.opa.revisions.items()}}
            try:
                result = self.opa.answers(path.removeprefix("/v1/data/"), (body or {}).get("input"))
            except Exception as fault:  # noqa: BLE001 - an evaluation that fails is a 500
                self.say(500, {"code": "internal_error", "message": str(fault)})
                return
            self.say(200, doc if result is MISSING else {**doc, "result": result})
        else:
            self.say(404, {"code": "resource_not_found", "message": "storage_not_found_error"})


@contextmanager
def served(answers: Callable[[str, Any], Any]) -> Iterator[Opa]:
    """Serve for the length of a block."""
    opa = Opa(answers)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"opa": opa}))
    server.daemon_threads = True
    opa.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield opa
    finally:
        opa.gate.set()
        server.shutdown()
        server.server_close()
        thread.join(10)
