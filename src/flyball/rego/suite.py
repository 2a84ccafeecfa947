"""Tests of policies: the rules named `test_*` of a set, each asked by itself. Called by `faces/cli/policy`.

A test passes where its rule is true, or anything but false and undefined. `todo_test_*` is skipped. What it prints is kept for who
reads of its failure. Input and data are set with `with`, as in OPA.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from time import thread_time
from typing import Any

from flyball.rego.builtin import World
from flyball.rego.error import Fault, Place
from flyball.rego.lint import name_of
from flyball.rego.policy import Policy
from flyball.rego.tree import Module
from flyball.rego.value import UNDEFINED

TEST, TODO = "test_", "todo_test_"


@dataclass(frozen=True, slots=True)
class Result:
    """How one test went. `why` is empty where it passed or was skipped; `took_s` is CPU time in seconds."""

    name: str
    place: Place
    passed: bool
    skipped: bool = False
    why: str = ""
    printed: tuple[str, ...] = ()
    took_s: float = 0.0


def tests_of(modules: Iterable[Module]) -> dict[str, Place]:
    """Every test by its entrypoint (`flyball_test/test_x`), with the place where it is first written; those to be skipped too."""
    found: dict[str, Place] = {}
    for module in modules:
        for rule in module.rules:
            if name_of(rule).startswith((TEST, TODO)):
                found.setdefault("/".join((*module.package, name_of(rule))), rule.place)
    return found


def run(policy: Policy, tests: Mapping[str, Place], data: Mapping[str, Any]) -> Iterator[Result]:
    """Asks every test of a set that was compiled with them as entrypoints."""
    for name, place in tests.items():
        if name.rpartition("/")[2].startswith(TODO):
            yield Result(name, place, passed=True, skipped=True)
            continue
        world, began, why = World(), thread_time(), ""
        try:
            found = policy.eval(name, UNDEFINED, data, world)
            if found is UNDEFINED or found is False:
                why = f"it is {'undefined' if found is UNDEFINED else 'false'}"
        except Fault as fault:
            at = f"{fault.place.file}:{fault.place.row}: " if fault.place.row else ""
            why = f"{at}{fault.code}: {fault.what}"
        yield Result(name, place, not why, why=why, printed=tuple(world.printed), took_s=thread_time() - began)
