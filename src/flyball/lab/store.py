"""The lab's store: counters over HTTP on 127.0.0.1, in memory; web needs it for every page but /healthz.

Run by the supervisor as ``-m flyball.lab.store HOME``. ``POST /count/NAME`` adds one and answers the number;
``GET /count/NAME`` answers it; ``GET /healthz`` answers 200.
"""

import collections
import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from flyball.lab.home import Lab

COUNTERS: collections.Counter[str] = collections.Counter()
LOCK = threading.Lock()
MOST_COUNTERS = 1000


class Counter(BaseHTTPRequestHandler):
    """One GET or POST."""

    timeout = 5

    def reply(self, status: int, text: str) -> None:
        """Send a plain answer."""
        raw = text.encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def do_GET(self) -> None:
        """Tell a counter, or that the store is well."""
        if self.path == "/healthz":
            self.reply(200, "ok")
        elif self.path.startswith("/count/"):
            self.reply(200, str(COUNTERS[self.path]))
        else:
            self.reply(404, "no such page")

    def do_POST(self) -> None:
        """Add one to a counter."""
        if not self.path.startswith("/count/"):
            self.reply(404, "no such page")
            return
        with LOCK:
            if self.path not in COUNTERS and len(COUNTERS) >= MOST_COUNTERS:
                self.reply(507, "too many counters")
                return
            COUNTERS[self.path] += 1
            number = COUNTERS[self.path]
        self.reply(200, str(number))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's signature
        """Keep no access log."""


class Server(ThreadingHTTPServer):
    """The HTTP server."""

    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


def main(home: str) -> int:
    """Run the store until SIGTERM; 69 if its port is taken."""
    port = Lab(Path(home)).settings().store_port
    try:
        server = Server(("127.0.0.1", port), Counter)
    except OSError as error:
        sys.stderr.write(f"ERROR store cannot listen on 127.0.0.1:{port}: {error.strerror}\n")
        return os.EX_UNAVAILABLE
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    server.serve_forever(poll_interval=5.0)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
