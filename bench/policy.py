"""`make bench-policy`: what a decision costs, against the other engines that Python can have, in the same run.

Thirty rules, a thousand agents, ten thousand grants, a thousand questions of 2.7 KiB (`estate.py`, `rules.rego`). Each engine is measured
in a process of its own (`engine.py`), in rounds: each round does all of them once. Figures are medians over the rounds, ratios are taken
within a round. Nothing is asserted: what misses its goal is printed as MISSED, and the exit status is 0.

Two rows are a real server that loads its policies again and again (`reload.py`).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import table
from machine import machine
from table import Figures, Goal

HERE = Path(__file__).resolve().parent
MARK = "RESULT "
LONGEST_S = 300.0
WHEELS = {"regopy": "regopy", "regorus": "opa_eval"}

ROUNDS = {
    "native": {"engine": "native", "questions": 1_000, "turns": 3},
    "by-hand": {"engine": "by-hand", "questions": 1_000, "turns": 3},
    "regorus": {"engine": "regorus", "questions": 300, "turns": 1},
    "regopy": {"engine": "regopy", "questions": 100, "turns": 1},
    "native-10": {"engine": "native", "agents": 1, "grants": 10, "questions": 1_000, "turns": 2},
    "native-100000": {"engine": "native", "agents": 10_000, "grants": 100_000, "questions": 1_000, "turns": 2},
    "native-flat": {"engine": "native", "flat": True, "questions": 50, "turns": 1},
    "regorus-flat": {"engine": "regorus", "flat": True, "questions": 20, "turns": 1},
    "reload": {"reloads": 8},
    "reload-large": {"reloads": 3, "grants": 20_000},
}
NAMES = {
    "native": "this engine",
    "by-hand": "about twenty of the rules, by hand in Python",
    "regorus": "regorus 0.2.8 (wheel opa-eval)",
    "regopy": "rego-cpp (wheel regopy), prepared bundle",
    "native-10": "this engine, 10 grants",
    "native-100000": "this engine, 100,000 grants",
    "native-flat": "this engine, 10,000 grants as one array",
    "regorus-flat": "regorus, 10,000 grants as one array",
}
RELOADS = {
    "reload": "a server with the shipped policies",
    "reload-large": "the same with a table of 20,000 grants more",
}
FIGURES = ("p50_ms", "p99_ms", "load_ms", "engine_mb", "raw_mb")
HEADS = ("CPU p50 ms", "CPU p99 ms", "load CPU ms", "engine MB", "data MB")
WAITED = (
    "cpu_longest_ms",
    "quiet_cpu_longest_ms",
    "wall_longest_ms",
    "quiet_wall_longest_ms",
    "wall_p99_ms",
    "quiet_wall_p99_ms",
    "reload_s",
)
WAITED_HEADS = (
    "longest wait, CPU ms",
    "without reload",
    "longest, time ms",
    "without reload",
    "p99, time ms",
    "without reload",
    "a reload s",
)


def _p50(one: Figures, other: Figures) -> float:
    return one["p50_ms"] / other["p50_ms"]


GOALS = (
    Goal(what="CPU of a decision, p50", rows=("native",), figure=lambda one: one["p50_ms"], most=0.15, unit=" ms"),
    Goal(what="CPU of a decision, p99", rows=("native",), figure=lambda one: one["p99_ms"], most=0.4, unit=" ms"),
    Goal(what="CPU of regopy's prepared bundle against it", rows=("regopy", "native"), figure=_p50, least=20),
    Goal(what="CPU of the best other wheel (opa-eval) against it", rows=("regorus", "native"), figure=_p50, least=5),
    Goal(what="load, CPU", rows=("native",), figure=lambda one: one["load_ms"], most=200, unit=" ms"),
    Goal(what="memory of data and engine against the data", rows=("native",), figure=lambda one: one["mb"] / one["raw_mb"], most=2),
    Goal(
        what="longest wait of a server's event loop while it reloads, CPU",
        rows=("reload",),
        figure=lambda one: one["cpu_longest_ms"],
        most=5,
        unit=" ms",
    ),
    Goal(
        what="the same with a table of 20,000 grants more",
        rows=("reload-large",),
        figure=lambda one: one["cpu_longest_ms"],
        most=5,
        unit=" ms",
    ),
    Goal(what="100,000 grants against 10, looked up by agent", rows=("native-100000", "native-10"), figure=_p50, most=2),
)
WITHOUT_GOAL = (
    Goal(what="CPU of a decision against the same by hand", rows=("native", "by-hand"), figure=_p50),
    Goal(what="grants as one array against looked up", rows=("native-flat", "native"), figure=_p50),
    Goal(what="CPU of regorus against it, grants as one array", rows=("regorus-flat", "native-flat"), figure=_p50),
)


def run(rounds: int, only: set[str]) -> tuple[dict[str, list[Figures]], dict[str, str]]:
    """Measure everything: what was found, and why what was not."""
    found: dict[str, list[Figures]] = {}
    faults: dict[str, str] = {}
    for number in range(rounds):
        for name, orders in ROUNDS.items():
            wheel = WHEELS.get(str(orders.get("engine")))
            if (only and name not in only) or name in faults:
                continue
            if wheel and not find_spec(wheel):
                faults[name] = f"{wheel} is not installed"
                continue
            print(f"\r\033[Kround {number + 1} of {rounds}: {name}", end="", file=sys.stderr, flush=True)
            env = os.environ | {"PYTHONPATH": str(HERE.parent / "src"), "PYTHONWARNINGS": "ignore"}
            argv = [sys.executable, str(HERE / ("engine.py" if "engine" in orders else "reload.py")), json.dumps(orders)]
            try:
                ran = subprocess.run(argv, capture_output=True, text=True, timeout=LONGEST_S, env=env, check=False)
            except subprocess.TimeoutExpired:
                faults[name] = f"no end within {LONGEST_S:g} s"
                continue
            last = [line for line in ran.stdout.splitlines() if line.startswith(MARK)]
            if last and not ran.returncode:
                found.setdefault(name, []).append(json.loads(last[-1].removeprefix(MARK)))
            else:
                faults[name] = (ran.stderr.strip().splitlines() or ["no word of why"])[-1][:200]
    return found, faults


def main() -> int:
    """Measure and print."""
    ask = argparse.ArgumentParser(prog="make bench-policy ARGS=...", description=(__doc__ or "").splitlines()[0])
    ask.add_argument("--rounds", type=int, default=3, help="rounds; figures are medians over them (default 3)")
    ask.add_argument("--only", type=lambda text: set(text.split(",")), default=set(), help="measure these rows only, comma-separated")
    ask.add_argument("--json", type=Path, help="write every figure of every round there, too")
    args = ask.parse_args()
    found, faults = run(args.rounds, args.only)
    print("\r\033[K", end="", file=sys.stderr, flush=True)
    told = machine(Path(tempfile.gettempdir()))
    parts = [
        table.against(found, (*GOALS, *WITHOUT_GOAL)),
        table.figures(found, NAMES, FIGURES, HEADS),
        table.figures(found, RELOADS, WAITED, WAITED_HEADS),
        *([f"Left out: {'; '.join(f'{name}: {why}' for name, why in faults.items())}."] if faults else []),
        (
            f"Medians of {args.rounds} interleaved rounds; ratios are taken within a round. CPU is that of the asking thread; of a wait, "
            "that of the whole server.\nIn time that passed, what other programs do counts too, with and without reloads."
        ),
        f"Machine: {told[0]}.\nVersions: {told[1]}.",
    ]
    print("\n\n".join(parts))
    if args.json:
        args.json.write_text(json.dumps({"machine": told, "found": found, "faults": faults}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
