"""The lab's folder on disk and what everyone in the lab asks of it: paths, settings, processes, HTTP.

Called by the estate, the faults and the lab's own services. Everything that the lab owns lies under one folder; a
process belongs to the lab only if its pid file names both its pid and the moment at which it started.
"""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from flyball.lab import ctl

PACKAGE_ROOT = Path(__file__).resolve().parents[2]
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENV = "lab"
LOGFS_BYTES = 8 * 1024 * 1024
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class LabError(Exception):
    """The lab cannot do what it was asked; the message says what, why and what to do next in one line."""


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """What the estate writes to lab.json and the services read. Ports are TCP ports on 127.0.0.1."""

    web_port: int
    store_port: int
    prober_port: int
    prometheus_port: int
    alertmanager_port: int
    alert_url: str
    token: str = dataclasses.field(repr=False)
    repeat_s: float
    prometheus: bool
    logfs: str  # "tmpfs", or "quota" where nothing can be mounted


@dataclasses.dataclass(frozen=True, slots=True)
class Lab:
    """A lab by its folder: where everything lies and how to reach it."""

    home: Path

    @property
    def settings_path(self) -> Path:
        """The lab's settings, which also mark the folder as a lab."""
        return self.home / "lab.json"

    @property
    def socket(self) -> Path:
        """The supervisor's control socket."""
        return self.home / ctl.SOCKET_NAME

    @property
    def config_file(self) -> Path:
        """The file that web reads at start, in a git worktree of its own."""
        return self.home / "web-config" / "web.toml"

    @property
    def targets_file(self) -> Path:
        """What the prober probes and through which door."""
        return self.home / "targets.json"

    @property
    def logs(self) -> Path:
        """Standard output and error of every unit; not on the small file system."""
        return self.home / "logs"

    @property
    def mountpoint(self) -> Path:
        """Where the small log file system is mounted."""
        return self.home / "logfs"

    @property
    def logfs(self) -> Path:
        """The log file system as this process can see it: through /proc if the lab lives in another mount namespace."""
        pid = self.pid("supervisor")
        if pid is None or same_mounts(pid):
            return self.mountpoint
        return Path(f"/proc/{pid}/root{self.mountpoint}")

    @property
    def web_log(self) -> Path:
        """The log that web writes, as this process can see it."""
        return self.logfs / "web.log"

    def settings(self) -> Settings:
        """Read the settings.

        Raises:
            LabError: there is no lab in this folder.
        """
        try:
            return Settings(**json.loads(self.settings_path.read_text()))
        except FileNotFoundError:
            raise LabError(f"No lab in {self.home}. Start one with: flyball lab start --home {self.home}") from None
        except (ValueError, TypeError) as error:
            raise LabError(f"{self.settings_path} cannot be read ({error}). Remove {self.home} and start anew.") from None

    def pid_path(self, name: str) -> Path:
        """The pid file of a unit, a stray or the supervisor."""
        return self.home / "pids" / f"{name}.pid"

    def status_path(self, name: str) -> Path:
        """The file in which the supervisor keeps a unit's last status."""
        return self.home / "state" / f"{name}.json"

    def pid(self, name: str) -> int | None:
        """Give the pid of a living process of this lab, or None. Never a stranger that got the same number."""
        try:
            pid, started = (int(part) for part in self.pid_path(name).read_text().split())
        except (OSError, ValueError):
            return None
        return pid if start_ticks(pid) == started else None

    def claim(self, name: str, pid: int) -> None:
        """Write the pid file of a process that has just been started."""
        write_whole(self.pid_path(name), f"{pid} {start_ticks(pid) or 0}\n")

    def ctl(self, verb: str, unit: str = "") -> dict[str, Any]:
        """Ask the supervisor; gives the unit's status (or, without a unit, all of them by name).

        Raises:
            LabError: no supervisor, or it refused.
        """
        try:
            answer = ctl.ask(self.socket, verb, unit)
        except OSError as error:
            raise LabError(
                f"The lab in {self.home} is not running ({error}). Start it with: flyball lab start --home {self.home}"
            ) from None
        if not answer["ok"]:
            raise LabError(f"The supervisor refused to {verb} {unit}: {answer['error']}")
        result: dict[str, Any] = answer["unit"] if unit else answer["units"]
        return result

    def web_url(self, path: str = "/") -> str:
        """A URL on web."""
        return f"http://127.0.0.1:{self.settings().web_port}{path}"


