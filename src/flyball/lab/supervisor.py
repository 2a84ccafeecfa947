"""The lab's little supervisor: starts, stops, restarts and watches units, and answers on a UNIX socket.

Started by the estate as ``python -m flyball.lab.supervisor HOME``; it detaches, mounts the small log file system, reads
HOME/units.json and runs until SIGTERM. Each unit is
``{"name", "argv", "restart": "never" | "on-failure", "max_restarts", "backoff_s", "stop_timeout_s", "nofile"}``.

Protocol, which `ctl` speaks: one JSON line ``{"verb", "unit"}``, one JSON line back
``{"ok", "unit" | "units" | "error"}``. States: running, stopped (asked to, or left with 0), crashed (died by a signal,
or failed and may not restart), backoff (failed, comes back soon), crashlooping (failed too often in a row; given up).
A unit that died by a **signal** stays down until somebody restarts it: that is an incident, not something to hide.
"""

import asyncio
import contextlib
import dataclasses
import fcntl
import json
import os
import resource
import signal
import sys
import time
from pathlib import Path
from typing import Any

from flyball.lab import logfs
from flyball.lab.ctl import VERBS, short_address
from flyball.lab.home import Lab, LabError, child_environment, detach, write_whole

STEADY_S = 5.0  # a unit that ran this long has left its crash loop
LONGEST_LINE = 4096


@dataclasses.dataclass(slots=True)
class Unit:
    """One supervised process: how to run it and what became of it."""

    name: str
    argv: list[str]
    restart: str = "never"
    max_restarts: int = 4
    backoff_s: float = 0.4
    stop_timeout_s: float = 2.0
    nofile: int = 0
    state: str = "stopped"
    process: asyncio.subprocess.Process | None = None
    watcher: asyncio.Task[None] | None = None
    hurry: asyncio.Event = dataclasses.field(default_factory=asyncio.Event)
    wanted: bool = False
    restarts: int = 0
    failures: int = 0
    started_at: float | None = None
    last_exit: dict[str, Any] | None = None

    def status(self) -> dict[str, Any]:
        """What `status` answers: times in Unix seconds, `last_exit` with either a code or a signal's name."""
        return {
            "unit": self.name,
            "state": self.state,
            "pid": self.process.pid if self.process and self.state == "running" else None,
            "started_at": self.started_at,
            "restarts": self.restarts,
            "failures_in_a_row": self.failures,
            "last_exit": self.last_exit,
        }


