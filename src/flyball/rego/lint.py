"""What a set of policies says in vain: rules that no rule reads, tables or rules that are not there. Called by `backends/policy_native`.

OPA takes all of this as it is. A misspelt `deny` is a rule that nobody reads, and a misspelt table is undefined: both are silent.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any

from flyball.rego.builtin import TABLE
from flyball.rego.error import NOWHERE, Mistake, Place
from flyball.rego.tree import Call, Import, Module, Ref, Rule, Scalar, Var

CODE = "rego_compile_error"
Path = tuple[str, ...]


def lint(modules: Iterable[Module], entrypoints: Iterable[str], data: Mapping[str, Any]) -> Iterator[Mistake]:
    """Every mistake in modules as parsed; `entrypoints` are paths such as `flyball/answer`; `data` the tables beside the rules.

    Rules named `test_*` or `todo_test_*` are read by whoever runs tests.
    """
    held = list(modules)
    asked = {tuple(one.split("/")) for one in entrypoints}
    rules = {(*module.package, name_of(rule)) for module in held for rule in module.rules}
    first = Place(held[0].file, 1, 1) if held else NOWHERE
    for path in sorted(asked - rules):
        yield Mistake(first, CODE, f"no rule `{'.'.join(path)}`", "it is what is asked: define it")
    yield from _unread(held, asked)
    for module in held:
        yield from _lost(module, held, rules, data)


def name_of(rule: Rule) -> str:
    """The first part of a rule's name: `p` of `p.q[x]`."""
    head = rule.name.head if isinstance(rule.name, Ref) else rule.name
    return head.name if isinstance(head, Var) else ""


def _unread(modules: list[Module], asked: set[Path]) -> Iterator[Mistake]:
    read = {path[-1] for path in asked}
    for module in modules:
        for rule in module.rules:
            read |= {name for name in _names(rule) if name != name_of(rule)}
    for module in modules:
        for rule in module.rules:
            name = name_of(rule)
            if name in TABLE:
                yield Mistake(rule.place, CODE, f"a rule named `{name}`", "it hides the builtin of that name: choose another name")
            if name not in read and not name.startswith(("test_", "todo_test_")):
                yield Mistake(rule.place, CODE, f"no rule reads `{name}`", "it changes no answer: correct its name, or remove it")


def _names(node: Any) -> Iterator[str]:
    """Every variable, every function and every constant part of a reference below a node."""
    for one in _everything(node):
        if isinstance(one, Var):
            yield one.name
        elif isinstance(one, Call):
            yield from one.name
        elif isinstance(one, Ref):
            yield from (part.value for part in one.path if isinstance(part, Scalar) and isinstance(part.value, str))


def _everything(node: Any) -> Iterator[Any]:
    """A node of the tree and every node below it."""
    waiting = [node]
    while waiting:
        one = waiting.pop()
        kind: Any = type(one)
        if kind is tuple:
            waiting += reversed(one)
        elif names := _inside(kind):
            yield one
            waiting += [getattr(one, name) for name in names]


@cache
def _inside(kind: Any) -> tuple[str, ...]:
    """The fields of a kind of node that hold others, last first; none for what is no node."""
    if not is_dataclass(kind):
        return ()
    return tuple(field.name for field in reversed(fields(kind)) if field.name not in {"place", "metadata", "text"})


def _lost(module: Module, modules: list[Module], rules: set[Path], data: Mapping[str, Any]) -> Iterator[Mistake]:
    aliases = {one.alias or one.path[-1]: one.path[1:] for one in module.imports if one.path[0] == "data"}
    packages = {one.package for one in modules}
    said: list[Import | Ref] = [*module.imports, *(one for one in _everything(module.rules) if isinstance(one, Ref))]
    for one in said:
        path = _path(one, aliases)
        if path is not None and (lost := _missing(path, packages, rules, data)):
            yield Mistake(one.place, CODE, f"there is no `data.{lost}`", "it is undefined: correct its name, or add it to the tables")


def _path(one: Import | Ref, aliases: Mapping[str, Path]) -> Path | None:
    """The constant beginning of a path into `data`, without `data` itself."""
    if isinstance(one, Import):
        return one.path[1:] if one.path[0] == "data" else None
    head = one.head.name if isinstance(one.head, Var) else ""
    if head != "data" and head not in aliases:
        return None
    said = list(aliases.get(head, ()))
    for part in one.path:
        if not isinstance(part, Scalar) or not isinstance(part.value, str):
            break
        said.append(part.value)
    return tuple(said)


def _missing(path: Path, packages: set[Path], rules: set[Path], data: Mapping[str, Any]) -> str:
    """The first part of a path that is neither a package, a rule nor in the tables; or nothing."""
    table: Any = data
    for end in range(1, len(path) + 1):
        here = path[:end]
        if here in rules:
            return ""
        table = table.get(here[-1]) if isinstance(table, Mapping) else None
        if table is None and not any(package[:end] == here for package in packages):
            return ".".join(here)
        if table is not None and not isinstance(table, Mapping):
            return ""
    return ""


# ---- words that a field never has


def lint_words(modules: Iterable[Module], schema: Mapping[str, Any]) -> Iterator[Mistake]:
    """Comparisons of a field of the input with a text that is none of those that it may have (`enum` in the input's JSON Schema)."""
    for module in modules:
        for call in (one for one in _everything(module.rules) if isinstance(one, Call)):
            for field, other in (call.args, call.args[::-1]) if call.name[-1] in COMPARE and len(call.args) == len(PAIR) else ():
                words = _words(field, schema)
                if words and isinstance(other, Scalar) and isinstance(other.value, str) and other.value not in words:
                    yield Mistake(other.place, CODE, f"it is never `{other.value}`", f"it is one of {', '.join(words)}")


COMPARE = ("equal", "eq", "neq")
PAIR = ("left", "right")


def _words(field: Any, schema: Mapping[str, Any]) -> list[str]:
    """The texts that a field may have; nothing where it may have any, or is no field of the input."""
    if not isinstance(field, Ref) or not isinstance(field.head, Var) or field.head.name != "input":
        return []
    shape: Any = schema
    for part in field.path:
        known = shape.get("properties", {})
        named = isinstance(part, Scalar) and part.value in known
        shape = known[part.value] if named and isinstance(part, Scalar) else shape.get("items", shape.get("additionalProperties"))
        if not isinstance(shape, Mapping):
            return []
        name = str(shape.get("$ref", "")).removeprefix("#/$defs/")
        shape = schema["$defs"][name] if name else shape
    words = shape.get("enum", ())
    return [str(word) for word in words]
