"""One policy engine, asked a thousand different questions about the same estate: CPU of a decision, load, memory. Run by `policy.py`."""

from __future__ import annotations

import gc
import importlib
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import child
import estate

Ask = Callable[[Any], Any]
MIB = 1 << 20


def memory() -> int:
    """Give the memory of this process in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def native(rules: str, data: Any) -> Ask:
    """Give this engine."""
    from flyball.rego import compile as compiled  # noqa: PLC0415 - each process loads the one engine that it measures

    policy = compiled({"rules.rego": rules}, entrypoints=[estate.ENTRYPOINT])
    return lambda given: policy.eval(estate.ENTRYPOINT, given, data)


def regopy(rules: str, data: Any) -> Ask:
    """Give rego-cpp, its bundle prepared; the input is handed over as its API wants it."""
    from regopy import Input, Interpreter  # noqa: PLC0415 - each process loads the one engine that it measures

    maker = Interpreter()
    maker.add_module("rules.rego", rules)
    maker.add_data_json(json.dumps(data))
    bundle = maker.build(None, [estate.ENTRYPOINT])
    engine = Interpreter()

    def ask(given: Any) -> Any:
        engine.set_input(Input(given))
        return engine.query_bundle_entrypoint(bundle, estate.ENTRYPOINT)

    return ask


def regorus(rules: str, data: Any) -> Ask:
    """Give regorus by way of the wheel opa-eval."""
    from opa_eval import OpaEval  # noqa: PLC0415 - each process loads the one engine that it measures

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "rules.rego")
        path.write_text(rules.replace("package bench\n", "package bench\n\nimport rego.v1\n"))
        engine = OpaEval(str(path), query="data.bench.decision", data_json=json.dumps(data))
    return lambda given: engine.evaluate(json.dumps(given))


def by_hand(_: str, data: Any) -> Ask:
    """Give about twenty of the thirty rules as a person would write them in Python: the floor."""
    import byhand  # noqa: PLC0415 - each process loads the one engine that it measures

    return lambda given: byhand.decide(given, data)


MODULES = {"native": ["flyball.rego"], "regopy": ["regopy"], "regorus": ["opa_eval"], "by-hand": ["byhand"]}
ENGINES = {"native": native, "regopy": regopy, "regorus": regorus, "by-hand": by_hand}


async def measure(_: Path, orders: child.Orders) -> child.Orders:
    """Load, then ask."""
    agents, grants = orders.get("agents", 1_000), orders.get("grants", 10_000)
    tables = estate.data(agents, grants)
    questions = estate.inputs(tables, orders["questions"])
    rules = estate.RULES
    if orders.get("flat"):
        tables, rules = estate.flat(tables), estate.SCAN
    text = json.dumps(tables)
    del tables
    for module in MODULES[orders["engine"]]:
        importlib.import_module(module)
    gc.collect()
    empty = memory()
    data = json.loads(text)
    began, at = time.process_time(), memory()
    ask = ENGINES[orders["engine"]](rules, data)
    loaded = time.process_time() - began
    took: list[float] = []
    for turn in range(orders["turns"] + 1):
        for given in questions:
            started = time.thread_time_ns()
            ask(given)
            if turn:  # the first turn warms up
                took.append((time.thread_time_ns() - started) / 1e9)
    found = child.spread(took) | {"load_ms": loaded * 1e3, "mb": (memory() - empty) / MIB, "engine_mb": (memory() - at) / MIB}
    found["raw_mb"] = (at - empty) / MIB
    return found


if __name__ == "__main__":
    child.run(measure)
