"""Reads the plan that the compiler made and refuses what it should have refused. Called by `backends/policy_*`.

The plan is OPA's intermediate representation as JSON (https://www.openpolicyagent.org/docs/latest/ir/): functions made
of blocks of statements on numbered locals; local 0 is the input, local 1 the data. Rows and columns count from 0 there.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from flyball.rego.source import BUILTINS, Finding

# What operators and keywords of the language compile to.
_OPERATORS = "equal neq gt gte lt lte plus minus mul div rem and or union intersection"
OPERATORS = frozenset([*_OPERATORS.split(), "internal.member_2", "internal.member_3"])
_UNDEFINED = "the engine takes it for undefined, and a rule that reads it never fires"
_READS = ("source", "object", "array", "set")
Stmt = tuple[str, Mapping[str, Any]]
Named = tuple[str, Mapping[str, Any]]


def lint(plan: Mapping[str, Any], schema: Mapping[str, Any], data: Mapping[str, Any]) -> Iterator[Finding]:
    """Unknown or miscalled functions, locals that nothing assigns, recursion, unknown input fields, values and tables.

    `schema` is the JSON Schema (2020-12, `$ref` into `#/$defs` only) of the input; `data` the tables beside the rules.
    """
    funcs = plan["funcs"].get("funcs") or []
    files = [str(entry["value"]) for entry in plan["static"].get("files") or []]
    strings = [_unquoted(str(entry["value"])) for entry in plan["static"].get("strings") or []]
    arity = {func["name"]: len(func["params"]) for func in funcs}
    builtin = {entry["name"]: len(entry["decl"]["args"]) for entry in plan["static"].get("builtin_funcs") or []}
    for func in funcs:
        view = _Func(func, files, strings)
        yield from view.lint_calls(arity, builtin)
        yield from view.lint_locals()
        yield from _Paths(view, schema, data).lint()
    yield from _lint_cycles(funcs, files)


class _Func:
    """One function of the plan and what its positions mean."""

    def __init__(self, func: Mapping[str, Any], files: Sequence[str], strings: Sequence[str]) -> None:
        self.func = func
        self.files = files
        self.strings = strings
        self.stmts = list(_walk(func["blocks"]))
        self.home = next((stmt for _, stmt in self.stmts if "file" in stmt), {})

    def finding(self, stmt: Mapping[str, Any], what: str, why: str, fix: str) -> Finding:
        where = stmt if "file" in stmt else self.home
        place = int(where.get("file", 0))
        file = self.files[place] if place < len(self.files) else ""
        return Finding(file, int(where.get("row", 0)) + 1, int(where.get("col", 0)) + 1, what, why, fix)

    def lint_calls(self, arity: Mapping[str, int], builtin: Mapping[str, int]) -> Iterator[Finding]:
        for kind, stmt in self.stmts:
            if kind in {"CallDynamicStmt", "WithStmt"}:
                what, why = f"a {kind} in the plan", "what it reads cannot be checked at load"
                yield self.finding(stmt, what, why, "name the rule or the table that is meant")
            if kind != "CallStmt":
                continue
            name, given = str(stmt["func"]), len(stmt["args"])
            wanted = arity.get(name, builtin.get(name, -1) if name in BUILTINS | OPERATORS else -1)
            if wanted < 0:
                yield self.finding(stmt, f"unknown function `{name}`", _UNDEFINED, "only pure builtins are available")
            elif wanted != given:
                hidden = 2 if name in arity else 0
                what = f"`{name.rsplit('.', 1)[-1]}` takes {wanted - hidden} arguments and is given {given - hidden}"
                yield self.finding(stmt, what, _UNDEFINED, "correct the call")

    def lint_locals(self) -> Iterator[Finding]:
        written = set(self.func["params"])
        for kind, stmt in self.stmts:
            written |= {stmt[key] for key in ("target", "result") if isinstance(stmt.get(key), int)}
            if kind == "ScanStmt":
                written |= {stmt["key"], stmt["value"]}
        for kind, stmt in self.stmts:
            reads = {stmt[key] for key in _READS if isinstance(stmt.get(key), int)}
            operands = [stmt.get(key) for key in ("source", "key", "value", "a", "b")] + list(stmt.get("args") or [])
            reads |= {it["value"] for it in operands if isinstance(it, Mapping) and it.get("type") == "local"}
            if not reads <= written:
                what = "a variable that nothing binds"
                yield self.finding(stmt, f"{what} in `{kind}`", _UNDEFINED, "bind it with `:=` or `some x in xs`")
                return

    def text(self, operand: Any) -> str | None:
        """The text that an operand is, if it is a constant one."""
        if isinstance(operand, Mapping) and operand.get("type") == "string_index":
            return self.strings[operand["value"]]
        return None


class _Paths:
    """Follows the locals of one function that hold parts of the input or of the data, along constant keys."""

    def __init__(self, view: _Func, schema: Mapping[str, Any], data: Mapping[str, Any]) -> None:
        self.view = view
        self.schema = schema
        self.shapes: dict[int, Named] = {0: ("input", schema)}
        self.tables: dict[int, Named] = {1: ("data", data)}

    def lint(self) -> Iterator[Finding]:
        for kind, stmt in self.view.stmts:
            source = _local(stmt.get("source"))
            if source in self.shapes and kind == "AssignVarStmt":
                self.shapes[stmt["target"]] = self.shapes[source]
            elif source in self.tables and kind == "AssignVarStmt":
                self.tables[stmt["target"]] = self.tables[source]
            elif source in self.shapes and kind == "ScanStmt":
                name, shape = self.shapes[source]
                self.shapes[stmt["value"]] = (f"{name}[_]", _inside(shape, self.schema))
            elif source in self.shapes and kind == "DotStmt":
                yield from self.lint_field(stmt, *self.shapes[source])
            elif source in self.tables and kind == "DotStmt":
                yield from self.lint_table(stmt, *self.tables[source])
            elif kind in {"EqualStmt", "NotEqualStmt"}:
                yield from self.lint_equal(stmt, stmt["a"], stmt["b"])
            elif kind == "CallStmt" and stmt["func"] == "neq":
                yield from self.lint_equal(stmt, *stmt["args"])

    def lint_field(self, stmt: Mapping[str, Any], name: str, shape: Mapping[str, Any]) -> Iterator[Finding]:
        key = self.view.text(stmt["key"])
        found = _field(shape, key, self.schema)
        if found is None:
            yield self.view.finding(stmt, f"unknown field `{name}.{key}`", _UNDEFINED, "see input.schema.json")
        else:
            self.shapes[stmt["target"]] = (f"{name}[_]" if key is None else f"{name}.{key}", found)

    def lint_table(self, stmt: Mapping[str, Any], name: str, table: Mapping[str, Any]) -> Iterator[Finding]:
        key = self.view.text(stmt["key"])
        if key is not None and key not in table:
            yield self.view.finding(stmt, f"unknown table `{name}.{key}`", _UNDEFINED, "add it to data.yaml")
        elif key is not None and isinstance(table[key], Mapping):
            self.tables[stmt["target"]] = (f"{name}.{key}", table[key])

    def lint_equal(self, stmt: Mapping[str, Any], one: Any, other: Any) -> Iterator[Finding]:
        for held, constant in ((_local(one), other), (_local(other), one)):
            text, (name, shape) = self.view.text(constant), self.shapes.get(held, ("", {}))
            if text is not None and text not in shape.get("enum", [text]):
                allowed = ", ".join(str(it) for it in shape["enum"])
                what, why = f"`{name}` is never `{text}`", "a rule that compares them never fires as meant"
                yield self.view.finding(stmt, what, why, f"use one of {allowed}")


def _lint_cycles(funcs: Sequence[Mapping[str, Any]], files: Sequence[str]) -> Iterator[Finding]:
    calls = {func["name"]: {s["func"] for kind, s in _walk(func["blocks"]) if kind == "CallStmt"} for func in funcs}
    for func in funcs:
        reached, todo = set[str](), list(calls[func["name"]])
        while todo:
            name = todo.pop()
            if name not in reached:
                reached.add(name)
                todo += calls.get(name, ())
        if func["name"] in reached:
            what = f"`{str(func['name']).rsplit('.', 1)[-1]}` calls itself"
            yield _Func(func, files, ()).finding({}, what, "recursion need not end", "break the circle of rules")


def _walk(blocks: Any) -> Iterator[Stmt]:
    """Every statement below, in the order of the source."""
    if isinstance(blocks, Mapping):
        if isinstance(blocks.get("stmt"), Mapping):
            yield str(blocks["type"]), blocks["stmt"]
        for value in blocks.values():
            yield from _walk(value)
    elif isinstance(blocks, list):
        for value in blocks:
            yield from _walk(value)


def _local(operand: Any) -> int:
    if isinstance(operand, Mapping) and operand.get("type") == "local":
        return int(operand["value"])
    return operand if isinstance(operand, int) and not isinstance(operand, bool) else -1


def _resolved(shape: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follows one `$ref` into `$defs`."""
    name = str(shape.get("$ref", "")).removeprefix("#/$defs/")
    found: Mapping[str, Any] = schema["$defs"][name] if name else shape
    return found


def _inside(shape: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The shape of what an array or an open object holds; {} = anything."""
    held = shape.get("items", shape.get("additionalProperties", {}))
    return _resolved(held, schema) if isinstance(held, Mapping) else {}


def _field(shape: Mapping[str, Any], key: str | None, schema: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The shape of a field; None = there is no such field."""
    if key is None or "properties" not in shape:
        return None if shape.get("type") not in {None, "object", "array"} else _inside(shape, schema)
    if key in shape["properties"]:
        return _resolved(shape["properties"][key], schema)
    return None if shape.get("additionalProperties") is False else _inside(shape, schema)


def _unquoted(text: str) -> str:
    """rego-cpp leaves some strings of its plan in their quotes."""
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text
