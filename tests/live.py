"""A real server for tests: `python -m flyball up` in a process of its own, spoken to over HTTP, killed and started again."""

from __future__ import annotations

import base64
import fcntl
import http.client
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from flyball import project
from flyball.backends.store.audit import Report, verify
from flyball.lab import estate, logfs
from flyball.lab.home import Lab, http_status

ROOT = Path(__file__).parents[1]
START_S = 30.0
PATHS = os.pathsep.join([str(ROOT / "src"), *filter(None, [os.environ.get("PYTHONPATH", "")])])
ENV = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "PYTHONPATH": PATHS, "LC_ALL": "C.UTF-8"}
REASON = "looked at it and it is right"


def free_port() -> int:
    """A port for one server and its successors: below those that Linux takes for outgoing connections, and nobody else's.

    Two runs of the tests side by side, or two threads of one, agree by the locks that they hold on files in /tmp until they end.
    """
    for port in range(18_000, 20_000):
        try:
            lock = os.open(f"/tmp/flyball-test-port.{port}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError:
            continue  # another user's
        with socket.socket() as trial:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                trial.bind(("127.0.0.1", port))
            except OSError:
                os.close(lock)
                continue
            return port  # the lock is held as long as this process lives
    raise AssertionError("no free port between 18000 and 20000")


needs_mount = pytest.mark.skipif(
    not logfs.may_mount(), reason="the lab's log file system is a mount: run as root, or under unshare --user --map-root-user --mount"
)
BUSY = 3  # speed is measured in bench/: a bound here only ends a test that would never end


def until(look: Callable[[], Any], within_s: float, what: str = "it") -> Any:
    """Look until something is true; give it. Fails after `within_s`, what a quiet machine needs at most, and three times that on any."""
    end = time.monotonic() + BUSY * within_s
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come true within {BUSY * within_s:g} s")
        time.sleep(0.05)


@dataclass
class Live:
    """One project folder, and the server that runs on it now."""

    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    key: str = ""
    starts: int = 0
    disk: Path | None = None  # the state folder, where it is not in the project
    argv: Sequence[str] = ()  # what the server is started through, such as setpriv

    @property
    def state(self) -> Path:
        return self.disk or self.folder / "state"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def said(self) -> str:
        """What the servers of this folder have written to their terminals."""
        return "".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("server.*.out")))

    def write(self, services: list[dict[str, Any]], **settings: Any) -> None:
        """Write the project."""
        project.write(self.folder, services=services, told={"listen": f"127.0.0.1:{self.port}", **settings})

    @property
    def _out(self) -> Path:
        return self.folder / f"server.{self.starts:03}.out"

    def edit(self, name: str, change: Callable[[dict[str, Any]], None]) -> None:
        """Change one YAML file of the project."""
        path = self.folder / name
        doc = yaml.safe_load(path.read_text())
        change(doc)
        path.write_text(yaml.safe_dump(doc, sort_keys=False))

    def launch(self, *flags: str) -> None:
        """Start a server and do not wait for it."""
        self.starts += 1
        with self._out.open("wb") as out:
            argv = [*self.argv, sys.executable, "-m", "flyball", "--project", str(self.folder), "up", *flags]
            self.process = subprocess.Popen(argv, stdout=out, stderr=out, env=ENV, cwd=self.folder)

    def start(self, *flags: str) -> Live:
        """Start a server and wait until it answers."""
        self.launch(*flags)
        until(self._answers, START_S, f"a server on {self.folder}")
        self.key = (self.state / "keys" / "admin").read_text().strip()
        return self

    def _answers(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"the server ended with {self.process.returncode}: {self.said[-2000:]}")
        try:
            return "Flyball answers at" in self._out.read_text() and self.call("GET", "/livez", key="")[0] == 200
        except OSError:
            return False

    def refuse(self, *flags: str, env: Mapping[str, str] | None = None) -> tuple[int, str]:
        """Start a server that is expected to end by itself; give its exit code and what it said."""
        argv = [*self.argv, sys.executable, "-m", "flyball", "--project", str(self.folder), "up", *flags]
        done = subprocess.run(argv, capture_output=True, text=True, env={**ENV, **(env or {})}, cwd="/", timeout=START_S, check=False)
        return done.returncode, done.stdout + done.stderr

    def kill(self) -> None:
        """End the server as a power cut would."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)

    def stop(self) -> int:
        """End the server as a person would; give its exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)
                raise
        return self.process.returncode

    def call(
        self,
        method: str,
        path: str,
        doc: Any = None,
        *,
        key: str | None = None,
        raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 30.0,
    ) -> tuple[int, Any]:
        """One HTTP call; gives status and document (or text). Raises OSError where nobody answers."""
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)
        try:
            body = raw if raw is not None else json.dumps(doc).encode() if doc is not None else None
            sent = {"Content-Type": "application/json", **(headers or {})}
            token = self.key if key is None else key
            if token:
                sent["Authorization"] = f"Bearer {token}"
            line.request(method, path, body, sent)
            answer = line.getresponse()
            text = answer.read().decode("utf-8", "replace")
            kind = answer.headers.get("content-type", "")
            return answer.status, json.loads(text) if kind.startswith("application/json") else text
        except http.client.HTTPException as fault:
            raise ConnectionError(f"cut off: {fault!r}") from fault
        finally:
            line.close()

    def get(self, path: str) -> Any:
        """GET with the admin's key; anything but 200 fails."""
        status, doc = self.call("GET", path)
        assert status == 200, (status, doc)
        return doc

    def mint(self, principal: str, *scopes: str, ttl_s: float = 3600.0) -> str:
        """A key for a person or a service."""
        status, doc = self.call("POST", "/v1/keys", {"principal": principal, "scopes": list(scopes), "ttl_s": ttl_s})
        assert status == 200, (status, doc)
        return str(doc["key"])

    def sessions(self) -> list[dict[str, Any]]:
        """Every session, oldest first."""
        return list(reversed(self.get("/v1/sessions?limit=1000")["sessions"]))

    def log(self, **query: str) -> list[dict[str, Any]]:
        """Every entry, over HTTP."""
        found: list[dict[str, Any]] = []
        asked = "".join(f"&{name}={value}" for name, value in query.items())
        while True:
            more = self.get(f"/v1/log?limit=1000&after={found[-1]['index'] if found else -1}{asked}")["entries"]
            found += more
            if len(more) < 1000:
                return found

    def names(self, session: str) -> list[str]:
        """The names of a session's entries, in order."""
        return [one["name"] for one in self.log(session=session)]

    def checkpoint(self) -> str:
        """The newest signed checkpoint that the server gives away."""
        return str(self.get("/v1/log/checkpoint"))

    def verify(self, kept: str = "") -> Report:
        """Verify the log as a stranger with a copy of an older checkpoint would."""
        if not kept:
            return verify(self.state)
        path = self.folder / "kept.checkpoint"
        path.write_text(kept)
        return verify(self.state, checkpoint=path)

    def rows(self, table: str) -> dict[str, tuple[str, dict[str, Any]]]:
        """The status rows of a table as they stand on the disk: id -> (state, body)."""
        conn = sqlite3.connect(f"file:{self.state / 'flyball.db'}?mode=ro", uri=True)
        try:
            found = conn.execute("SELECT id, state, body FROM row WHERE tbl = ?", (table,)).fetchall()
        finally:
            conn.close()
        return {name: (state, json.loads(body)) for name, state, body in found}

    def entries(self) -> list[tuple[str, str]]:
        """Action and name of every entry as they stand on the disk, in order."""
        conn = sqlite3.connect(f"file:{self.state / 'flyball.db'}?mode=ro", uri=True)
        try:
            return [(action, name) for action, name in conn.execute("SELECT action, name FROM entry ORDER BY idx")]
        finally:
            conn.close()

    def counter(self, account: str) -> tuple[int, int]:
        """Spent and held of one account."""
        conn = sqlite3.connect(f"file:{self.state / 'flyball.db'}?mode=ro", uri=True)
        try:
            found = conn.execute("SELECT spent, held FROM account WHERE id = ?", (account,)).fetchone()
        finally:
            conn.close()
        return (int(found[0]), int(found[1])) if found else (0, 0)

    def approve_all(self, key: str) -> int:
        """Say yes, as a second person, to whatever waits; gives how many answers counted."""
        count = 0
        for card in self.get("/v1/approvals")["approvals"]:
            status, _ = self.call("POST", f"/v1/approvals/{card['id']}/approve", {"digest": card["digest"], "reason": REASON}, key=key)
            count += status == 200
        return count


