"""The planner: a set of policies as a program. Called by `policy`."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from flyball.rego import gate
from flyball.rego.error import NOWHERE, Mistake, Refused
from flyball.rego.gate.note import COMPILE
from flyball.rego.gate.query import checked
from flyball.rego.ir import Program
from flyball.rego.planner.rule import Functions, entry
from flyball.rego.tree import Body, Module

QUERY = "eval"


def build(
    modules: Sequence[Module], entrypoints: Iterable[str] = (), *, schema: Mapping[str, Any] | None = None, query: Body | None = None
) -> Program:
    """The program for a set of modules.

    Args:
        modules: what the parser gave.
        entrypoints: paths such as `pkg/rule`; the plan of each gives one result, `{"result": value}`, or none.
        schema: a JSON Schema of the input, to refuse fields that it does not have.
        query: what the plan `eval` asks: each result holds the variables of the query by name.

    Raises:
        Refused: the set has mistakes.
    """
    return plan(gate.check(modules, schema), entrypoints, query)


def plan(checked_set: gate.Checked, entrypoints: Iterable[str] = (), query: Body | None = None) -> Program:
    """The program for a set that the gate has let through."""
    functions = Functions(gate.plant(checked_set.rules, checked_set.packages))
    plans = []
    for entrypoint in entrypoints:
        path = [part for part in entrypoint.split("/") if part]
        _must_be(path, functions.root)
        plans.append(functions.plan(entrypoint, (), [("result", entry(path, NOWHERE))]))
    if query is not None:
        body, names = checked(query, functions.root)
        plans.append(functions.plan(QUERY, body, names))
    funcs = functions.finish()
    return Program(tuple(plans), funcs, frozenset(functions.builtins))


def _must_be(path: Sequence[str], root: gate.Node) -> None:
    """An entrypoint that is no rule and no package would be undefined forever.

    Raises:
        Refused: it is none.
    """
    node, names = root, list(path)
    while names and not (node.rules and node.open):
        found = node.find(names[:1])
        if found is None or found.arity is not None:
            what = f"entrypoint {'/'.join(path)} is no rule and no package"
            known = ", ".join(sorted(str(name) for name in node.children)[:12])
            raise Refused([Mistake(NOWHERE, COMPILE, what, f"below {'/'.join(map(str, node.path)) or 'data'} there is: {known}")])
        node, names = found, names[1:]
