"""The lab's prober: looks at web, store and the log file system twice a second, and raises alerts like Alertmanager.

Run by the supervisor as ``-m flyball.lab.prober HOME``. It probes what HOME/targets.json names (read anew when it
changes): ``[{"service", "instance", "health", "pages", "via"}]``; ``via`` ("host:port", or "") is the door that probes
go through. It serves /metrics on its own port. Alerts go to the settings' ``alert_url`` with a bearer token; like
Alertmanager it tries again after connection errors and 5xx only. With the real Prometheus it measures and stays silent.
"""

import collections
import http.client
import json
import signal
import sys
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from flyball.lab import logfs
from flyball.lab.alert import Alert, Book, Labels, Sample, label_set, message
from flyball.lab.home import ENV, Lab, tail

PAUSE_S = 0.5
PROBE_TIMEOUT_S = 1.0
POST_TIMEOUT_S = 5.0
WINDOW = 6  # answers that count for error ratio and latency
LOOPING_RESTARTS = 3
SERVER_ERRORS = 500
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Measure:
    """Everything measured about the estate, and the last answers that ratios are taken over."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.sort = lab.settings().logfs
        self.answers: dict[str, collections.deque[tuple[int, float]]] = {}
        self.log_seen: tuple[float, int, int] | None = None
        self.growth: collections.deque[float] = collections.deque(maxlen=4)

    def probe(self, target: dict[str, Any]) -> list[Sample]:
        """Probe one service: its health page, and its other pages if that gave any answer."""
        service = target["service"]
        labels = label_set(service=service, instance=target["instance"], env=ENV)
        answers = self.answers.setdefault(service, collections.deque(maxlen=WINDOW))
        status, spent_s, why = get(target, target["health"])
        up = status > 0
        answers.append((status, spent_s))
        for page in target["pages"] if up else ():
            answers.append(get(target, page)[:2])
        given = [answer for answer in answers if answer[0]]
        ratio = sum(status >= SERVER_ERRORS for status, _ in given) / len(given) if given else 0.0
        latency_s = max((spent for _, spent in given), default=0.0)
        said = tail(self.lab.mountpoint / "web.log", 5) if service == "web" else ()
        quoted = " Last log lines: " + " | ".join(said) if said else ""
        return [
            Sample("lab_probe_up", labels, float(up), f"Probe of {target['instance']}{target['health']}: {why}.{quoted}"),
            Sample("lab_error_ratio", labels, ratio, f"{ratio:.0%} of the last {len(given)} answers were 5xx.{quoted}"),
            Sample("lab_latency_seconds", labels, latency_s, f"Slowest of the last answers: {latency_s:.2f} s.{quoted}"),
        ]

    def disk(self) -> list[Sample]:
        """Measure the log file system, and how fast web.log grows (bytes a second, over two seconds)."""
        where = self.lab.mountpoint
        used, size = logfs.usage(where, self.sort)
        ratio = used / size if size else 1.0
        note = f"{used} of {size} bytes of {where} are used."
        on_disk = label_set(service="web", mountpoint=str(where), env=ENV)
        now = time.monotonic()
        try:
            found = (where / "web.log").stat()
            inode, length = found.st_ino, found.st_size
        except OSError:
            inode, length = 0, 0
        if self.log_seen is not None:
            then, before_inode, before_length = self.log_seen
            more = length - before_length if inode == before_inode else length
            self.growth.append(max(0.0, more / max(now - then, 0.001)))
        self.log_seen = (now, inode, length)
        rate = sum(self.growth) / len(self.growth) if self.growth else 0.0
        return [
            Sample("lab_disk_used_ratio", on_disk, ratio, note),
            Sample("lab_log_growth_bytes", label_set(service="web", env=ENV), rate, f"web.log grows {rate:.0f} B/s."),
        ]

    def units(self) -> list[Sample]:
        """Look at the supervisor's status files for units that fail again and again."""
        samples = []
        for service in ("web", "store"):
            try:
                status = json.loads(self.lab.status_path(service).read_text())
            except (OSError, ValueError):
                continue
            looping = status["state"] == "crashlooping" or status["failures_in_a_row"] >= LOOPING_RESTARTS
            note = f"{status['failures_in_a_row']} failures in a row, last exit {status['last_exit']}."
            samples.append(Sample("lab_crash_loop", label_set(service=service, env=ENV), float(looping), note))
        return samples

    def round(self, targets: list[dict[str, Any]]) -> list[Sample]:
        """Measure everything once."""
        samples = [sample for target in targets for sample in self.probe(target)]
        return [*samples, *self.disk(), *self.units()]