def write_whole(path: Path, text: str, mode: int = 0o600) -> None:
    """Write a file so that a reader sees the old text or the new, never half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(text)
    fresh.chmod(mode)
    fresh.replace(path)


def start_ticks(pid: int) -> int | None:
    """Give when a process started (clock ticks since boot; proc(5), stat field 22), or None if it is gone or dead."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def process_state(pid: int) -> str:
    """Give a process's state letter (R, S, T, ...; proc(5)), or an empty string if it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def same_mounts(pid: int) -> bool:
    """Say whether a process shares our mount namespace; True as well if that cannot be seen."""
    try:
        return Path(f"/proc/{pid}/ns/mnt").readlink() == Path("/proc/self/ns/mnt").readlink()
    except OSError:
        return True


def wait_until(test: Callable[[], bool], deadline_s: float, step_s: float = 0.05) -> bool:
    """Look until `test` holds or the time is over; gives its last answer."""
    end = time.monotonic() + deadline_s
    while not test():
        if time.monotonic() >= end:
            return False
        time.sleep(step_s)
    return True


def end_process(lab: Lab, name: str, grace_s: float = 3.0) -> None:
    """End one process of the lab by its pid file: SIGTERM, and SIGKILL after `grace_s`. Silent if it is gone."""
    pid = lab.pid(name)
    started = None if pid is None else start_ticks(pid)
    for number, patience_s in ((signal.SIGTERM, grace_s), (signal.SIGKILL, 5.0)):
        if pid is None or started is None or start_ticks(pid) != started:
            break
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            break
        # Not by the pid file: the process may remove that before its end.
        wait_until(lambda: start_ticks(pid) != started, patience_s)
    lab.pid_path(name).unlink(missing_ok=True)


def http_status(url: str, timeout_s: float = 1.0, agent: str = "flyball-lab") -> int:
    """GET a URL; gives the HTTP status, or 0 if nothing answered in time."""
    question = urllib.request.Request(url, headers={"User-Agent": agent})  # noqa: S310 - the lab's own http URLs
    try:
        with _OPENER.open(question, timeout=timeout_s) as answer:
            answer.read()
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    except OSError:
        return 0


def child_environment() -> dict[str, str]:
    """Everything that a process of the lab gets as its environment: nothing of the caller's."""
    return {"PATH": SEARCH_PATH, "PYTHONPATH": str(PACKAGE_ROOT), "LANG": "C.UTF-8"}


def python_argv(module: str, *arguments: str) -> list[str]:
    """The argv that runs a module of the lab with this Python."""
    return [sys.executable, "-s", "-m", f"flyball.lab.{module}", *arguments]


def start_stray(lab: Lab, name: str, what: str, port: int) -> None:
    """Start a process that belongs to no unit; `what` is one of `stray`'s. Returns once it has its pid file.

    Raises:
        LabError: it did not come up.
    """
    argv = python_argv("stray", str(lab.home), name, what, str(port))
    subprocess.run(argv, env=child_environment(), cwd=lab.home, check=True, timeout=10)
    if not wait_until(lambda: lab.pid(name) is not None, 5.0):
        raise LabError(f"The stray process {name} did not start; {lab.logs / name}.out says why.")


def detach(log: Path) -> bool:
    """Become a process of its own: fork, new session, output to `log`. False in the parent, True in the child."""
    if os.fork():
        return False
    os.setsid()
    log.parent.mkdir(parents=True, exist_ok=True)
    nothing = os.open(os.devnull, os.O_RDONLY)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(nothing)
    os.close(output)
    return True


def tail(path: Path, lines: int, longest: int = 4096) -> Sequence[str]:
    """The last lines of a text file (its last `longest` bytes at most); empty if it cannot be read."""
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - longest))
            return file.read().decode(errors="replace").splitlines()[-lines:]
    except OSError:
        return ()


def write_targets(lab: Lab, via: str = "") -> None:
    """Write what the prober probes; `via` ("host:port") is the door through which it reaches web, if not directly."""
    settings = lab.settings()
    web, store = f"127.0.0.1:{settings.web_port}", f"127.0.0.1:{settings.store_port}"
    targets = [
        {"service": "web", "instance": web, "health": "/healthz", "pages": ["/"], "via": via},
        {"service": "store", "instance": store, "health": "/healthz", "pages": [], "via": ""},
    ]
    write_whole(lab.targets_file, json.dumps(targets, indent=2) + "\n")
