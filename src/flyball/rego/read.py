"""Reads a plan that OPA made (`opa build -t plan`, plan.json) into the nouns of `ir`, or refuses it. Called by `policy`.

The format is in OPA's documentation (https://www.openpolicyagent.org/docs/latest/ir/). Nothing of it is believed: every index, operand,
call and break is checked here, so that what is made from the result cannot go wrong.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from flyball.rego import ir
from flyball.rego.builtin import REFUSED, TABLE
from flyball.rego.error import NOWHERE, Mistake, Place, Refused
from flyball.rego.work import FOUND, JSON, spend

Fields = Mapping[str, Any]
CODE: Final = "rego_compile_error"
DEEPEST: Final = 200  # blocks within blocks; OPA's planner makes a handful
DIGITS: Final = 4_000  # of a whole number; Python writes no more than 4,300
MOST_LOCALS: Final = 1_000_000


class _Fault(Exception):
    """What is wrong with the plan, and where."""

    def __init__(self, what: str, place: Place = NOWHERE) -> None:
        super().__init__(what)
        self.mistake = Mistake(place, CODE, what)


def read(plan: Fields | bytes | str) -> ir.Program:
    """The program that a plan says; raises Refused with everything that is wrong with it."""
    whole = parsed_plan(plan)
    try:
        return _Reader(whole).program()
    except _Fault as fault:
        raise Refused([fault.mistake]) from None
    except RecursionError:
        raise Refused([Mistake(NOWHERE, CODE, "the plan is nested too deeply")]) from None


def parsed_plan(plan: Fields | bytes | str) -> Fields:
    """A plan, from its text where that is what there is; raises Refused."""
    if isinstance(plan, bytes | str):
        spend(len(plan) >> JSON)
    try:
        whole = json.loads(plan) if isinstance(plan, bytes | str) else plan
    except (ValueError, RecursionError) as fault:
        raise Refused([Mistake(NOWHERE, CODE, f"the plan is no JSON: {fault}")]) from None
    if not isinstance(whole, Mapping):
        raise Refused([Mistake(NOWHERE, CODE, "the plan is no object")])
    return whole


def _object(value: Any, what: str) -> Fields:
    if not isinstance(value, Mapping):
        raise _Fault(f"{what} is no object")
    return value


def _list(value: Any, what: str) -> list[Any]:
    """A list; OPA writes an empty one as null."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise _Fault(f"{what} is no array")
    return value


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise _Fault(f"{what} is no string")
    return value


def _whole(value: Any, what: str, below: int = MOST_LOCALS) -> int:
    if type(value) is not int or not 0 <= value < below:
        raise _Fault(f"{what} is no whole number below {below}")
    return value


def number(text: str) -> int | float:
    """The number that its text says, or a ValueError."""
    try:
        return int(text)
    except ValueError:
        found = float(text)
    if math.isfinite(found):
        return found
    exact = Decimal(text)
    if not exact.is_finite() or exact.adjusted() > DIGITS:
        raise ValueError(f"{text} is too large")
    return int(exact)


class _Reader:
    """One plan being read."""

    def __init__(self, plan: Fields) -> None:
        static = _object(plan.get("static") or {}, "static")
        self.strings = [_text(_object(one, "a string").get("value"), "a string") for one in _list(static.get("strings"), "strings")]
        self.files = [_text(_object(one, "a file").get("value"), "a file") for one in _list(static.get("files"), "files")]
        self.funcs = _named(plan, "funcs")
        self.plans = _named(plan, "plans")
        self.arity = {one["name"]: len(_list(one.get("params"), "params")) for one in self.funcs}
        self.used: set[str] = set()

    def program(self) -> ir.Program:
        funcs = tuple(self.func(one) for one in self.funcs)
        plans = tuple(ir.Plan(one["name"], self.blocks(one.get("blocks"), 0)) for one in self.plans)
        refuse_circles(funcs)
        return ir.Program(plans, funcs, frozenset(self.used))

    def func(self, one: Fields) -> ir.Func:
        params = tuple(_whole(local, "a parameter") for local in _list(one.get("params"), "params"))
        if params[:2] != ir.DOCUMENTS or len(set(params)) != len(params):
            raise _Fault(f"the function {one['name']} does not take input, data and different locals")
        path = tuple(_text(part, "a path") for part in _list(one.get("path"), "path"))
        blocks = self.blocks(one.get("blocks"), 0)
        if any(isinstance(stmt, ir.ResultAdd) for stmt in ir.walk(blocks)):
            raise _Fault(f"the function {one['name']} adds to the results of a plan")
        return ir.Func(one["name"], params, _whole(one.get("return"), "return"), blocks, path, _first_place(blocks))

    def blocks(self, blocks: Any, depth: int) -> tuple[ir.Block, ...]:
        return tuple(self.block(one, depth) for one in _list(blocks, "blocks"))

    def block(self, block: Any, depth: int) -> ir.Block:
        if depth > DEEPEST:
            raise _Fault(f"blocks are nested more than {DEEPEST} deep")
        return tuple(self.stmt(_object(one, "a statement"), depth) for one in _list(_object(block, "a block").get("stmts"), "stmts"))

    def stmt(self, one: Fields, depth: int) -> ir.Stmt:
        kind = one.get("type")
        make = STMTS.get(kind) if isinstance(kind, str) else None
        if make is None:
            raise _Fault(f"{kind} is no statement that this version knows")
        fields = _object(one.get("stmt"), f"{kind}")
        spend(FOUND)
        place = self.place(fields)
        try:
            made = make(_Stmt(self, fields, depth))
        except _Fault as fault:
            if fault.mistake.place is NOWHERE:
                raise _Fault(f"{kind}: {fault.mistake.what}", place) from None
            raise
        object.__setattr__(made, "place", place)
        return made

    def place(self, fields: Fields) -> Place:
        """Where a statement stands; all zero where the plan does not say."""
        file = fields.get("file", 0)
        row, col = fields.get("row", 0), fields.get("col", 0)
        if not all(type(one) is int and one >= 0 for one in (file, row, col)):
            raise _Fault("a place is no file, row and column")
        return Place(self.files[file] if file < len(self.files) else "", row, col)


