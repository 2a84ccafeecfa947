"""Makes policies, inputs and data that are valid and safe by construction, out of random numbers that hypothesis draws.

Names are never used twice in a policy; a rule asks only what was written before it, so that nothing is recursive. A policy is written in
two spellings that OPA takes for the same: ours, and one for regopy that goes around what it cannot read (`KNOWN` in `test_differ`).
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from string import ascii_letters
from typing import Any

from hypothesis import strategies as st

SCALARS = ["null", "true", "false", "0", "1", "2", "3", "1.5", '""', '"a"', '"b"', '"c"', '"1"']
KEYS = ["a", "b", "c"]
LEAVES: list[Any] = [None, True, False, 0, 1, 2, 3, 1.5, "", "a", "b", "c", "1"]
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
        values = self.called("value", "set", "object", "mirror")
        if kind == "rule" and values:
            return self.pick("", "data.test.") + self.pick(*values)
        return self.pick(*SCALARS)

    def reference(self, scope: list[str], depth: int) -> str:
        head = self.pick("input", "input.a", "data.base", *(f"any({name})" for name in self.called("set", "object")))
        part = f"[{self.term(scope, depth - 1)}]"
        if head == "data.base":  # a key of an object that it is, no index (`texts as indexes`)
            return self.pick(f"data.base{part}", f"any(data.base.b){part}", f"any(data.base.a){part}")
        return head + part + self.pick("", "", f"[{self.term(scope, depth - 1)}]", ".a", '["b"]')

    def part(self, scope: list[str], depth: int) -> str:
        """A part of what a function says."""
        return f"any({self.term(scope, depth)})[{self.pick(*SCALARS, *scope)}]"

    def array(self, scope: list[str], depth: int) -> str:
        return f"[{', '.join(self.term(scope, depth) for _ in range(self.pick(1, 0, 2, 3)))}]"

    def set(self, scope: list[str], depth: int) -> str:
        terms = [self.term(scope, depth) for _ in range(self.pick(1, 2, 3))]
        return "{" + ", ".join(f"{theirs('any(')}{one}{theirs(')')}" if one[0] == "{" else one for one in terms) + "}"  # `a set in a set`

    def object(self, scope: list[str], depth: int) -> str:
        choices = ['"a"', '"b"', '"c"', "1", "true", "null", "[2]", '{"a"}', *scope]
        keys = self.random.sample(choices, self.pick(0, 1, 1, 2))
        values = [self.pick(*SCALARS, *scope, "input", self.comprehension(scope, depth)) for _ in keys]  # `faults in objects`
        return "{" + ", ".join(f"{key}: {value}" for key, value in zip(keys, values, strict=True)) + "}"

    def comprehension(self, scope: list[str], depth: int) -> str:
        scope = self.around(scope)  # `comprehensions in every`
        if self.pick(True, False, False):
            return self.listed(scope)
        lines, inner = self.body(scope, depth)
        head = self.answer(inner, scope)  # in a set: `order of a scan`
        if self.pick(True, False, False):
            bound = [name for name in inner if name not in scope]
            head = f"[{', '.join(bound)}]: {self.term(inner, 0)}"  # seldom a conflict
        named = [name for name in scope if re.search(rf"\b{name}\b", head)]
        return f"{{{head} | {theirs('[' + ', '.join(named) + ']; ')}{'; '.join(lines)}}}"  # `scanned variables in a head`

    def around(self, scope: list[str]) -> list[str]:
        """Inside of the body of an `every`, the variables from outside."""
        return [name for name in scope if self.outside is None or int(name.lstrip(ascii_letters)) <= self.outside]

    def listed(self, scope: list[str]) -> str:
        """An array of what is found, in the order of an array."""
        member, value = self.fresh("n"), self.fresh("v")
        items = ", ".join(self.leaf(scope) for _ in range(self.pick(1, 2, 3)))
        return self.pick(
            f"[[{member}, {value}] | some {member} in [{items}]; {value} := {self.test([*scope, member], 0)}]",
            f"[{member} | some {member} in [{items}]; {member} != {self.leaf(scope)}]",
        )

    def answer(self, scope: list[str], outside: Sequence[str] = (), depth: int = 0) -> str:
        """Mostly all variables that lines have bound."""
        bound = [name for name in scope if name not in outside]
        return f"[{', '.join(bound)}]" if bound and self.pick(True, True, False) else self.term(scope, depth)

    def call(self, scope: list[str], depth: int) -> str:
        functions = [name for name, kind in self.known.items() if kind.isdigit()]
        if functions and self.pick(True, False):
            name = self.pick(*functions)
            return f"{name}({', '.join(self.loose(scope, depth) for _ in range(int(self.known[name])))})"
        names = self.pick(UNARY, BINARY, BINARY, TERNARY, ["sprintf"])
        name = self.pick(*names)
        fitting = self.fitting(scope, depth, name)
        if fitting and self.pick(True, True, True, False):
            return fitting
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

    def fitting(self, scope: list[str], depth: int, name: str) -> str:
        """A call with operands of the right types."""
        array, number, text = self.array(scope, depth), self.pick("1", "2", "3", "1.5"), self.pick('"a"', '"b"', '"ab"', '"1"')
        kinds = {
            f"({number} {name} count({array}))": ("-", "+", "*"),
            f"({self.set(scope, depth)} {name} {self.set(scope, depth)})": ("&", "|"),
            f'{name}({text}, "a")': ("startswith", "endswith", "contains", "split", "trim", "trim_prefix", "indexof"),
            f"{name}({text})": ("upper", "lower", "strings.reverse", "to_number"),
            f"{name}({array})": ("count", "array.reverse"),
            f"{name}({array}, {self.array(scope, depth)})": ("array.concat",),
        }
        return next((text for text, names in kinds.items() if name in names), "")

    def test(self, scope: list[str], depth: int) -> str:
        """A comparison; one of order only with a scalar, where regopy can be told what stands before what (`order of types`)."""
        sign = self.pick("==", "!=", "<", "<=", ">", ">=", "in")
        if sign[0] not in "<>" and self.pick(True, False):
            leaves = [f"any({self.pick('0', '1', 'true', 'false', *scope)})" for _ in range(2)]
            return f"({leaves[0]} {sign} {leaves[1]})" if sign != "in" else f"({leaves[0]} in [{leaves[1]}, {self.leaf(scope)}])"
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

    def body(self, scope: list[str], depth: int, *, single: bool = False) -> tuple[list[str], list[str]]:
        """Lines, and the variables that may be used after them; single ones have no two values."""
        lines: list[str] = []
        inner = list(scope)
        for _ in range(self.pick(1, 1, 2, 3)):
            make = self.pick(
                *(
                    self.assign,
                    self.assign,
                    self.holds,
                    self.absent,
                    self.every,
                    self.match,
                    self.changed,
                    self.changed,
                    self.under,
                    self.replaced,
                ),
                *[self.within] * (4 if depth > 0 else 0),
                *(() if single else (self.each, self.each, self.apart, self.look, self.walk, self.fixed)),
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
            return self.used(self.either(f"{form} := ", self.formed(scope, depth, "[{}, {}]"), form), first, second)
        name = self.fresh("v")
        return self.used(f"{name} := {self.pick(self.test, self.array, self.set, self.object, self.term, self.call)(scope, depth)}", name)

    def within(self, scope: list[str], depth: int) -> tuple[str, list[str]]:
        """A variable for all that lines find, be it nothing: they do not end the lines around them."""
        name = self.fresh("v")
        return self.used(f"{name} := {self.comprehension(scope, depth - 1)}", name)

    def fixed(self, scope: list[str], depth: int) -> tuple[str, list[str]]:
        """A key that is its own value. Regopy is given the comparison apart (`unification in comprehensions`)."""
        name, held, value = self.fresh("i"), self.fresh("c"), self.fresh("u")
        members = [self.pick(str(place), self.leaf(scope)) for place in range(3)]
        over = self.pick(f"[{', '.join(members)}]", f'{{"a": "a", "b": {self.pick(*SCALARS)}, 1: {self.pick("1", "true")}}}')
        apart = theirs(f"; some {name}; {value} := {held}[{name}]; {name} == {value}")
        return self.used(f"{held} := any({over}){apart}{ours(f'; some {name}; {name} = {held}[{name}]')}", name)

    def each(self, scope: list[str], depth: int) -> tuple[str, list[str]]:
        name, over = self.fresh("v"), self.many(scope, depth)
        if self.pick(True, False):
            return self.used(self.member(name, over), name)
        key, held = self.fresh("k"), self.fresh("c")  # `commas in comprehensions`
        member = theirs(f"; some {key}; u{held} := {held}[{key}]; {name} := any(u{held})")
        return self.used(f"{ours(f'some {key}, {name} in ')}{theirs(f'{held} := ')}{over}{member}", key, name)

    def member(self, form: str, over: str) -> str:
        """Members of a form; for regopy of a variable (`comparisons in some`)."""
        held = self.fresh("c")
        return f"{ours(f'some {form} in ')}{theirs(f'{held} := ')}{over}{theirs(f'; some {form} in {held}')}"

    def either(self, start: str, term: str, form: str, end: str = "") -> str:
        """A term that must have a form; regopy is asked for the one member of an array that has it (`unification in comprehensions`)."""
        held = self.fresh("c")
        return f"{ours(start)}{theirs(f'{held} := [')}{term}{ours(end)}{theirs(f']; some {form} in {held}')}"

    def many(self, scope: list[str], depth: int) -> str:
        """What can mostly be gone through."""
        written = self.pick(self.array, self.set, self.object, self.comprehension)(scope, depth - 1)
        keyed = f'{{true: {self.leaf(scope)}, [2]: {self.leaf(scope)}, {{"a"}}: 3, {{"b": 1}}: 4, null: 5}}'
        documents = self.pick("input", "input.a", "input.b", "data.base", "data.base.b")
        return self.pick(f"any({written})", f"any({keyed})", documents, documents, self.loose(scope, depth))

    def formed(self, scope: list[str], depth: int, form: str) -> str:
        """What mostly has a form of two parts."""
        parts = [self.leaf(scope), self.leaf(scope)]
        written = form.format(*parts, parts[0])
        longer = written[:-1] + (", 0]" if written[-1] == "]" else ', "c": 0}')
        return self.pick(f"any({written})", f"any({written})", f"any({longer})", self.loose(scope, depth))

    def apart(self, scope: list[str], depth: int) -> tuple[str, list[str]]:
        """The members that have a form."""
        first, second = self.fresh("v"), self.fresh("v")
        form = self.pick("[{}, {}]", '{{"a": {}, "b": {}}}', "[{}, [{}]]", '[{}, {{"a": {}}}]')
        over = ", ".join(self.formed(scope, depth, form) for _ in range(self.pick(1, 2)))
        return self.used(self.member(form.format(first, second), f"[{over}]"), first, second)

    def holds(self, scope: list[str], depth: int) -> tuple[str, list[str]]:
        term = self.pick(self.test, self.test, self.term)(scope, depth)
        return f"{theirs('any(')}{term}{theirs(')')}" if term[0] in "[{" else term, []  # `a set as a line`

    def absent(self, scope: list[str], depth: int) -> tuple[str, list[str]]:
        """Nothing that OPA computes before a negated line (`negated operands`)."""
        choices = ["input.a", "input.b.a", "data.base.a", *self.called("value")]
        scope = self.around(scope)  # `negations in every`
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
        """A form in which a variable may stand twice; for regopy it is another one that equals it."""
        first, second, third = self.fresh("m"), self.fresh("m"), self.fresh("m")
        form = self.pick("[{0}, {1}]", '{{"a": {0}, "b": {1}}}', '[{0}, {{"a": {1}}}]', "[{0}, [{1}, {2}]]")
        names, written = f"some {first}, {second}; ", form.format(first, second, first)
        start, end = self.pick((f"{names}{written} = ", ""), (names, f" = {written}"))
        line = self.either(start, self.formed(scope, depth, form), form.format(first, second, third), end)
        return self.used(line + (theirs(f"; {third} == {first}") if "{2}" in form else ""), first, second)

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
        """What a rule or a document is under another document, and mostly what it is before and after."""
        before, name, after, held = self.fresh("v"), self.fresh("v"), self.fresh("v"), self.fresh("w")
        value = self.pick(self.leaf(scope), self.object(scope, depth - 1), self.term(scope, depth - 1))
        target = self.pick(
            "input", "input", "input.a", "data.base.a", "input.b", "data.base", *(f"data.test.{one}" for one in self.called("value"))
        )
        asked = self.pick(*INPUTS, *BASES, *self.called("mirror") * 15)
        term = self.pick(asked, asked, asked, self.term(scope, depth))
        term = asked if "sprintf" in term else term  # `keys in texts`
        start = theirs(f"{held} := {spelled(value, THEIRS, OURS)}; [{held}]; ")  # `references in with`
        start += f"{before} := [{before}o | {before}o := any({asked})]; "
        by = ours(spelled(value, OURS, THEIRS)) + theirs(held)
        line = f"{start}{name} := {term} with {target} as {by}; {after} := any({self.pick('input', 'data.base', asked)})"
        return self.used(line, before, name, after)

    def under(self, scope: list[str], depth: int) -> tuple[str, list[str]]:
        """The form of a document that stands for the input; the input afterwards has another, and is asked for it."""
        first, second, after, held = self.fresh("v"), self.fresh("v"), self.fresh("v"), self.fresh("c")
        by = f"with input as [{self.pick(*SCALARS, *scope)}, {self.pick(*SCALARS, *scope)}]"
        form = f"[{first}, {second}]"
        start = f"{ours(f'some {first}, {second}; {form} = input {by}')}{theirs(f'{held} := [input] {by}; some {form} in {held}')}"
        one, other, again = self.fresh("m"), self.fresh("m"), self.fresh("c")
        form = f'{{"a": {one}, "b": {other}}}'
        line = f"{ours(f'some {one}, {other}; {form} = input')}{theirs(f'{again} := [input]; some {form} in {again}; [{one}, {other}]')}"
        return self.used(
            f"{start}; {after} := {self.pick('[input.a]', f'{{{one} | {line}}}', f'{{{one} | {line}}}')}", first, second, after
        )

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

    def mirror(self) -> None:
        """A rule that tells parts of the documents, without a call of a builtin (`calls under with`)."""
        name, one, other = self.fresh("r"), self.fresh("v"), self.fresh("v")
        whole, scanned = self.pick(*INPUTS, *BASES), self.pick("input", "input.a", "input.b", "data.base", "data.base.b")
        parts = [f"[{one} | {one} := {whole}]", f"{{{other} | some {other} in {scanned}}}"]
        self.rules.append(f"{name} := [{', '.join(self.random.sample(parts, self.pick(1, 2)))}]")
        self.known[name] = "mirror"

    def condition(self, scope: list[str], start: str, *, single: bool) -> tuple[str, list[str]]:
        lines, inner = self.body(scope, 2, single=single)
        return "if {\n  " + start + NEXT.join(lines) + "\n}", inner

    def complete(self) -> None:
        name = self.fresh("r")
        if self.pick(True, False):
            self.rules.append(f"default {name} := {self.pick(*SCALARS)}")
        self.rules.append(self.chain(f"{name}", []))
        self.known[name] = "value"

    def chain(self, head: str, scope: list[str], start: str = "") -> str:
        text = ""
        count = self.pick(1, 1, 2, 3)
        for number in range(count):
            guard = self.holds(scope, 0)[0] + theirs(";") + "\n  " if number + 1 < count and self.pick(True, False) else ""
            condition, inner = self.condition(scope, start + guard, single=bool(scope) or self.pick(True, True, False))
            value = self.answer(inner, depth=1)
            text += f"{head if not number else ' else'} := {value} {condition}"
        return text

    def function(self) -> None:
        name, count = self.fresh("f"), self.pick(1, 1, 2)
        if self.pick(True, False, False):
            self.rules.append(f"default {name}({', '.join('_' * count)}) := {self.pick(*SCALARS)}")
        kinds = self.random.sample(TYPES, self.pick(1, 1, 2, 3))
        for kind in kinds:
            self.one_function(name, count, kind if len(kinds) > 1 else "")
        self.known[name] = str(count)

    def one_function(self, name: str, count: int, kind: str) -> None:
        """Of several clauses each is for a type. Regopy's operands have other names than its bodies know (`operands in comprehensions`)."""
        head, scope, copies = [], [], ""
        for place in range(count):
            one = self.fresh("x")
            form = self.pick(*["{}"] * 6, "[{}, 1]", '{{"a": {}}}', self.pick(*SCALARS)) if place or not kind else "{}"
            head.append(form.format(ours(one) + theirs(f"y{one}")))
            if "{}" in form:
                scope.append(one)
                copies += f"{one} := y{one};\n  "
        self.rules.append(
            self.chain(f"{name}({', '.join(head)})", scope, theirs(copies) + (f"{kind}({scope[0]}){theirs(';')}\n  " if kind else ""))
        )

    def contains(self) -> None:
        name, path = self.fresh("s"), self.pick("", "", ".a", "[{}]")
        for _ in range(self.pick(1, 1, 2)):
            self.partial(name, path, f" contains {theirs('any(')}%s{theirs(')')}")  # `parentheses in a head`
        if path != ".a":  # `trees of rules`
            self.known[name] = "object" if path else "set"

    def keyed(self) -> None:
        name, path = self.fresh("o"), self.pick("[{}]", "[{}]", ".a[{}]", "[{}].b", "[{}][{}]")
        for _ in range(self.pick(1, 1, 2)):
            self.partial(name, path, f" := {theirs('any(')}%s{theirs(')')}")  # `faults in keyed rules`
        if path[0] != ".":
            self.known[name] = "object"

    def partial(self, name: str, path: str, rest: str) -> None:
        """A rule of several parts. Constants are keys only where the key is one (`keys in a head`, `trees of rules`)."""
        lines, inner = self.body([], 2)
        while not inner:
            lines, inner = self.body([], 2)
        if self.pick(True, True, False):
            all_, bound = self.fresh("k"), inner
            line, inner = self.used(f"{all_} := [{', '.join(bound)}]", all_)
            lines.append(line)
        keys = [self.term(inner, 0) if path + rest[:2] == "[{}] :" else self.pick(*inner) for _ in range(path.count("{}"))]
        self.rules.append(f"{name}{path.format(*keys)}{rest % self.answer(inner, depth=1)} if {{\n  {NEXT.join(lines)}\n}}")

    def text(self) -> str:
        """As this engine is asked."""
        return spelled("\n\n".join(["package test", HELPERS, *self.rules]) + "\n", OURS, THEIRS)

    def rival(self) -> str:
        """As regopy is asked."""
        return spelled("\n\n".join(["package test", HELPERS + THEIR_HELPERS, *self.rules]) + "\n", THEIRS, OURS)