def alert(name: str, service: str, *, status: str = "firing", starts: str = "2026-01-01T00:00:00Z", note: str = "", n: int = 0) -> bytes:
    """Alertmanager's webhook JSON, version 4, for one alert; `n` makes one notification differ from the next."""
    labels = {"alertname": name, "service": service, "env": "lab"}
    one = {"status": status, "labels": labels, "annotations": {"summary": f"{name} on {service}", "description": note}, "startsAt": starts}
    ends = {"endsAt": "0001-01-01T00:00:00Z", "fingerprint": "f" * 16, "generatorURL": f"http://prometheus/{n}"}
    doc = {"version": "4", "groupKey": f"{name}:{service}", "status": status, "receiver": "flyball", "groupLabels": labels}
    return json.dumps({**doc, "alerts": [{**one, **ends}]}).encode()


def spec(name: str, target: str, *, agent: str = "", alert_name: str = "") -> bytes:
    """A task spec."""
    said = (
        {"goal": f"work on {target}", "target": target}
        | ({"agent": agent} if agent else {})
        | ({"alert": alert_name} if alert_name else {})
    )
    return yaml.safe_dump({"apiVersion": "flyball/v1", "kind": "Task", "metadata": {"name": name}, "spec": said}).encode()


def raw_of(row: Mapping[str, Any]) -> bytes:
    """The bytes of a delivery as the inbox keeps them."""
    return base64.b64decode(row["raw"])


