"""The lab's web service: /, /slow and /healthz on 127.0.0.1, run by the supervisor as ``-m flyball.lab.web HOME``.

It reads HOME/web-config/web.toml at start and leaves with 78 (EX_CONFIG) if that is wrong, with 69 (EX_UNAVAILABLE) if
its port is taken. It logs every answer to HOME/logfs/web.log and answers 503 while it cannot, 503 as well where the
page needs the store and the store does not answer. /healthz needs no store. Its known weakness is deliberate: an idle
connection is held for a minute, so a greedy client can use up its file descriptors.
"""

import contextlib
import errno
import http.client
import json
import os
import signal
import sys
import threading
import time
import tomllib
import traceback
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from flyball.lab import logfs
from flyball.lab.home import Lab

ROTATE_BYTES = 1024 * 1024
KEPT = 2
NO_MORE_FILES = {errno.EMFILE, errno.ENFILE}
LEVELS = ("debug", "info", "warning", "error")


class ConfigError(Exception):
    """The configuration is wrong; the message names the key and what it must be."""


@dataclass(frozen=True, slots=True)
class Config:
    """What web.toml says; times in seconds and milliseconds."""

    port: int
    store_port: int
    greeting: str
    request_timeout_s: float
    work_ms: float
    log_level: str


def load_config(path: Path) -> Config:
    """Read and check web.toml.

    Raises:
        ConfigError: not TOML, a key is missing, unknown, or of the wrong type or range.
    """
    try:
        found = tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot be read: {error}") from None
    wanted: dict[str, tuple[type, ...]] = {
        "port": (int,), "store_port": (int,), "greeting": (str,), "request_timeout_s": (int, float),
        "work_ms": (int, float), "log_level": (str,),
    }  # fmt: skip
    for key, types in wanted.items():
        if not isinstance(found.get(key), types):
            names = " or ".join(sort.__name__ for sort in types)
            raise ConfigError(f"{key} must be {names}, got {found.get(key)!r}")
        if types != (str,) and not 0 <= found[key] <= 65535:  # noqa: PLR2004 - the highest TCP port bounds all numbers
            raise ConfigError(f"{key} must be between 0 and 65535, got {found[key]!r}")
    unknown = sorted(set(found) - set(wanted))
    if unknown:
        raise ConfigError(f"unknown key {unknown[0]!r}")
    if found["log_level"] not in LEVELS:
        raise ConfigError(f"log_level must be one of {', '.join(LEVELS)}, got {found['log_level']!r}")
    return Config(**found)


class Log:
    """web.log: one line per answer, rotated at 1 MB, two old ones kept."""

    def __init__(self, path: Path, sort: str) -> None:
        self.path = path
        self.level = "info"
        self.sort = sort
        self.lock = threading.Lock()
        self.fd = -1
        self.complained_at = 0.0

    def _open(self) -> None:
        try:
            same = self.fd >= 0 and os.fstat(self.fd).st_ino == self.path.stat().st_ino
        except FileNotFoundError:
            same = False
        if same and os.fstat(self.fd).st_size < ROTATE_BYTES:
            return
        if same:
            for number in range(KEPT, 0, -1):
                older = self.path.with_name(f"{self.path.name}.{number}")
                newer = self.path.with_name(f"{self.path.name}.{number - 1}") if number > 1 else self.path
                if newer.exists():
                    newer.replace(older)
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
        self.fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def write(self, level: str, text: str) -> str:
        """Append a line, if its level is one to log; gives an empty string, or why it could not be written."""
        if LEVELS.index(level) < LEVELS.index(self.level):
            return ""
        now = time.time()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03d}Z"
        line = f"{stamp} {level.upper()} web {text}\n"
        with self.lock:
            try:
                self._open()
                logfs.append(self.fd, line.encode(errors="replace"), self.path, self.sort)
            except OSError as error:
                if now - self.complained_at > 1.0:
                    self.complained_at = now
                    sys.stderr.write(f"{stamp} ERROR web cannot write {self.path}: {error.strerror}\n")
                return error.strerror or "unknown error"
        return ""


