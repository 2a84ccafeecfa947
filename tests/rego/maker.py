"""Makes policies, inputs and data that are valid and safe by construction, out of random numbers that hypothesis draws.

Names are never used twice in a policy; a rule asks only what was written before it, so that nothing is recursive. A policy is written in
two spellings that OPA takes for the same: ours, and one for regopy that goes around what it cannot read (`KNOWN` in `test_differ`).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from string import ascii_letters
from typing import Any

from hypothesis import strategies as st

SCALARS = ["null", "true", "false", "0", "1", "2", "3", "1.5", '""', '"a"', '"b"', '"c"', '"1"']
KEYS = ["a", "b", "c"]
LEAVES = st.sampled_from([None, True, False, 0, 1, 2, 3, 1.5, "", "a", "b", "c", "1"])
DOCUMENTS = st.recursive(
    LEAVES, lambda one: st.lists(one, max_size=3) | st.fixed_dictionaries({}, optional=dict.fromkeys(KEYS, one)), max_leaves=8
)
OBJECTS = st.fixed_dictionaries({}, optional=dict.fromkeys(KEYS, DOCUMENTS)) | st.fixed_dictionaries({"a": DOCUMENTS, "b": DOCUMENTS})
INPUTS = ["input", "input.a", "input.b", "input.c", "input.a.a", "input.b[0]", 'input["a"].b', "input.b[1].a"]
BASES = ["data.base", "data.base.a", "data.base.b", "data.base.b[1]", "data.base.a.b"]
UNARY = [
    *(
        "count",
        "sum",
        "product",
        "max",
        "min",
        "sort",
        "is_number",
        "is_string",
        "is_array",
        "is_object",
        "is_set",
        "is_null",
        "is_boolean",
    ),
    *("type_name", "abs", "floor", "ceil", "round", "to_number", "upper", "lower", "trim_space", "strings.reverse", "array.reverse"),
    *("object.keys", "union", "intersection"),
]
SORTED = ("sort", "max", "min")  # only of one type (`order of types`)
BINARY = [
    *("startswith", "endswith", "contains", "split", "array.concat", "object.remove", "object.filter", "concat", "object.union", "trim"),
    *("trim_prefix", "trim_suffix", "indexof", "bits.and", "bits.or", "numbers.range", "|", "&", "-", "+", "*", "%", "/"),
]
TERNARY = ["replace", "substring", "object.get", "array.slice"]
TYPES = ["is_number", "is_string", "is_array", "is_object", "is_boolean", "is_null", "is_set"]

# What only one of the two spellings has stands between these; a piece holds no other piece of its own sort.
OURS, THEIRS = ("\ue000", "\ue001"), ("\ue002", "\ue003")
HELPERS = "any(x) := x\n"
THEIR_HELPERS = """scanned(x) if type_name(x) in {"array", "object", "set"}
rank(x) := {"null": 0, "boolean": 1, "number": 2, "string": 3, "array": 4, "object": 5, "set": 6}[type_name(x)]
before(x, y) := any(rank(x) < rank(y)) if rank(x) != rank(y)
before(x, y) := any(x < y) if rank(x) == rank(y)
upto(x, y) := any(rank(x) < rank(y)) if rank(x) != rank(y)
upto(x, y) := any(x <= y) if rank(x) == rank(y)
"""


def ours(text: str) -> str:
    """A piece that only this engine is given."""
    return text.join(OURS)


def theirs(text: str) -> str:
    """A piece that only regopy is given."""
    return text.join(THEIRS)


NEXT = theirs(";") + "\n  "  # `lines that go on`


def spelled(text: str, kept: tuple[str, str], dropped: tuple[str, str]) -> str:
    return re.sub(f"{dropped[0]}[^{dropped[1]}]*{dropped[1]}|[{''.join(kept)}]", "", text)


@dataclass
class Policy:
    """What has been written so far, and what may be asked of it."""

    random: Random
    rules: list[str] = field(default_factory=list)
    known: dict[str, str] = field(default_factory=dict)  # name -> value, set, object or the number of operands
    names: int = 0
    outside: int | None = None  # how many names there were before the body of an `every`, inside of one

    def pick(self, *choices: Any) -> Any:
        return self.random.choice(choices)

    def fresh(self, start: str) -> str:
        self.names += 1
        return f"{start}{self.names}"

    def called(self, *kinds: str) -> list[str]:
        return [name for name, kind in self.known.items() if kind in kinds]

    # terms

    def term(self, scope: list[str], depth: int) -> str:
        if depth <= 0:
            return self.leaf(scope)
        make = self.pick(
            *(self.leaf, self.reference, self.reference, self.array, self.set, self.object, self.comprehension, self.call, self.call),
            *(self.test, self.sum, self.part),
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
            return self.pick(*INPUTS)
        if kind == "data":
            return self.pick(*BASES)
        values = self.called("value", "set", "object")
        if kind == "rule" and values:
            return self.pick("", "data.test.") + self.pick(*values)
        return self.pick(*SCALARS)

    def reference(self, scope: list[str], depth: int) -> str:
        head = self.pick("input", "input.a", "data.base", *(f"any({name})" for name in self.called("set", "object")))
        return head + "".join(self.pick(f"[{self.term(scope, depth - 1)}]", self.pick(".a", '["b"]')) for _ in range(self.pick(1, 1, 2)))

    def part(self, scope: list[str], depth: int) -> str:
        """A part of what a function says."""
        return f"any({self.term(scope, depth)})[{self.pick(*SCALARS, *scope)}]"

    def array(self, scope: list[str], depth: int) -> str:
        return f"[{', '.join(self.term(scope, depth) for _ in range(self.pick(1, 0, 2, 3)))}]"

    def set(self, scope: list[str], depth: int) -> str:
        return "{" + ", ".join(self.term(scope, depth) for _ in range(self.pick(1, 2, 3))) + "}"

    def object(self, scope: list[str], depth: int) -> str:
        choices = ['"a"', '"b"', '"c"', "1", "true", "null", "[2]", '{"a"}', *scope]
        keys = self.random.sample(choices, self.pick(0, 1, 1, 2))
        return (
            "{" + ", ".join(f"{key}: {theirs('any(')}{self.term(scope, depth)}{theirs(')')}" for key in keys) + "}"
        )  # `faults in objects`

    def comprehension(self, scope: list[str], depth: int) -> str:
        if self.outside is not None:  # `comprehensions in every`
            scope = [name for name in scope if int(name.lstrip(ascii_letters)) <= self.outside]
        lines, inner = self.body(scope, depth)
        kind = self.pick("array", "set", "object")
        head = self.term(inner, 0) if kind != "object" else f"{self.term(inner, 0)}: {self.term(inner, 0)}"
        left, right = "[]" if kind == "array" else "{}"
        return f"{left}{head} | {'; '.join(lines)}{right}"

    def call(self, scope: list[str], depth: int) -> str:
        functions = [name for name, kind in self.known.items() if kind.isdigit()]
        if functions and self.pick(True, False):
            name = self.pick(*functions)
            return f"{name}({', '.join(self.loose(scope, depth) for _ in range(int(self.known[name])))})"
        names = self.pick(UNARY, BINARY, BINARY, TERNARY, ["sprintf"])
        name = self.pick(*names)
        terms = [self.loose(scope, depth - number) for number in range({id(UNARY): 1, id(BINARY): 2, id(TERNARY): 3}.get(id(names), 1))]
        if name == "array.slice":
            return f"array.slice({self.array(scope, depth)}, {self.pick(*'012')}, {self.pick(*'0123')})"  # `slices of no array`
        if name in SORTED:
            member = self.fresh("n")
            return f"{name}([{member} | some {member} in {terms[0]}; {self.pick('is_number', 'is_string')}({member})])"
        if name == "sprintf":
            one, other = self.pick(*INPUTS, *BASES), self.pick(*SCALARS, *INPUTS)  # `keys in texts`
            return f'sprintf("%v-%v", [{one}, {other}])'
        return f"{name}({', '.join(terms)})" if name[0].isalpha() else f"(({terms[0]}) {name} ({terms[1]}))"

    def test(self, scope: list[str], depth: int) -> str:
        """A comparison; one of order only with a scalar, where regopy can be told what stands before what (`order of types`)."""
        sign = self.pick("==", "!=", "<", "<=", ">", ">=", "in")
        if sign[0] not in "<>":
            return f"(({self.loose(scope, depth)}) {sign} ({self.loose(scope, depth)}))"
        if self.pick(True, False):
            sides = [f"{theirs('any(')}count({self.loose(scope, depth)}){theirs(')')}" for _ in range(2)]  # `faults in comparisons`
            return f"(({sides[0]}) {sign} ({sides[1]}))"
        left, right = self.pick(*SCALARS), self.pick(*INPUTS, *BASES)
        name, sides = ("upto" if "=" in sign else "before"), [left, right] if sign[0] == "<" else [right, left]
        return ours(f"({left} {sign} {right})") + theirs(f"{name}({', '.join(sides)})")

    def sum(self, scope: list[str], depth: int) -> str:
        """Several operators without parentheses."""
        parts = [self.pick("1", "2", "1.5", f"count({self.loose(scope, depth - 1)})") for _ in range(3)]
        return f"({parts[0]} {self.pick(*'+-*')} {parts[1]} {self.pick(*'+-*')} {parts[2]})"

    # bodies

    def body(self, scope: list[str], depth: int) -> tuple[list[str], list[str]]:
        """Lines, and the variables that may be used after them."""
        lines: list[str] = []
        inner = list(scope)
        for _ in range(self.pick(1, 1, 2, 3)):
            make = self.pick(
                *(self.assign, self.each, self.each, self.apart, self.holds, self.holds, self.absent, self.every, self.match, self.look),
                *(self.changed, self.replaced, self.walk),
            )
            line, names = make(inner, depth)
            lines.append(line)
            inner += names
        return lines, inner

    def used(self, line: str, *names: str) -> tuple[str, list[str]]:
        """The line, and what it names (`unused variables`)."""
        return line + theirs(f"; [{', '.join(names)}]"), list(names)

    def assign(self, scope: list[str], depth: int) -> tuple[str, list[str]]:
        if self.pick(True, False, False):
            first, second = self.fresh("v"), self.fresh("v")
            form = f"[{first}, {second}]"
            return self.used(f"{ours(f'{form} := ')}{theirs(f'some {form} in [')}{self.loose(scope, depth)}{theirs(']')}", first, second)
        name = self.fresh("v")
        return self.used(f"{name} := {self.term(scope, depth)}", name)

    def each(self, scope: list[str], depth: int) -> tuple[str, list[str]]:
        name, over = self.fresh("v"), self.loose(scope, depth)
        if self.pick(True, False):
            return self.used(f"some {name} in {over}", name)
        key, held = self.fresh("k"), self.fresh("c")  # `commas in comprehensions`
        member = theirs(f"; some {key}; u{held} := {held}[{key}]; {name} := any(u{held})")
        return self.used(f"{ours(f'some {key}, {name} in ')}{theirs(f'{held} := ')}{over}{member}", key, name)

    def apart(self, scope: list[str], depth: int) -> tuple[str, list[str]]:
        """The members that have a form."""
        first, second = self.fresh("v"), self.fresh("v")
        form = self.pick(
            f"[{first}, {second}]", f'{{"a": {first}, "b": {second}}}', f"[{first}, [{second}]]", f'[{first}, {{"a": {second}}}]'
        )
        return self.used(f"some {form} in {self.loose(scope, depth)}", first, second)

    def holds(self, scope: list[str], depth: int) -> tuple[str, list[str]]:
        term = self.pick(self.test, self.test, self.term)(scope, depth)
        return f"{theirs('any(')}{term}{theirs(')')}" if term[0] in "[{" else term, []  # `a set as a line`

    def absent(self, scope: list[str], depth: int) -> tuple[str, list[str]]:
        """Nothing that OPA computes before a negated line (`negated operands`)."""
        choices = ["input.a", "input.b.a", "data.base.a", *self.called("value")]
        if scope:
            name = self.pick(*scope)
            choices += [f"{self.pick(*SCALARS, *scope)} {self.pick('==', '!=')} any({name})", f"any({name}) in [1, {self.pick(*SCALARS)}]"]
            choices += [f"{self.pick(*TYPES)}({name})", f"any({name})", *(f"any({one})[{name}]" for one in self.called("set", "object"))]
            choices += [f"{one}({name})" for one in self.called("1")]
        return f"not {self.pick(*choices)}", []

    def every(self, scope: list[str], depth: int) -> tuple[str, list[str]]:
        """Regopy is asked first whether it can be gone through (`every over a scalar`)."""
        outside = self.outside
        self.outside = self.names if outside is None else outside
        names, held = ", ".join(self.fresh("e") for _ in range(self.pick(1, 2))), self.fresh("c")
        lines, _ = self.body([*scope, *names.split(", ")], depth - 2)
        self.outside = outside
        over = self.pick(self.array, self.set, self.comprehension, self.loose)(scope, depth)
        start = f"{ours(f'every {names} in ')}{theirs(f'{held} := ')}{over}{theirs(f'; scanned({held}); every {names} in {held}')}"
        return f"{start} {{ [{names}]; {'; '.join(lines)} }}", []

    def match(self, scope: list[str], depth: int) -> tuple[str, list[str]]:
        """Regopy is asked for the one member of an array that has the form (`unification in comprehensions`)."""
        first, second, third = self.fresh("m"), self.fresh("m"), self.fresh("m")
        form = self.pick("[{0}, {1}]", '{{"a": {0}, "b": {1}}}', '[{0}, {{"a": {1}}}]', "[{0}, [{1}, {2}]]")
        start, end = ours(f"some {first}, {second}; "), ""
        if self.pick(True, False):
            start += ours(f"{form.format(first, second, first)} = ")
        else:
            end = ours(f" = {form.format(first, second, first)}")
        end += theirs("]" + (f"; {third} == {first}" if "{2}" in form else ""))
        return self.used(f"{start}{theirs(f'some {form.format(first, second, third)} in [')}{self.loose(scope, depth)}{end}", first, second)

    def look(self, scope: list[str], depth: int) -> tuple[str, list[str]]:
        names = [self.fresh("i") for _ in range(self.pick(1, 2))]
        path = "".join(f"[{name}]" for name in names)
        head = self.pick("input", "input.a", "data.base", "data.base.b", *self.called("set", "object"))
        value, held = self.fresh("v"), self.fresh("u")
        line, _ = self.used(f"some {', '.join(names)}; {self.parted(value, held, head + path)}", *names)
        return line, [*names, value]

    def parted(self, value: str, held: str, part: str) -> str:
        """A variable for what a scan finds, that may be a key later (`scanned keys`)."""
        return f"{ours(value)}{theirs(held)} := {part}{theirs(f'; {value} := any({held})')}"

    def walk(self, scope: list[str], depth: int) -> tuple[str, list[str]]:
        path, value = self.fresh("v"), self.fresh("v")
        return self.used(f"walk({self.pick(*INPUTS, *BASES)}, [{path}, {value}])", path, value)

    def changed(self, scope: list[str], depth: int) -> tuple[str, list[str]]:
        name, value = self.fresh("v"), self.term(scope, depth - 1)
        target = self.pick("input", "input.a", "data.base.a", "input.b", "data.base", *(f"data.test.{one}" for one in self.called("value")))
        return self.used(f"{name} := {self.term(scope, depth)} with {target} as {theirs('any(')}{value}{theirs(')')}", name)

    def replaced(self, scope: list[str], depth: int) -> tuple[str, list[str]]:
        """A function that stands for another, or a value that does; asked by way of a rule too."""
        name = self.fresh("v")
        target, by = self.pick(*self.called("1"), "upper", "sort", "lower"), self.pick("any", "is_null", *SCALARS)
        asked = self.pick(f"{target}({self.loose(scope, depth - 1)})", self.term(scope, depth))
        return self.used(f"{name} := {asked} with {target} as {by}", name)

    # rules

    def rule(self) -> None:
        make = self.pick(self.complete, self.complete, self.contains, self.keyed, self.function, self.function)
        make()

    def condition(self, scope: list[str], start: str = "") -> tuple[str, list[str]]:
        lines, inner = self.body(scope, 2)
        return "if {\n  " + start + NEXT.join(lines) + "\n}", inner

    def complete(self) -> None:
        name = self.fresh("r")
        if self.pick(True, False):
            self.rules.append(f"default {name} := {self.pick(*SCALARS)}")
        self.rules.append(self.chain(f"{name}", []))
        self.known[name] = "value"

    def chain(self, head: str, scope: list[str], start: str = "") -> str:
        text = ""
        for number in range(self.pick(1, 1, 2, 3)):
            condition, inner = self.condition(scope, start)
            value = self.term(inner, 1)
            text += f"{head if not number else ' else'} := {value} {condition}"
        return text

    def function(self) -> None:
        name, count = self.fresh("f"), self.pick(1, 1, 2)
        if self.pick(True, False, False):
            self.rules.append(f"default {name}({', '.join('_' * count)}) := {self.pick(*SCALARS)}")
        for _ in range(self.pick(1, 1, 2, 3)):
            self.one_function(name, count)
        self.known[name] = str(count)

    def one_function(self, name: str, count: int) -> None:
        """Regopy's operands have other names than its bodies know (`operands in comprehensions`)."""
        head, scope, copies = [], [], ""
        for _ in range(count):
            one = self.fresh("x")
            form = self.pick("{}", "{}", "{}", "[{}, 1]", '{{"a": {}}}', self.pick(*SCALARS))
            head.append(form.format(ours(one) + theirs(f"y{one}")))
            if "{}" in form:
                scope.append(one)
                copies += f"{one} := y{one};\n  "
        self.rules.append(self.chain(f"{name}({', '.join(head)})", scope, theirs(copies)))

    def contains(self) -> None:
        name, path = self.fresh("s"), self.pick("", "", ".a", "[{}]")
        for _ in range(self.pick(1, 1, 2)):
            self.partial(name, path, f" contains {theirs('any(')}%s{theirs(')')}")  # `parentheses in a head`
        if path != ".a":  # `trees of rules`
            self.known[name] = "object" if path else "set"

    def keyed(self) -> None:
        name, path = self.fresh("o"), self.pick("[{}]", "[{}]", ".a[{}]", "[{}].b", "[{}][{}]")
        for _ in range(self.pick(1, 1, 2)):
            self.partial(name, path, " := %s")
        if path[0] != ".":
            self.known[name] = "object"

    def partial(self, name: str, path: str, rest: str) -> None:
        """A rule of several parts. Constants are keys only where the key is one (`keys in a head`, `trees of rules`)."""
        lines, inner = self.body([], 2)
        while not inner:
            lines, inner = self.body([], 2)
        keys = [self.term(inner, 0) if path + rest[:2] == "[{}] :" else self.pick(*inner) for _ in range(path.count("{}"))]
        self.rules.append(f"{name}{path.format(*keys)}{rest % self.term(inner, 1)} if {{\n  {NEXT.join(lines)}\n}}")

    def text(self) -> str:
        """As this engine is asked."""
        return spelled("\n\n".join(["package test", HELPERS, *self.rules]) + "\n", OURS, THEIRS)

    def rival(self) -> str:
        """As regopy is asked."""
        return spelled("\n\n".join(["package test", HELPERS + THEIR_HELPERS, *self.rules]) + "\n", THEIRS, OURS)


@st.composite
def policies(draw: Callable[[Any], Any]) -> Policy:
    made = Policy(draw(st.randoms(use_true_random=True)))
    for _ in range(made.pick(1, 2, 2, 3)):
        made.rule()
    return made
