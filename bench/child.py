"""What every measuring process does alike: read its orders, work in a folder that is gone afterwards, print one line of JSON."""

from __future__ import annotations

import asyncio
import json
import math
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

MARK = "RESULT "
Orders = dict[str, Any]


def run(measure: Callable[[Path, Orders], Awaitable[Orders]]) -> None:
    """Measure in a fresh folder and print what came of it."""
    orders: Orders = json.loads(sys.argv[1])
    folder = Path(tempfile.mkdtemp(prefix="flyball-bench-", dir=orders.get("dir") or None))
    try:
        found = asyncio.run(measure(folder, orders))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(MARK + json.dumps(found), flush=True)


def share(values: Sequence[float], part: float) -> float:
    """Give the value that `part` of the values do not exceed (nearest rank)."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(part * len(ranked)) - 1)]


def spread(took_s: Sequence[float]) -> Orders:
    """Give p50 and p99 in milliseconds."""
    return {"p50_ms": share(took_s, 0.5) * 1e3, "p99_ms": share(took_s, 0.99) * 1e3}