class Server(ThreadingHTTPServer):
    """The HTTP server with what its pages need."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, config: Config, log: Log) -> None:
        self.config = config
        self.log = log
        super().__init__(("127.0.0.1", config.port), Page)

    def get_request(self) -> tuple[Any, Any]:
        """Accept; out of descriptors, say so and wait a moment instead of spinning."""
        try:
            return super().get_request()
        except OSError as error:
            if error.errno in NO_MORE_FILES:
                self.log.write("error", f"accept failed: {error.strerror}")
                time.sleep(0.2)
            raise

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the base class's signature
        """Note that a client went away; a traceback would say no more."""
        self.log.write("warning", f"client {client_address[0]} went away: {sys.exc_info()[1]}")

    def count_visit(self) -> int:
        """Ask the store for the next visit number.

        Raises:
            OSError: the store does not answer in time.
        """
        line = http.client.HTTPConnection("127.0.0.1", self.config.store_port, timeout=self.config.request_timeout_s)
        with contextlib.closing(line):
            line.request("POST", "/count/visits")
            answer = line.getresponse()
            if answer.status != http.HTTPStatus.OK:
                raise OSError(f"store answered {answer.status}")
            return int(answer.read())


class Page(BaseHTTPRequestHandler):
    """One GET."""

    server: Server
    timeout = 60

    def content(self) -> tuple[int, dict[str, Any]]:
        """Give the status and the body of the page that was asked for."""
        path = self.path.partition("?")[0]
        config = self.server.config
        if path == "/healthz":
            return 200, {"status": "ok"}
        if path not in {"/", "/slow"}:
            return 404, {"error": "no such page"}
        time.sleep(1.0 if path == "/slow" else config.work_ms / 1000)
        try:
            return 200, {"greeting": config.greeting, "visits": self.server.count_visit()}
        except (OSError, http.client.HTTPException) as error:
            self.server.log.write("error", f"store on 127.0.0.1:{config.store_port} does not answer: {error}")
            return 503, {"error": "the store does not answer"}

    def do_GET(self) -> None:
        """Answer, and log before answering: an answer that cannot be logged becomes a 503."""
        began = time.monotonic()
        status, body = self.content()
        level = "info" if status < 500 else "error"  # noqa: PLR2004 - HTTP's server errors begin here
        agent = self.headers.get("User-Agent", "-")
        spent_ms = (time.monotonic() - began) * 1000
        if self.server.config.log_level == "debug":
            self.server.log.write("debug", f"headers={dict(self.headers)} stack={traceback.format_stack()}")
        wrong = self.server.log.write(level, f"GET {self.path} {status} {spent_ms:.0f}ms agent={json.dumps(agent)}")
        if wrong:
            status, body = 503, {"error": f"cannot write the log: {wrong}"}
        raw = json.dumps(body).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's signature
        """Keep the base class from writing a second log."""


def main(home: str) -> int:
    """Run web until SIGTERM; gives the exit status."""
    lab = Lab(Path(home))
    log = Log(lab.mountpoint / "web.log", lab.settings().logfs)

    def fail(text: str, code: int) -> int:
        log.write("error", text)
        sys.stderr.write(f"ERROR web {text}\n")
        return code

    try:
        config = load_config(lab.config_file)
    except ConfigError as error:
        return fail(f"configuration {lab.config_file} is invalid: {error}", os.EX_CONFIG)
    log.level = config.log_level
    try:
        server = Server(config, log)
    except OSError as error:
        return fail(f"cannot listen on 127.0.0.1:{config.port}: {error.strerror}", os.EX_UNAVAILABLE)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    log.write("info", f"listening on 127.0.0.1:{config.port}, pid {os.getpid()}")
    server.serve_forever(poll_interval=5.0)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
