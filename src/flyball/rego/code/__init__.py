"""Turns a program of the plan into Python functions, made as syntax trees and compiled once. Called by `policy`."""

import ast
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flyball.rego import ir, run, value
from flyball.rego.code import node
from flyball.rego.code.call import Caller, Target
from flyball.rego.code.emit import Emitter
from flyball.rego.code.pool import Names, Pool
from flyball.rego.code.quick import NAMES
from flyball.rego.code.stmt import Maker
from flyball.rego.error import BuiltinFault

CALLED = (
    "NEVER dot base_dot values pairs ordered_values ordered_pairs snapshot length conflict insert insert_once merge overlay fork dispatch "
    "made append_mine add_mine insert_mine insert_once_mine"
)
RUNTIME = {
    **{name: getattr(run, name) for name in CALLED.split()},
    **{kind.__name__: kind for kind in (type, dict, list, bool, str, int, float, value.Set, value.Key, BuiltinFault)},
    **NAMES,
    "U": value.UNDEFINED,
    "equal": value.equal,
    "__builtins__": {},
}


@dataclass(frozen=True, slots=True)
class Compiled:
    """A program as Python: its entrypoints by name, each `(memory) -> results`, and the places that a memory has for rules."""

    plans: dict[str, Callable[[run.Memory], list[Any]]]
    blank: run.Memory


def generate(program: ir.Program, *, strict: bool = False) -> Compiled:
    """Compiles a program. A builtin's error ends the evaluation where `strict`; else its call is undefined."""
    rules = [func.name for func in program.funcs if len(func.params) == len(ir.DOCUMENTS)]
    places = {name: run.FIRST + index for index, name in enumerate(rules)}
    targets = {func.name: Target(f"f{index}", places.get(func.name, 0)) for index, func in enumerate(program.funcs)}
    blank: run.Memory = [run.NEVER] * len(rules)
    names: dict[str, Any] = {**RUNTIME, "BLANK": blank}
    pool, caller = Pool(names), Caller(targets, strict)
    made = [_func(func, targets[func.name], pool, caller) for func in program.funcs]
    made += [_plan(plan, f"p{index}", pool, caller) for index, plan in enumerate(program.plans)]
    exec(compile(ast.Module(made, []), "<policy>", "exec"), names)  # noqa: S102 - made of nodes, never of text
    names["TABLE"] = {
        func.path: (names[targets[func.name].name], targets[func.name].place, len(func.params) - len(ir.DOCUMENTS))
        for func in program.funcs
        if func.path
    }
    return Compiled({plan.name: names[f"p{index}"] for index, plan in enumerate(program.plans)}, blank)


def _func(func: ir.Func, target: Target, pool: Pool, caller: Caller) -> ast.stmt:
    what = (
        "complete rules must not produce multiple outputs"
        if target.place
        else "functions must not produce multiple outputs for same inputs"
    )
    place = node.const(target.place)

    def finish(found: ast.expr) -> node.Code:
        if not target.place:
            return [node.give(found)]
        return [node.let("y", found), node.put(node.name("m"), place, node.name("y")), node.give(node.name("y"))]

    make = Maker(pool, Names(), what)
    code = Emitter(make, caller, finish).body(func.blocks, func.params, [] if target.place else make.charge(1))
    return node.define(target.name, ["m", *(f"l{local}" for local in func.params[len(ir.DOCUMENTS) :])], [*code, *finish(node.name("U"))])


def _plan(plan: ir.Plan, name: str, pool: Pool, caller: Caller) -> ast.stmt:
    make = Maker(pool, Names(), "complete rules must not produce multiple outputs")
    results = node.let("r", ast.List([], node.LOAD, **node.AT))
    code = Emitter(make, caller, lambda _: [node.give(node.name("r"))]).body(plan.blocks, ir.DOCUMENTS, [results])
    return node.define(name, ["m"], [*code, node.give(node.name("r"))])
