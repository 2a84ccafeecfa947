"""Stage 2: what is called: unknown functions, wrong numbers of arguments, refused builtins, targets of `with`. Called by the gate."""

from collections.abc import Iterable, Sequence
from typing import Final

from flyball.rego.builtin import REFUSED, TABLE
from flyball.rego.gate import show
from flyball.rego.gate.note import COMPILE, TYPE, Notes
from flyball.rego.gate.trie import Node
from flyball.rego.gate.walk import all_lines, all_terms, dotted
from flyball.rego.tree import Call, Ref, Rule, Var, With

# Names of Rego v0 and of other versions, with what takes their place.
_RENAMED: Final = {
    "any": "use `some x in xs; x`, or `true in xs`",
    "all": "use `every x in xs { x }`",
    "re_match": "use regex.match",
    "set_diff": "use the operator -",
    "net.cidr_overlap": "use net.cidr_contains or net.cidr_intersects",
    "cast_array": "check with is_array",
    "cast_set": "check with is_set",
    "cast_string": "check with is_string",
    "cast_boolean": "check with is_boolean",
    "cast_null": "check with is_null",
    "cast_object": "check with is_object",
}
_FIXED: Final = ("eq", "rego.metadata.chain", "rego.metadata.rule")
# What the compiler itself takes care of, with the number of arguments.
_OWN: Final = {"eq": 2, "assign": 2, "rego.metadata.chain": 0, "rego.metadata.rule": 0}
_MOCKED: Final = "with keyword replacing built-in function: "


def check(rules: Sequence[Rule], root: Node, notes: Notes) -> None:
    """Takes in the mistakes of every call and every `with`."""
    written = [(rule, list(all_lines(rule))) for rule in rules]
    mocked = {".".join(dotted(one.target)) for _, lines in written for line in lines for one in line.withs}
    for rule, lines in written:
        whole = {id(line.what) for line in lines}
        for term in all_terms(rule):
            if isinstance(term, Call):
                _called(term, root, notes, may_capture=id(term) in whole, mocked=mocked)
        for line in lines:
            for one in line.withs:
                _with(one, root, notes)


def arity(name: tuple[str, ...], root: Node) -> int | None:
    """How many arguments a function takes; None where there is no such function."""
    if name[0] == "data":
        node = root.find(name[1:])
        return node.arity if node else None
    text = ".".join(name)
    if text in _OWN:
        return _OWN[text]
    found = TABLE.get(text)
    return len(found.signature.args) if found else None


def captures(call: Call, root: Node) -> bool:
    """Whether the last argument of a call that is a line of its own takes the result (`count(xs, n)`)."""
    takes = arity(call.name, root)
    return takes is not None and len(call.args) == takes + 1


def _called(call: Call, root: Node, notes: Notes, *, may_capture: bool, mocked: Iterable[str]) -> None:
    name = ".".join(call.name)
    if name == "print":
        return
    takes, given = arity(call.name, root), len(call.args)
    if call.name[0] != "data" and name in REFUSED:
        if name not in mocked:
            notes.wrong(call.place, TYPE, f"unsafe built-in function calls in expression: {name}", f"{name} is refused: {REFUSED[name]}")
    elif takes is None:
        notes.wrong(call.place, TYPE, f"undefined function {show.path(call.name)}", _meant(call.name, root, notes))
    elif given != takes and not (may_capture and given == takes + 1):
        what = f"function {show.path(call.name)} has arity {takes}, got {given} argument{'' if given == 1 else 's'}"
        notes.wrong(call.place, TYPE, what, f"give it {takes} argument{'' if takes == 1 else 's'}")


def _meant(name: tuple[str, ...], root: Node, notes: Notes) -> str:
    """What to do about a function that is not there."""
    text = ".".join(name)
    if text in _RENAMED:
        return f"{text} is no function of Rego v1: {_RENAMED[text]}"
    if name[0] == "data":
        node = root.find(name[1:])
        if node and node.rules:
            return f"{show.path(name)} is a rule, no function: write it without the brackets"
    close = notes.near(name[-1] if name[0] == "data" else text, lambda: _functions(name, root), 0.7)
    return f"did you mean {close}?" if close else "define it, import it, or name a builtin"


def _functions(name: tuple[str, ...], root: Node) -> list[str]:
    """The functions that may have been meant by a name, by the last part of theirs where it is a path."""
    if name[0] == "data":
        package = root.find(name[1:-1])
        return [f"{one.path[-1]}" for one in (package.children.values() if package else ()) if one.arity is not None]
    found = [node for node in root.below() if node.arity is not None]
    return [*TABLE, *(".".join(node.path) for node in found), *(str(node.path[-1]) for node in found)]


def _with(one: With, root: Node, notes: Notes) -> None:
    names = dotted(one.target)
    if isinstance(one.target, Ref) and not names:
        notes.wrong(
            one.target.place, TYPE, "with keyword target must reference existing input, data, or a function", "name a path of plain names"
        )
    elif names[0] == "data":
        for end in range(2, len(names)):
            node = root.find(names[1:end])
            if node and node.rules:
                what = "with keyword cannot partially replace virtual document(s)"
                notes.wrong(one.target.place, COMPILE, what, f"replace the whole of {show.path(names[:end])}")
                return
        node = root.find(names[1:])
        if node and node.arity is not None:
            _replacement(one, node.arity, root, notes)
    elif names[0] != "input":
        _builtin(one, ".".join(names), root, notes)


def _builtin(one: With, name: str, root: Node, notes: Notes) -> None:
    found, place = TABLE.get(name), one.target.place
    if name in _FIXED:
        notes.wrong(place, COMPILE, f'{_MOCKED}replacement of "{name}" invalid', "replace the function that calls it")
    elif name.startswith("internal."):
        notes.wrong(place, COMPILE, f'{_MOCKED}replacement of internal function "{name}" invalid', "replace the function that calls it")
    elif found and found.relation:
        notes.wrong(place, COMPILE, f"{_MOCKED}target must not be a relation", "replace the function that calls it")
    elif found:
        _replacement(one, len(found.signature.args), root, notes)


def _replacement(one: With, takes: int, root: Node, notes: Notes) -> None:
    """A function that takes another's place must take as many arguments."""
    names = dotted(one.value)
    instead = arity(names, root) if names else None
    if isinstance(one.value, Var | Ref) and instead is not None and instead != takes:
        name = show.path(dotted(one.target))
        what = f"{name}: arity mismatch"
        notes.wrong(one.place, TYPE, what, f"{name} takes {takes}, {show.path(names)} takes {instead}")
