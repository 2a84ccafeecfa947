"""Turns a program of the plan into Python functions, made as syntax trees and compiled once. Called by `policy`."""

import ast
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from flyball.rego import ir, limit, run, value
from flyball.rego.code import node
from flyball.rego.code.call import Caller, Target
from flyball.rego.code.emit import Emitter
from flyball.rego.code.pool import Names, Pool
from flyball.rego.code.quick import NAMES
from flyball.rego.code.stmt import Maker
from flyball.rego.error import BuiltinFault
from flyball.rego.trace import Chart, chart
from flyball.rego.work import FUNC, at, spend

CALLED = (
    "NEVER dot base_dot values pairs ordered_values ordered_pairs snapshot length conflict insert insert_once merge overlay fork dispatch "
    "paid view made append_mine add_mine insert_mine insert_once_mine"
)
RUNTIME = {
    **{name: getattr(run, name) for name in CALLED.split()},
    **{kind.__name__: kind for kind in (type, dict, list, bool, str, int, float, value.Set, value.Key, BuiltinFault)},
    **NAMES,
    "U": value.UNDEFINED,
    "clock": limit.CLOCK,
    "equal": value.equal,
    "__builtins__": {},
}


COMPLETE: Final = "complete rules must not produce multiple outputs"
FUNCTION: Final = "functions must not produce multiple outputs for same inputs"


@dataclass(frozen=True, slots=True)
class Compiled:
    """A program as Python.

    Attributes:
        plans: its entrypoints by name, each `(memory) -> results`.
        blank: the places that a memory has for rules.
        charts: what a trace needs to know of its functions; empty where it is not traced.
    """

    plans: dict[str, Callable[[run.Memory], list[Any]]]
    blank: run.Memory
    charts: list[Chart]


def generate(program: ir.Program, *, strict: bool = False, traced: bool = False) -> Compiled:
    """Compiles a program. A builtin's error ends the evaluation where `strict`, else its call is undefined; `traced` adds the hooks."""
    return _Module(program, strict=strict, traced=traced).compiled()


class _Module:
    """One program being made."""

    def __init__(self, program: ir.Program, *, strict: bool, traced: bool) -> None:
        rules = [func.name for func in program.funcs if len(func.params) == len(ir.DOCUMENTS)]
        places = {name: run.FIRST + index for index, name in enumerate(rules)}
        self.program = program
        self.traced = traced
        self.targets = {func.name: Target(f"f{index}", places.get(func.name, 0)) for index, func in enumerate(program.funcs)}
        self.blank: run.Memory = [run.NEVER] * len(rules)
        self.names: dict[str, Any] = {**RUNTIME, "BLANK": self.blank}
        self.pool = Pool(self.names)
        self.caller = Caller(self.targets, strict)
        self.charts: list[Chart] = []

    def compiled(self) -> Compiled:
        """Makes all functions and compiles them."""
        for func in self.program.funcs:
            at(func.place)
            spend(FUNC)
            self.define(self.func(func))
        for index, plan in enumerate(self.program.plans):
            self.define(self.plan(plan, f"p{index}"))
        self.names["TABLE"] = {func.path: self.dispatched(func) for func in self.program.funcs if func.path}
        return Compiled({plan.name: self.names[f"p{index}"] for index, plan in enumerate(self.program.plans)}, self.blank, self.charts)

    def define(self, made: ast.stmt) -> None:
        """Compiles one function. One by one, because Python lets no other thread run while it compiles."""
        exec(compile(ast.Module([made], []), "<policy>", "exec"), self.names)  # noqa: S102 - made of nodes, never of text

    def dispatched(self, func: ir.Func) -> tuple[Callable[..., Any], int, int]:
        """What a call by path needs to know of a function."""
        target = self.targets[func.name]
        return self.names[target.name], target.place, len(func.params) - len(ir.DOCUMENTS)

    def func(self, func: ir.Func) -> ast.stmt:
        """A rule keeps its value in the memory; a function with operands counts a step, because it may be called any number of times."""
        target = self.targets[func.name]

        def finish(found: ast.expr) -> node.Code:
            kept = [node.put(node.name("m"), node.const(target.place), node.name("y"))] if target.place else []
            told = [node.do(node.method(node.name("e"), "leave", node.name("y")))] if self.traced else []
            return [node.let("y", found), *kept, *told, node.give(node.name("y"))] if kept or told else [node.give(found)]

        make = Maker(self.pool, Names(), COMPLETE if target.place else FUNCTION)
        emitter = Emitter(make, self.caller, finish)
        params = [f"l{local}" for local in func.params[len(ir.DOCUMENTS) :]]
        first = [] if target.place else make.charge(1)
        if self.traced:
            emitter.chart = chart(".".join(("data", *func.path[1:])) if func.path else func.name, func.place, func.blocks)
            first += self.entered(emitter.chart, params)
        code = emitter.body(func.blocks, func.params, first)
        return node.define(target.name, ["m", *params], [*code, *finish(node.name("U"))])

    def plan(self, plan: ir.Plan, name: str) -> ast.stmt:
        """A plan gives the list of its results."""
        emitter = Emitter(Maker(self.pool, Names(), COMPLETE), self.caller, lambda _: [node.give(node.name("r"))])
        code = emitter.body(plan.blocks, ir.DOCUMENTS, [node.let("r", ast.List([], node.LOAD, **node.AT))])
        return node.define(name, ["m"], [*code, node.give(node.name("r"))])

    def entered(self, on: Chart, params: list[str]) -> node.Code:
        """Tells the trace that a function is asked."""
        self.charts.append(on)
        trace = node.item(node.name("m"), node.const(run.TRACE))
        return [node.let("e", node.method(trace, "enter", node.const(len(self.charts) - 1), *map(node.name, params)))]
