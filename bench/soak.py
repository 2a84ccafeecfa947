"""`make soak ARGS="--hours 8"`: one state folder under load for hours, its server killed and started again, watched for drift.

A server process does governed actions without a pause and tells every few seconds what it has acknowledged and what it holds. Each
spell ends with SIGKILL or, every other time, in order; the next server opens the same folder, which verifies the whole log, and counts
what is there. At the end the first full spell stands beside the last one. Nothing is asserted; what is lost or has grown is printed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).resolve().parent
SAMPLE_S = 5.0
Sample = dict[str, Any]

HEADS = ("spell", "minute", "actions/s", "p50 ms", "p99 ms", "CPU ms", "RSS MB", "threads", "files", "entries", "database MB", "WAL MB")


def parse() -> argparse.Namespace:
    """Read what was asked for."""
    ask = argparse.ArgumentParser(prog="make soak ARGS=...", description=(__doc__ or "").splitlines()[0])
    ask.add_argument("--hours", type=float, default=0.0)
    ask.add_argument("--minutes", type=float, default=0.0, help="both together; 10 minutes where neither is said")
    ask.add_argument("--spell", type=float, default=120.0, help="seconds that one server lives (default 120)")
    ask.add_argument("--sessions", type=int, default=16)
    ask.add_argument("--instant", action="store_true", help="without policy cost: more actions in the same time")
    ask.add_argument("--dir", default="", help="folder on the disk to load; default the usual one for temporary files")
    return ask.parse_args()


def main() -> int:
    """Let spell follow spell until the time is over."""
    args = parse()
    ends = time.monotonic() + ((args.hours * 3600 + args.minutes * 60) or 600.0)
    folder = Path(tempfile.mkdtemp(prefix="flyball-soak-", dir=args.dir or None))
    spells: list[list[Sample]] = []
    began, acked, lost, open_s = time.monotonic(), 0, 0, 0.0
    print("  ".join(f"{head:>9}" for head in HEADS), flush=True)
    try:
        while time.monotonic() < ends:
            spell = min(args.spell, max(SAMPLE_S * 2, ends - time.monotonic()))
            samples = _spell(folder, args, spell, kill=len(spells) % 2 == 0)
            missing = max(0, acked - samples[0]["found"])
            lost, open_s = lost + missing, samples[0]["open_s"]
            acked = samples[0]["found"] + samples[-1]["acked"]
            spells.append(samples[1:] or samples)
            _tell(len(spells), (time.monotonic() - began) / 60, spells[-1])
    except KeyboardInterrupt:
        print("stopped")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    _drift(spells, lost, acked, open_s)
    return 0


def _spell(folder: Path, args: argparse.Namespace, seconds: float, *, kill: bool) -> list[Sample]:
    """Run one server for a while. The first sample is what it found; raises RuntimeError where it does not come up."""
    orders = {"folder": str(folder), "sessions": args.sessions, "instant": args.instant, "every_s": SAMPLE_S}
    env = os.environ | {"PYTHONPATH": str(HERE.parent / "src")}
    argv = [sys.executable, str(HERE / "laden.py"), json.dumps(orders)]
    server = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)
    samples: list[Sample] = []
    ends = time.monotonic() + seconds
    try:
        for line in server.stdout or ():
            samples.append(json.loads(line))
            if time.monotonic() >= ends:
                break
    finally:
        if kill:
            server.send_signal(signal.SIGKILL)
        server.communicate()
    if not samples:
        raise RuntimeError(f"the server did not come up: exit status {server.returncode}")
    return samples


def _tell(number: int, minute: float, samples: list[Sample]) -> None:
    last = samples[-1]
    figures = (
        median(one["per_s"] for one in samples),
        median(one["p50_ms"] for one in samples),
        max(one["p99_ms"] for one in samples),
        median(one["cpu_ms"] for one in samples),
        last["rss_mb"],
    )
    counts = (last["threads"], last["files"], last["entries"])
    cells = (number, f"{minute:.1f}", *(f"{one:,.2f}" for one in figures), *counts, *(f"{last[name]:,.1f}" for name in ("db_mb", "wal_mb")))
    print("  ".join(f"{cell:>9}" for cell in cells), flush=True)


def _drift(spells: list[list[Sample]], lost: int, acked: int, open_s: float) -> None:
    """Compare the last spell with the first, and say what was lost."""
    print(f"\nacknowledged and not found again after a kill: {lost} of {acked}; the last start verified the log in {open_s:.1f} s")
    if len(spells) < 2:
        return
    for name, what in (("cpu_ms", "CPU of an action"), ("rss_mb", "memory"), ("p50_ms", "p50"), ("files", "open files")):
        first, last = (median(one[name] for one in spell) for spell in (spells[0], spells[-1]))
        print(f"{what}: {first:.2f} in the first spell, {last:.2f} in the last, {last / first:.2f}x")


if __name__ == "__main__":
    sys.exit(main())