class _Stmt:
    """The fields of one statement."""

    def __init__(self, reader: _Reader, fields: Fields, depth: int) -> None:
        self.reader = reader
        self.fields = fields
        self.depth = depth

    def local(self, name: str) -> int:
        return _whole(self.fields.get(name), name)

    def target(self, name: str = "target") -> int:
        """A local that is written: any but input and data."""
        local = self.local(name)
        if local in ir.DOCUMENTS:
            raise _Fault(f"{name} is input or data")
        return local

    def operand(self, name: str) -> ir.Operand:
        return self._operand(self.fields.get(name), name)

    def _operand(self, value: Any, name: str) -> ir.Operand:
        held = _object(value, name)
        kind, what = held.get("type"), held.get("value")
        if kind == "local":
            return _whole(what, name)
        if kind == "string_index":
            return ir.Const(self.reader.strings[_whole(what, name, len(self.reader.strings))])
        if kind == "bool" and isinstance(what, bool):
            return ir.Const(what)
        raise _Fault(f"{name} is no operand")

    def operands(self, name: str) -> tuple[ir.Operand, ...]:
        return tuple(self._operand(one, name) for one in _list(self.fields.get(name), name))

    def locals(self, name: str) -> tuple[int, ...]:
        return tuple(_whole(one, name) for one in _list(self.fields.get(name), name))

    def texts(self, name: str) -> tuple[str, ...]:
        strings = self.reader.strings
        return tuple(strings[_whole(one, name, len(strings))] for one in _list(self.fields.get(name), name))

    def block(self) -> ir.Block:
        return self.reader.block(self.fields.get("block"), self.depth + 1)

    def whole(self) -> int:
        value = self.fields.get("value")
        if type(value) is not int:
            raise _Fault("value is no whole number")
        return value

    def number(self) -> int | float:
        strings = self.reader.strings
        index = self.fields["Index"] if "Index" in self.fields else self.fields.get("index")
        try:
            return number(strings[_whole(index, "index", len(strings))])
        except ValueError:
            raise _Fault("index is no number") from None


def _call(at: _Stmt) -> ir.Call:
    name = _text(at.fields.get("func"), "func")
    args = at.operands("args")
    reader = at.reader
    if name in reader.arity:
        if args[:2] != ir.DOCUMENTS:
            raise _Fault(f"{name} is not given input and data")
        wanted = reader.arity[name]
    elif name in TABLE:
        wanted = len(TABLE[name].signature.args)
        reader.used.add(name)
    else:
        why = REFUSED.get(name)
        raise _Fault(f"the builtin {name} is not available here: {why}" if why else f"there is no function {name}")
    if len(args) != wanted:
        raise _Fault(f"{name} takes {wanted} operands and is given {len(args)}")
    return ir.Call(name, args, at.target("result"))


def _dynamic(at: _Stmt) -> ir.CallDynamic:
    args = at.locals("args")
    if args[:2] != ir.DOCUMENTS:
        raise _Fault("a dynamic call is not given input and data")
    return ir.CallDynamic(at.operands("path"), args, at.target("result"))


def _break(at: _Stmt) -> ir.Break:
    return ir.Break(_whole(at.fields.get("index"), "index", at.depth + 1))


def _with(at: _Stmt) -> ir.With:
    return ir.With(_whole(at.fields.get("local"), "local", 2), at.texts("path"), at.operand("value"), at.block())