class Supervisor:
    """Runs the units of one lab."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.units = {spec["name"]: Unit(**spec) for spec in json.loads((lab.home / "units.json").read_text())}
        self.over = False
        self.turn = {name: asyncio.Lock() for name in self.units}

    def note(self, unit: Unit, text: str) -> None:
        """Keep a unit's status on disk and say what happened in the supervisor's log."""
        write_whole(self.lab.status_path(unit.name), json.dumps(unit.status()) + "\n")
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        sys.stdout.write(f"{stamp} {unit.name}: {text}\n")
        sys.stdout.flush()

    async def spawn(self, unit: Unit) -> bool:
        """Start the process of a unit; False if its program cannot be run."""
        output = os.open(self.lab.logs / f"{unit.name}.out", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            unit.process = await asyncio.create_subprocess_exec(
                *unit.argv,
                cwd=self.lab.home,
                env=child_environment(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        except OSError as error:
            unit.state = "crashed"
            unit.last_exit = {"code": 127, "signal": None, "at": time.time()}
            self.note(unit, f"cannot be run: {error}")
            return False
        finally:
            os.close(output)
        if unit.nofile:
            with contextlib.suppress(ProcessLookupError):
                resource.prlimit(unit.process.pid, resource.RLIMIT_NOFILE, (unit.nofile, unit.nofile))
        self.lab.claim(unit.name, unit.process.pid)
        unit.state, unit.started_at = "running", time.time()
        self.note(unit, f"started, pid {unit.process.pid}")
        return True

    async def watch(self, unit: Unit) -> None:
        """Follow a unit's process, and those that come after it, until it is to stay down."""
        while unit.process is not None:
            code = await unit.process.wait()
            number = -code if code < 0 else 0
            unit.last_exit = {
                "code": None if number else code,
                "signal": signal.Signals(number).name if number else None,
                "at": time.time(),
            }
            said = f"ended by {unit.last_exit['signal']}" if number else f"left with {code}"
            if not unit.wanted or code == 0:
                unit.state = "stopped"
            elif number or unit.restart == "never":
                unit.state = "crashed"
            else:
                if unit.started_at is not None and time.time() - unit.started_at > STEADY_S:
                    unit.failures = 0
                unit.failures += 1
                unit.state = "backoff" if unit.failures <= unit.max_restarts else "crashlooping"
            self.lab.pid_path(unit.name).unlink(missing_ok=True)
            self.note(unit, f"{said}; {unit.state}")
            if unit.state != "backoff":
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(unit.hurry.wait(), unit.backoff_s * unit.failures)
            if not unit.wanted:
                return
            unit.restarts += 1
            if not await self.spawn(unit):
                return
            if unit.hurry.is_set():  # it was stopped while it was being started
                unit.process.terminate()

    async def start(self, unit: Unit) -> None:
        """Start a unit that is down, and forget its earlier failures; nothing to do if it runs."""
        if unit.state == "running":
            return
        await self.stop(unit)
        unit.wanted, unit.failures = True, 0
        unit.hurry.clear()
        if await self.spawn(unit):
            unit.watcher = asyncio.create_task(self.watch(unit))

    async def stop(self, unit: Unit) -> None:
        """Stop a unit: SIGTERM, and SIGKILL after its `stop_timeout_s`. It stays down."""
        unit.wanted = False
        unit.hurry.set()
        for number, patience_s in ((signal.SIGTERM, unit.stop_timeout_s), (signal.SIGKILL, None)):
            if unit.watcher is None or unit.watcher.done():
                break
            if unit.state == "running" and unit.process is not None:
                with contextlib.suppress(ProcessLookupError):
                    unit.process.send_signal(number)
            await asyncio.wait({unit.watcher}, timeout=patience_s)
        if unit.state != "stopped":
            unit.state = "stopped"
            self.note(unit, "stopped")

    async def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        """Do one verb of the protocol; gives the answer's object."""
        verb, name = question.get("verb"), question.get("unit", "")
        if verb not in VERBS:
            return {"ok": False, "error": f"unknown verb {verb!r}; one of {', '.join(VERBS)}"}
        if not name and verb == "status":
            return {"ok": True, "units": {unit.name: unit.status() for unit in self.units.values()}}
        unit = self.units.get(name)
        if unit is None:
            return {"ok": False, "error": f"unknown unit {name!r}; one of {', '.join(self.units)}"}
        if verb != "status":
            async with self.turn[name]:
                if self.over:
                    return {"ok": False, "error": "the lab is being stopped"}
                if verb in {"stop", "restart"}:
                    await self.stop(unit)
                if verb == "restart":
                    unit.restarts += 1
                if verb in {"start", "restart"}:
                    await self.start(unit)
        return {"ok": verb == "status" or unit.state != "crashed", "unit": unit.status(), "error": "it did not start"}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection: one line in, one line out."""
        try:
            question = json.loads(await asyncio.wait_for(reader.readline(), timeout=5.0))
            answer = await self.answer(question if isinstance(question, dict) else {})
        except (ValueError, TimeoutError):
            answer = {"ok": False, "error": 'send one JSON line: {"verb": ..., "unit": ...}'}
        with contextlib.suppress(OSError):
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        writer.close()

    async def end(self, unit: Unit) -> None:
        """Stop a unit for good, after whatever is being done to it."""
        async with self.turn[unit.name]:
            await self.stop(unit)

    async def run(self) -> None:
        """Start every unit in order, serve until SIGTERM, then stop them all."""
        over = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, over.set)
        self.lab.socket.unlink(missing_ok=True)
        for unit in self.units.values():
            await self.start(unit)
        with short_address(self.lab.socket) as short:
            server = await asyncio.start_unix_server(self.serve, short, limit=LONGEST_LINE)
        self.lab.socket.chmod(0o600)
        await over.wait()
        server.close()
        self.over = True
        await asyncio.gather(*(self.end(unit) for unit in reversed(self.units.values())))
        self.lab.socket.unlink(missing_ok=True)


def main(home: str) -> int:
    """Detach and run the supervisor of a lab; 0 in the parent at once, and in the child at its end."""
    lab = Lab(Path(home))
    if not detach(lab.logs / "supervisor.out"):
        return 0
    lock = os.open(lab.home / "supervisor.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.stderr.write("another supervisor runs in this folder\n")
        return 1
    lab.claim("supervisor", os.getpid())
    if lab.settings().logfs == "tmpfs":
        try:
            logfs.mount(lab.mountpoint)
        except LabError as error:
            sys.stderr.write(f"{error}. The lab keeps a quota of its own instead.\n")
            instead = dataclasses.replace(lab.settings(), logfs="quota")
            write_whole(lab.settings_path, json.dumps(dataclasses.asdict(instead), indent=2) + "\n")
    try:
        asyncio.run(Supervisor(lab).run())
    finally:
        logfs.unmount(lab.mountpoint)
        lab.pid_path("supervisor").unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