def get(target: dict[str, Any], page: str) -> tuple[int, float, str]:
    """GET a page of a target; gives (HTTP status or 0, seconds, in words)."""
    host, _, port = (target["via"] or target["instance"]).partition(":")
    began = time.monotonic()
    line = http.client.HTTPConnection(host, int(port), timeout=PROBE_TIMEOUT_S)
    try:
        line.request("GET", page, headers={"User-Agent": "prober/1.0", "Host": target["instance"]})
        answer = line.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException) as error:
        return 0, time.monotonic() - began, str(error) or type(error).__name__
    else:
        return answer.status, time.monotonic() - began, f"HTTP {answer.status}"
    finally:
        line.close()


class Post(threading.Thread):
    """Tells the receiver what is due, one message at a time, so that a slow receiver slows no probe."""

    def __init__(self, lab: Lab) -> None:
        super().__init__(daemon=True)
        settings = lab.settings()
        self.url = settings.alert_url
        self.token = settings.token
        self.origin = f"http://127.0.0.1:{settings.prober_port}"
        self.book = Book(settings.repeat_s)
        self.lock = threading.Lock()
        self.news = threading.Event()

    def observe(self, samples: list[Sample]) -> None:
        """Take in one round of samples and wake the thread."""
        with self.lock:
            self.book.observe(samples, time.time())
        self.news.set()

    def run(self) -> None:
        """Send what is due whenever a round has come in."""
        while True:
            self.news.wait()
            self.news.clear()
            with self.lock:
                due = [(alert, message(alert, self.origin)) for alert in self.book.due(time.time())]
            for alert, text in due:
                self.tell(alert, text)

    def tell(self, alert: Alert, text: dict[str, Any]) -> None:
        """POST one message and note what became of it."""
        again = self.send(json.dumps(text).encode())
        with self.lock:
            if (alert.resolved_at is None) == (text["status"] == "firing"):
                self.book.told(alert, again=again, now=time.time())
            elif not again:
                alert.told = True

    def send(self, body: bytes) -> bool:
        """POST a body; True if it should be tried again (no answer, or a 5xx)."""
        headers = {"Content-Type": "application/json", "User-Agent": "flyball-lab-prober/1"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        question = urllib.request.Request(self.url, data=body, headers=headers, method="POST")  # noqa: S310 - operator's URL
        try:
            with _OPENER.open(question, timeout=POST_TIMEOUT_S) as answer:
                answer.read()
        except urllib.error.HTTPError as error:
            error.close()
            sys.stderr.write(f"the receiver answered {error.code}\n")
            return error.code >= SERVER_ERRORS
        except (OSError, http.client.HTTPException) as error:
            sys.stderr.write(f"the receiver does not answer: {error}\n")
            return True
        return False


def exposition(samples: list[Sample]) -> str:
    """The samples in Prometheus's text format 0.0.4, notes as a label of lab_note."""

    def pairs(labels: Labels) -> str:
        quoted = ((name, value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")) for name, value in labels)
        return ",".join(f'{name}="{value}"' for name, value in quoted)

    lines = [f"{sample.metric}{{{pairs(sample.labels)}}} {sample.value}" for sample in samples]
    for sample in samples:
        service = dict(sample.labels)["service"]
        lines.append(f"lab_note{{{pairs(label_set(metric=sample.metric, service=service, note=sample.note))}}} 1")
    return "\n".join(sorted(lines)) + "\n"


class Metrics(ThreadingHTTPServer):
    """Serves the last round of samples at /metrics."""

    daemon_threads = True
    samples: list[Sample]


class MetricsPage(BaseHTTPRequestHandler):
    """One GET of /metrics."""

    server: Metrics
    timeout = 5

    def do_GET(self) -> None:
        """Answer with the last samples."""
        raw = exposition(self.server.samples).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's signature
        """Keep no access log."""


def main(home: str) -> int:
    """Measure until ended."""
    lab = Lab(Path(home))
    settings = lab.settings()
    metrics = Metrics(("127.0.0.1", settings.prober_port), MetricsPage)
    metrics.samples = []
    threading.Thread(target=metrics.serve_forever, kwargs={"poll_interval": 5.0}, daemon=True).start()
    post = Post(lab)
    if settings.alert_url and not settings.prometheus:
        post.start()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    measure = Measure(lab)
    targets: list[dict[str, Any]] = []
    read_at = 0
    while True:
        began = time.monotonic()
        changed_at = lab.targets_file.stat().st_mtime_ns
        if changed_at != read_at:
            targets, read_at = json.loads(lab.targets_file.read_text()), changed_at
        metrics.samples = measure.round(targets)
        if post.is_alive():
            post.observe(metrics.samples)
        time.sleep(max(0.05, PAUSE_S - (time.monotonic() - began)))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