STMTS: Final[Mapping[str, Callable[[_Stmt], ir.Stmt]]] = {
    "ArrayAppendStmt": lambda at: ir.ArrayAppend(at.target("array"), at.operand("value")),
    "AssignIntStmt": lambda at: ir.Assign(ir.Const(at.whole()), at.target()),
    "AssignVarOnceStmt": lambda at: ir.AssignOnce(at.operand("source"), at.target()),
    "AssignVarStmt": lambda at: ir.Assign(at.operand("source"), at.target()),
    "BlockStmt": lambda at: ir.Blocks(at.reader.blocks(at.fields.get("blocks"), at.depth + 1)),
    "BreakStmt": _break,
    "CallDynamicStmt": _dynamic,
    "CallStmt": _call,
    "DotStmt": lambda at: ir.Dot(at.operand("source"), at.operand("key"), at.target()),
    "EqualStmt": lambda at: ir.Equal(at.operand("a"), at.operand("b")),
    "IsArrayStmt": lambda at: ir.IsKind(at.operand("source"), "array"),
    "IsDefinedStmt": lambda at: ir.IsDefined(at.local("source")),
    "IsObjectStmt": lambda at: ir.IsKind(at.operand("source"), "object"),
    "IsSetStmt": lambda at: ir.IsKind(at.operand("source"), "set"),
    "IsUndefinedStmt": lambda at: ir.IsUndefined(at.local("source")),
    "LenStmt": lambda at: ir.Len(at.operand("source"), at.target()),
    "MakeArrayStmt": lambda at: ir.MakeArray(at.target()),
    "MakeNullStmt": lambda at: ir.Assign(ir.Const(None), at.target()),
    "MakeNumberIntStmt": lambda at: ir.Assign(ir.Const(at.whole()), at.target()),
    "MakeNumberRefStmt": lambda at: ir.Assign(ir.Const(at.number()), at.target()),
    "MakeObjectStmt": lambda at: ir.MakeObject(at.target()),
    "MakeSetStmt": lambda at: ir.MakeSet(at.target()),
    "NopStmt": lambda _: ir.Nop(),
    "NotEqualStmt": lambda at: ir.NotEqual(at.operand("a"), at.operand("b")),
    "NotStmt": lambda at: ir.Not(at.block()),
    "ObjectInsertOnceStmt": lambda at: ir.ObjectInsertOnce(at.target("object"), at.operand("key"), at.operand("value")),
    "ObjectInsertStmt": lambda at: ir.ObjectInsert(at.target("object"), at.operand("key"), at.operand("value")),
    "ObjectMergeStmt": lambda at: ir.ObjectMerge(at.local("a"), at.local("b"), at.target()),
    "ResetLocalStmt": lambda at: ir.Reset(at.target()),
    "ResultSetAddStmt": lambda at: ir.ResultAdd(at.local("value")),
    "ReturnLocalStmt": lambda at: ir.ReturnLocal(at.local("source")),
    "ScanStmt": lambda at: ir.Scan(at.local("source"), at.target("key"), at.target("value"), at.block()),
    "SetAddStmt": lambda at: ir.SetAdd(at.target("set"), at.operand("value")),
    "WithStmt": _with,
}


def _named(plan: Fields, what: str) -> list[Fields]:
    """The functions or plans, their names checked."""
    found = [_object(one, what) for one in _list(_object(plan.get(what) or {}, what).get(what), what)]
    names = [_text(one.get("name"), f"the name of one of {what}") for one in found]
    if len(set(names)) != len(names):
        raise _Fault(f"two of {what} have the same name")
    return found


def _first_place(blocks: tuple[ir.Block, ...]) -> Place:
    return next((stmt.place for block in blocks for stmt in block if stmt.place.row), NOWHERE)


def calls(blocks: tuple[ir.Block, ...]) -> Iterator[ir.Call]:
    """Every call in these blocks."""
    for stmt in ir.walk(blocks):
        if isinstance(stmt, ir.Call):
            yield stmt


def refuse_circles(funcs: tuple[ir.Func, ...]) -> None:
    """Raises where a function calls itself, directly or through others."""
    below = {func.name: [call.func for call in calls(func.blocks)] for func in funcs}
    done: set[str] = set()
    for func in funcs:
        path: list[tuple[str, Iterator[str]]] = [(func.name, iter(below[func.name]))] if func.name not in done else []
        on_path = {func.name}
        while path:
            name, rest = path[-1]
            callee = next((one for one in rest if one in below and one not in done), None)
            if callee is None:
                done.add(name)
                on_path.discard(name)
                path.pop()
            elif callee in on_path:
                raise Refused([Mistake(func.place, "rego_recursion_error", f"{callee} calls itself")])
            else:
                on_path.add(callee)
                path.append((callee, iter(below[callee])))
