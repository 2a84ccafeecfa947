"""Makes policies, inputs and data that are valid and safe by construction. Drawn from hypothesis, so that what it makes can be shrunk.

Names are never used twice in a policy; a rule asks only what was written before it, so that nothing is recursive.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

SCALARS = ["null", "true", "false", "0", "1", "2", "3", "1.5", '""', '"a"', '"b"', '"c"', '"1"']
KEYS = ["a", "b", "c"]
LEAVES = st.sampled_from([None, True, False, 0, 1, 2, 3, 1.5, "", "a", "b", "c", "1"])
DOCUMENTS = st.recursive(
    LEAVES, lambda one: st.lists(one, max_size=3) | st.dictionaries(st.sampled_from(KEYS), one, max_size=3), max_leaves=8
)
OBJECTS = st.fixed_dictionaries({}, optional=dict.fromkeys(KEYS, DOCUMENTS)) | st.fixed_dictionaries({"a": DOCUMENTS, "b": DOCUMENTS})
UNARY = [
    "count",
    "sum",
    "max",
    "min",
    "sort",
    "is_number",
    "is_string",
    "type_name",
    "abs",
    "to_number",
    "upper",
    "object.keys",
    "is_set",
    "floor",
]
BINARY = [
    *("startswith", "contains", "split", "array.concat", "object.remove", "concat", "union_", "object.union", "intersection_"),
    *("minus_", "bits.and", "trim", "indexof", "plus_", "times_"),
]
SIGNS = {"union_": "|", "intersection_": "&", "minus_": "-", "plus_": "+", "times_": "*"}


@dataclass
class Policy:
    """What has been written so far, and what may be asked of it."""

    draw: Callable[[Any], Any]
    rules: list[str] = field(default_factory=list)
    known: dict[str, str] = field(default_factory=dict)  # name -> value, set, object or the number of operands
    names: int = 0

    def pick(self, *choices: Any) -> Any:
        return self.draw(st.sampled_from(choices))

    def fresh(self, start: str) -> str:
        self.names += 1
        return f"{start}{self.names}"

    # terms

    def term(self, scope: list[str], depth: int) -> str:
        if depth <= 0:
            return self.leaf(scope)
        make = self.pick(
            self.leaf, self.reference, self.reference, self.array, self.set, self.object, self.comprehension, self.call, self.test
        )
        return make(scope) if make == self.leaf else make(scope, depth - 1)

    def loose(self, scope: list[str], depth: int) -> str:
        """A term whose type the type checker does not know: what it would refuse is left to the evaluation."""
        term = self.term(scope, depth)
        return term if term.startswith(("input", "data.base")) else f"any({term})"

    def leaf(self, scope: list[str]) -> str:
        kind = self.pick("scalar", "variable", "variable", "input", "data", "rule")
        if kind == "variable" and scope:
            return self.pick(*scope)
        if kind == "input":
            return self.pick("input", "input.a", "input.b", "input.c", "input.a.a", "input.b[0]")
        if kind == "data":
            return self.pick("data.base", "data.base.a", "data.base.b", "data.base.b[1]")
        values = [name for name, kind in self.known.items() if not kind.isdigit()]
        if kind == "rule" and values:
            return self.pick("", "data.test.") + self.pick(*values)
        return self.pick(*SCALARS)

    def reference(self, scope: list[str], depth: int) -> str:
        head = self.pick("input", "input.a", "data.base", *(name for name, kind in self.known.items() if kind in {"set", "object"}))
        return head + "".join(f"[{self.term(scope, depth - 1)}]" for _ in range(self.pick(1, 1, 2)))

    def array(self, scope: list[str], depth: int) -> str:
        return f"[{', '.join(self.term(scope, depth) for _ in range(self.pick(1, 0, 2, 3)))}]"

    def set(self, scope: list[str], depth: int) -> str:
        return "{" + ", ".join(self.term(scope, depth) for _ in range(self.pick(1, 2, 3))) + "}"

    def object(self, scope: list[str], depth: int) -> str:
        keys = self.draw(st.lists(st.sampled_from(['"a"', '"b"', '"c"', *scope]), unique=True, max_size=2))
        return "{" + ", ".join(f"{key}: {self.term(scope, depth)}" for key in keys) + "}"

    def comprehension(self, scope: list[str], depth: int) -> str:
        lines, inner = self.body(scope, depth)
        kind = self.pick("array", "set", "object")
        head = self.term(inner, 0) if kind != "object" else f"{self.term(inner, 0)}: {self.term(inner, 0)}"
        left, right = "[]" if kind == "array" else "{}"
        return f"{left}{head} | {'; '.join(lines)}{right}"

    def call(self, scope: list[str], depth: int) -> str:
        functions = [name for name, kind in self.known.items() if kind.isdigit()]
        if functions and self.pick(True, False):
            name = self.pick(*functions)
            return f"{name}({', '.join(self.term(scope, depth) for _ in range(int(self.known[name])))})"
        if self.pick(True, False):
            return f"{self.pick(*UNARY)}({self.loose(scope, depth)})"
        name, left, right = self.pick(*BINARY), self.loose(scope, depth), self.loose(scope, depth)
        return f"(({left}) {SIGNS[name]} ({right}))" if name in SIGNS else f"{name}({left}, {right})"

    def test(self, scope: list[str], depth: int) -> str:
        """A comparison; one of order only between numbers (known difference `order of types`)."""
        left, right, sign = self.loose(scope, depth), self.loose(scope, depth), self.pick("==", "!=", "<", "<=", ">", ">=", "in")
        return f"((count({left})) {sign} (count({right})))" if sign[0] in "<>" else f"(({left}) {sign} ({right}))"

    # bodies

    def body(self, scope: list[str], depth: int) -> tuple[list[str], list[str]]:
        """Lines, and the variables that may be used after them."""
        lines: list[str] = []
        inner = list(scope)
        for _ in range(self.pick(1, 2, 2, 3)):
            make = self.pick(
                self.assign, self.each, self.each, self.holds, self.holds, self.absent, self.every, self.match, self.look, self.changed
            )
            line, names = make(inner, depth)
            lines.append(line)
            inner += names
        return lines, inner

    def assign(self, scope: list[str], depth: int) -> tuple[str, list[str]]:
        name = self.fresh("v")
        return f"{name} := {self.term(scope, depth)}; [{name}]", [name]

    def each(self, scope: list[str], depth: int) -> tuple[str, list[str]]:
        name, over = self.fresh("v"), self.loose(scope, depth)
        if self.pick(True, False):
            return f"some {name} in {over}; [{name}]", [name]
        key = self.fresh("k")
        return f"some {key}, {name} in {over}; [{key}, {name}]", [key, name]

    def holds(self, scope: list[str], depth: int) -> tuple[str, list[str]]:
        return self.pick(self.test, self.test, self.term)(scope, depth), []

    def absent(self, scope: list[str], depth: int) -> tuple[str, list[str]]:
        """Nothing that OPA computes before a negated line (known difference `negated operands`)."""
        plain = self.pick("input.a", "input.b.a", "data.base.a", *(name for name, kind in self.known.items() if kind == "value"))
        return f"not {self.pick(plain, f'{self.pick(*SCALARS, *scope)} == {self.pick(*scope)}' if scope else plain)}", []

    def every(self, scope: list[str], depth: int) -> tuple[str, list[str]]:
        """Goes through what can be gone through (known difference `every over a scalar`)."""
        names, over = [self.fresh("e") for _ in range(self.pick(1, 2))], self.pick(self.array, self.set, self.comprehension)(scope, depth)
        lines, _ = self.body([*scope, *names], depth - 2)
        return f"every {', '.join(names)} in {over} {{ [{', '.join(names)}]; {'; '.join(lines)} }}", []

    def match(self, scope: list[str], depth: int) -> tuple[str, list[str]]:
        names = [self.fresh("m"), self.fresh("m")]
        first, second = names
        form = self.pick(
            f"[{first}, {second}]", f'{{"a": {first}, "b": {second}}}', f'[{first}, {{"a": {second}}}]', f"[{first}, [{second}, {first}]]"
        )
        return f"some {first}, {second}; {form} = {self.loose(scope, depth)}; [{first}, {second}]", names

    def look(self, scope: list[str], depth: int) -> tuple[str, list[str]]:
        names = [self.fresh("i") for _ in range(self.pick(1, 2))]
        path = "".join(f"[{name}]" for name in names)
        head = self.pick(
            "input", "input.a", "data.base", "data.base.b", *(name for name, kind in self.known.items() if kind in {"set", "object"})
        )
        value = self.fresh("v")
        return f"some {', '.join(names)}; {value} := {head}{path}; [{', '.join(names)}]", [*names, value]

    def changed(self, scope: list[str], depth: int) -> tuple[str, list[str]]:
        name, value = self.fresh("v"), self.term(scope, depth - 1)
        target = self.pick("input", "input.a", "data.base.a", "input.b", "data.base")
        return f"{name} := {self.term(scope, depth)} with {target} as {value}; [{name}]", [name]

    # rules

    def rule(self) -> None:
        make = self.pick(self.complete, self.complete, self.contains, self.keyed, self.function, self.function)
        make()

    def condition(self, scope: list[str]) -> tuple[str, list[str]]:
        lines, inner = self.body(scope, 2)
        return "if {\n  " + "\n  ".join(lines) + "\n}", inner

    def complete(self) -> None:
        name = self.fresh("r")
        if self.pick(True, False):
            self.rules.append(f"default {name} := {self.pick(*SCALARS)}")
        self.rules.append(self.chain(f"{name}", []))
        self.known[name] = "value"

    def chain(self, head: str, scope: list[str]) -> str:
        text = ""
        for number in range(self.pick(1, 1, 2, 3)):
            condition, inner = self.condition(scope)
            value = self.term(inner, 1)
            text += f"{head if not number else ' else'} := {value} {condition}"
        return text

    def function(self) -> None:
        name, operands = self.fresh("f"), [self.fresh("x") for _ in range(self.pick(1, 2))]
        if self.pick(True, False, False):
            self.rules.append(f"default {name}({', '.join('_' for _ in operands)}) := {self.pick(*SCALARS)}")
        for _ in range(self.pick(1, 1, 2)):
            self.rules.append(self.chain(f"{name}({', '.join(operands)})", operands))
        self.known[name] = str(len(operands))

    def contains(self) -> None:
        name = self.fresh("s")
        for _ in range(self.pick(1, 1, 2)):
            condition, inner = self.condition([])
            self.rules.append(f"{name} contains {self.term(inner, 1)} {condition}")
        self.known[name] = "set"

    def keyed(self) -> None:
        name = self.fresh("o")
        for _ in range(self.pick(1, 1, 2)):
            condition, inner = self.condition([])
            self.rules.append(f"{name}[{self.term(inner, 0)}] := {self.term(inner, 1)} {condition}")
        self.known[name] = "object"

    def text(self) -> str:
        return "package test\n\nany(x) := x\n\n" + "\n\n".join(self.rules) + "\n"


@st.composite
def policies(draw: Callable[[Any], Any]) -> Policy:
    made = Policy(draw)
    for _ in range(draw(st.integers(1, 5))):
        made.rule()
    return made