def document(random: Random, levels: int) -> Any:
    """A value of JSON, so many levels deep at most."""
    kind = random.randrange(4) if levels else 0
    if kind < 2:
        return random.choice(LEAVES)
    if kind == 2:
        return [document(random, levels - 1) for _ in range(random.randrange(4))]
    return {name: document(random, levels - 1) for name in KEYS if random.randrange(2)}


def documents(random: Random) -> dict[str, Any]:
    """An input, or the data: of a shape that the made references mostly meet."""
    found = {"a": {"a": random.choice(LEAVES), "b": document(random, 2)}, "b": [document(random, 2) for _ in range(random.randint(1, 3))]}
    return found | ({"c": document(random, 2)} if random.randrange(2) else {})


@st.composite
def samples(draw: Callable[[Any], Any]) -> tuple[Policy, dict[str, Any], dict[str, Any]]:
    """A policy, an input and data.

    Drawn as bits: of numbers and texts hypothesis also tries those that stand in whatever modules are loaded, so that a day's samples
    would depend on which tests ran before.
    """
    random = Random(sum(draw(st.booleans()) << place for place in range(48)))
    made = Policy(random)
    for _ in range(made.pick(0, 1, 2)):
        made.mirror()
    for _ in range(made.pick(1, 2, 2, 3)):
        made.rule()
    return made, documents(random), documents(random)
