"""The work of compiling: twice the text is about twice the work, and a text that asks for more is refused in words."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from flyball import rego
from flyball.rego import Mistake, Refused, work
from flyball.rego.folder import read_folder

SHIPPED = Path(rego.__file__).parent.parent / "defaults" / "policies"
MORE = 2.6  # for twice the text: a little above twice, for what is found by halving and for copies of what is known
ALLOWED = "compiling takes more than the {} units of work that a text of this length may take"
FIX = "split long bodies and nested closures, replace functions and rules by `with` in fewer ways, and put what is data into data"


def body(lines: int, line: str, more: str = "") -> str:
    return "p if {\n" + "\n".join(line.replace("#", str(at)) for at in range(lines)) + "\n}" + more


GROWING: dict[str, Callable[[int], str]] = {
    "some": lambda n: body(n, "some x# in input"),
    "some and a condition": lambda n: body(n // 2, "some x# in input; x#.a == #"),
    "assignments": lambda n: body(n // 2, "x# := input.a#; x# > 1"),
    "calls": lambda n: body(n, 'startswith(input.a#, "a")'),
    "every": lambda n: body(n, "every x in input.a# { x > 1 }"),
    "references": lambda n: body(n, "data.t.q[x#]", '\nq contains "a"'),
    "comprehensions": lambda n: body(n // 2, "x# := {y | some y in input}; count(x#) > 1"),
    "an array": lambda n: "p := [" + ", ".join(f"input.a{i}" for i in range(n)) + "]",
    "an array that is taken apart": lambda n: (
        f"p if [{', '.join(f'x{i}' for i in range(n))}] = [{', '.join(f'input.a{i}' for i in range(n))}]"
    ),
    "a reference": lambda n: "p := input" + "".join(f"[x{i}]" for i in range(n // 2)),
    "rules": lambda n: "\n".join(f"r{i} if r{i + 1}" for i in range(n)) + f"\nr{n} := 1\np if r0",
    "clauses": lambda n: "\n".join(f"p := {i} if input.a == {i}" for i in range(n)),
    "types": lambda n: "p := {" + ", ".join(f"{{`a{i}`: {i}}}" for i in range(n)) + "}",
    "a nest of comprehensions": lambda n: "p := " + "".join(f"[x{i} | some x{i} in " for i in range(n // 10)) + "input" + "]" * (n // 10),
}


def cost(text: str | Mapping[str, str], entrypoints: tuple[str, ...] = ("t/p",), schema: Any = None) -> int:
    """The units that compiling takes."""
    modules = {"a.rego": f"package t\n{text}\n"} if isinstance(text, str) else text
    with work.counted(sum(map(len, modules.values()))):
        rego.compile(modules, entrypoints=entrypoints, schema=schema)
        return work.spent()


@pytest.mark.parametrize("name", GROWING)
def test_twice_the_text_is_about_twice_the_work(name: str) -> None:
    make = GROWING[name]
    assert cost(make(400)) <= MORE * cost(make(200))


def test_the_same_text_always_costs_the_same() -> None:
    text = GROWING["some and a condition"](100)
    assert len({cost(text) for _ in range(3)}) == 1


def test_the_shipped_set_takes_a_small_part_of_what_it_may() -> None:
    modules = read_folder(SHIPPED).modules
    assert 5 * cost(modules, ("flyball/answer",)) < work.allowed(sum(map(len, modules.values())))


def test_a_set_of_three_thousand_rules_may_be_compiled() -> None:
    modules = {f"{number}.rego": text for number, text in enumerate(large(3_000))}
    assert 2 * cost(modules, ("t/deny",)) < work.allowed(sum(map(len, modules.values())))


def large(rules: int) -> list[str]:
    """Rules as people write them, in files of a hundred."""
    rule = """
deny contains $"{{input.call.name}} is not for {number}" if {{
\tinput.call.kind == "kind{number}"
\tsome grant in data.grants[input.agent.id]
\tgrant.until < input.now
\tnot allowed_{number}
}}

allowed_{number} if {{ input.target.zone in {{"a", "b"}}; startswith(input.call.name, "x{number}") }}
"""
    return ["package t\n" + "".join(rule.format(number=at) for at in range(first, first + 50)) for first in range(0, rules // 2, 50)]


def worlds(rules: int) -> str:
    """Each rule asks for the next one in two worlds."""
    asked = "\n".join(f"z{i} := 1\nr{i} := [r{i + 1}, x] if {{ x := r{i + 1} with data.t.z{i} as 2 }}" for i in range(rules))
    return f"{asked}\nr{rules} := [{', '.join(f'z{i}' for i in range(rules))}]\np := r0"


def refused(compile_: Callable[[], object]) -> Mistake:
    with pytest.raises(Refused) as caught:
        compile_()
    (mistake,) = caught.value.mistakes
    return mistake


def test_a_text_that_asks_for_more_is_refused_in_words() -> None:
    assert cost(worlds(4)) < work.LEAST
    text = f"package t\n{worlds(20)}\n"
    mistake = refused(lambda: rego.compile({"a.rego": text}, entrypoints=["t/p"]))
    assert (mistake.code, mistake.what) == ("rego_compile_error", ALLOWED.format(work.allowed(len(text))))
    assert mistake.fix == FIX
    assert mistake.place.file == "a.rego"


def test_a_query_that_asks_for_more_is_refused() -> None:
    modules = {"a.rego": f"package t\n{worlds(20)}\n"}
    assert refused(lambda: rego.compile_query(modules, "data.t.p")).what.startswith("compiling takes more")


def test_a_plan_that_asks_for_more_is_refused() -> None:
    stmts = [{"type": "MakeArrayStmt", "stmt": {"target": 2}}] * 400_000
    plan = {"plans": {"plans": [{"name": "p", "blocks": [{"stmts": stmts}]}]}}
    assert refused(lambda: rego.compile_plan(plan)).what == ALLOWED.format(work.MOST)


def test_what_many_files_hold_is_counted_together() -> None:
    comment = "# " + "x" * 1_000_000
    files = {f"{number}.rego": f"package t\n{comment}\n" for number in range(5)}
    assert refused(lambda: rego.compile(files)).what == ALLOWED.format(work.MOST)


def test_nothing_is_counted_outside_of_a_compilation() -> None:
    with pytest.raises(Refused):
        rego.compile({"a.rego": f"package t\n{worlds(20)}\n"})
    work.spend(work.MOST + 1)
    assert work.spent() == 0
    assert rego.compile({"a.rego": "package t\np := 1\n"}).eval("t/p") == 1
