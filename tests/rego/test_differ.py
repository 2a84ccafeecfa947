"""Policies and inputs made by hypothesis: this engine against regopy's own virtual machine. `--rego-differ N` asks for N examples."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import isclose
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings

from flyball.rego import Fault, Refused, compile  # noqa: A004 - it is what people call
from flyball.rego.value import Set, plain, unkey
from rego.maker import OBJECTS, Policy, policies
from rego.rival import Rival

EXAMPLES = 400  # of every day, the same ones; more and other ones by --rego-differ
COMPARED = 0.95  # of the policies, at least, have a value or a fault on both sides


@pytest.fixture(scope="module")
def rival() -> Iterator[Rival]:
    pytest.importorskip("regopy")
    found = Rival()
    yield found
    found.close()


def same(ours: Any, theirs: Any) -> bool:
    """Whether a value is the one that JSON shows: sets are arrays in any order, keys are text."""
    kind = type(ours)
    if kind is Set:
        return type(theirs) is list and len(theirs) == len(ours) and all(any(same(one, other) for other in theirs) for one in ours)
    if kind is list:
        return type(theirs) is list and len(theirs) == len(ours) and all(map(same, ours, theirs))
    if kind is dict:
        return type(theirs) is dict and same_object(ours, theirs)
    if kind is float and type(theirs) is float:
        return isclose(ours, theirs, rel_tol=1e-12)  # regopy divides less exactly
    return bool(ours is theirs if kind is bool or type(theirs) is bool else ours == theirs)


def same_object(ours: dict[Any, Any], theirs: dict[str, Any]) -> bool:
    """Of several keys that are the same text in JSON only one is told, any one."""
    found = all(any(is_key(one, name) and same(held, shown) for one, held in ours.items()) for name, shown in theirs.items())
    return found and all(any(is_key(one, name) for name in theirs) for one in ours)


def is_key(ours: Any, name: str) -> bool:
    if type(ours) is str:
        return ours == name
    try:
        return same(unkey(ours), json.loads(name))
    except ValueError:
        return False


@dataclass
class Asked:
    """What came of a number of policies: both gave a value, both a fault, one of them nothing that could be compared."""

    rival: Rival
    outcomes: Counter[str] = field(default_factory=Counter)

    def difference(self, texts: tuple[str, str], given_: Any, base: Any) -> str:
        """How the answers differ; empty where they do not, or where regopy or the type checker gives up."""
        ours, theirs = ask_ours(texts[0], given_, base), self.rival.ask({"made.rego": texts[1]}, "data.test", given_, {"base": base})
        fault = theirs.get("fault")
        if isinstance(ours, Refused):
            wrong = [one for one in ours.mistakes if one.code != "rego_type_error"]  # regopy has no types
            return self.told("refused by the type checker", f"refused: {wrong}" if wrong else "")
        if isinstance(ours, Fault):
            return self.told("two faults", "" if fault else f"{ours.code}, where regopy says {theirs}")
        if fault is not None:
            return self.told(f"regopy: {fault[:40]}", "")
        found = theirs["found"]
        return self.told("two values", "" if len(found) == 1 and same(ours, found[0]) else f"{plain(ours)}, where regopy says {found}")

    def told(self, outcome: str, difference: str) -> str:
        self.outcomes[outcome] += 1
        return difference

    def smaller(self, made: Policy, given_: Any, base: Any) -> str:
        """The policy of a difference without the rules that it does not need."""
        for rule in reversed(made.rules[:]):
            place = made.rules.index(rule)
            del made.rules[place]
            if not self.difference((made.text(), made.rival()), given_, base):
                made.rules.insert(place, rule)
        return made.text()

    @property
    def share(self) -> float:
        return (self.outcomes["two values"] + self.outcomes["two faults"]) / self.outcomes.total()


def ask_ours(text: str, given_: Any, base: Any) -> Any:
    try:
        return compile({"made.rego": text}, entrypoints=["test"]).eval("test", given_, {"base": base})
    except (Fault, Refused) as ended:
        return ended


def test_the_answers_are_those_of_regopy(rival: Rival, pytestconfig: pytest.Config) -> None:
    count = pytestconfig.getoption("--rego-differ", EXAMPLES)  # without tests/conftest.py there is no option
    asked, seen = Asked(rival), set()

    @settings(
        max_examples=count,
        derandomize=count == EXAMPLES,
        deadline=None,
        phases=(Phase.explicit, Phase.generate),
        print_blob=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(policies(), OBJECTS, OBJECTS)
    def ask(made: Policy, given_: Any, base: Any) -> None:
        text = made.text()
        assume(text not in seen)
        seen.add(text)
        difference = asked.difference((text, made.rival()), given_, base)
        assert not difference, f"{difference}\n{asked.smaller(made, given_, base)}"

    ask()
    print(f"{asked.share:.1%} compared:", dict(asked.outcomes))
    assert asked.outcomes.total() == count
    assert asked.share >= COMPARED, asked.outcomes