COUNT = """\
#!/bin/sh
# A service whose restarts can be counted: `pid` is their number.
set -eu
dir=$1 verb=$2
n=$(cat "$dir/count")
case $verb in
restart)
    echo $((n + 1)) > "$dir/new"
    mv "$dir/new" "$dir/count"
    n=$((n + 1)) ;;
stop) : ;;
esac
echo "{\\"state\\": \\"running\\", \\"pid\\": $((n + 1000)), \\"started_at\\": $n}"
"""


def counting(folder: Path, names: Sequence[str]) -> list[dict[str, Any]]:
    """Services that count how often they were restarted, as catalogue entries."""
    program = folder / "count.sh"
    program.write_text(COUNT)
    found = []
    for name in names:
        home = folder / name
        home.mkdir()
        (home / "count").write_text("0\n")
        mounts = [{"source": str(program), "target": str(program)}, {"source": str(home), "target": str(home), "write": True}]
        control = {verb: ["/bin/sh", str(program), str(home), verb] for verb in ("status", "start", "stop", "restart")}
        found.append({"name": name, "env": "test", "facts": {"control": control, "control_mounts": mounts}})
    return found


def count_of(folder: Path, name: str) -> int:
    """How often a counting service was restarted."""
    return int((folder / name / "count").read_text())


@dataclass
class Incident:
    """A lab and the server that looks after it."""

    home: Path
    live: Live
    second: str = ""  # key of the person who answers approvals

    @property
    def lab(self) -> Lab:
        return Lab(self.home)

    @classmethod
    def begin(cls, folder: Path, *, prometheus: bool = False, argv: Sequence[str] = (), repeat_s: float = 5.0) -> Incident:
        """Start both; the lab sends its alerts to the server."""
        one = cls(folder / "lab", Live(folder / "project", argv=argv))
        try:
            one._begin(prometheus=prometheus, repeat_s=repeat_s)
        except BaseException:
            one.end()
            raise
        return one

    def _begin(self, *, prometheus: bool, repeat_s: float) -> None:
        receiver = f"{self.live.url}/v1/signals/alertmanager"
        estate.start(self.home, receiver if prometheus else "", "pending", prometheus=prometheus)
        self.live.write(project.of_lab(estate.catalogue(self.home)))
        self.live.edit("flyball.yaml", lambda doc: doc["pace"].update({"process.restart": {"burst": 20, "every_s": 1}}))
        self.live.start()
        self.second = self.live.mint("person:second", "read", "approve")
        token = self.live.mint("service:prober", "signal")
        estate.start(self.home, receiver, token, prometheus=prometheus, repeat_s=repeat_s)

    def suffer(self, fault: str, within_s: float = 60.0, *, sessions: int = 1) -> list[dict[str, Any]]:
        """Break one thing, answer what is asked, and give the sessions that it led to once they are closed."""
        known = {one["id"] for one in self.live.sessions()}
        estate.break_(self.home, fault)
        return self.close(known, within_s, sessions=sessions)

    def close(self, known: Collection[str], within_s: float = 60.0, *, sessions: int = 1) -> list[dict[str, Any]]:
        """Wait until there are so many sessions beside the known ones and all of them are closed."""

        def closed() -> list[dict[str, Any]]:
            self.live.approve_all(self.second)
            new = [one for one in self.live.sessions() if one["id"] not in known]
            return new if len(new) >= sessions and all(one["phase"] == "closed" for one in new) else []

        return list(until(closed, within_s, f"{sessions} closed session(s)"))

    def well(self) -> None:
        """Heal whatever is left, and wait until no alert fires any more."""
        estate.heal(self.home)
        until(lambda: http_status(self.lab.web_url("/")) == 200, 15, "web's page")
        until(lambda: all(state != "firing" for state, _ in self.live.rows("signal").values()), 20, "the end of every alert")

    def end(self) -> None:
        """Stop both."""
        self.live.kill()
        estate.stop(self.home)
