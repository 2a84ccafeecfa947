"""Processes that belong to no unit, as some faults need them: ``-m flyball.lab.stray HOME NAME WHAT PORT``.

Each detaches, writes its pid file and goes on until it is ended: `squat` answers 200 on web's port in web's place,
`flood` asks web for long nonsense pages tens of times a second, `hold` keeps idle connections to web open and renews
those that it loses.
"""

import contextlib
import os
import socket
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

from flyball.lab.home import Lab, detach, http_status

FLOOD_PAUSE_S = 1 / 60
FLOOD_PATH = "/search?q=" + "a%20very%20long%20question%20" * 60
HELD = 120


class Squatter(BaseHTTPRequestHandler):
    """Answers everything, as somebody else's service would."""

    timeout = 5

    def do_GET(self) -> None:
        """Answer 200."""
        raw = b"It works\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's signature
        """Keep no access log."""


def squat(port: int) -> None:
    """Listen on a port that is somebody else's."""
    HTTPServer(("127.0.0.1", port), Squatter).serve_forever(poll_interval=5.0)


def flood(port: int) -> None:
    """Ask for pages that are not there, fast and with long names."""
    while True:
        if not http_status(f"http://127.0.0.1:{port}{FLOOD_PATH}", timeout_s=1.0, agent="crawler/0.1"):
            time.sleep(0.5)
        time.sleep(FLOOD_PAUSE_S)


def hold(port: int) -> None:
    """Keep connections open and say nothing."""
    held: list[socket.socket] = []
    while True:
        alive = []
        for line in held:
            try:
                gone = line.recv(1) == b""
            except BlockingIOError:
                gone = False
            except OSError:
                gone = True
            if gone:
                line.close()
            else:
                alive.append(line)
        held = alive
        while len(held) < HELD:
            line = socket.socket()
            line.settimeout(0.2)
            with contextlib.suppress(OSError):
                line.connect(("127.0.0.1", port))
                line.settimeout(0)
                held.append(line)
                continue
            line.close()
            break
        time.sleep(0.5)


def main(arguments: list[str]) -> int:
    """Detach and do one of the three until ended."""
    home, name, what, port = arguments
    lab = Lab(Path(home))
    if not detach(lab.logs / f"{name}.out"):
        return 0
    lab.claim(name, os.getpid())
    {"squat": squat, "flood": flood, "hold": hold}[what](int(port))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
