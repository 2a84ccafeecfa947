"""Rules: each node with rules becomes a function of the plan. Called by `build`.

| rules | function |
|---|---|
| complete, or a function | one value; another is a conflict. Where all clauses give the same constant, the first that holds ends it |
| `p contains x` | a set that every clause adds to |
| `p[x].q := y` and what stands below it | an object that every clause inserts into, longest paths first |
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from flyball.rego.builtin import REFUSED, TABLE
from flyball.rego.error import Mistake, Place, Refused
from flyball.rego.gate.note import TYPE
from flyball.rego.gate.trie import Node, steps
from flyball.rego.ir import (
    Assign,
    AssignOnce,
    Block,
    Blocks,
    Const,
    Dot,
    Func,
    IsDefined,
    IsKind,
    IsUndefined,
    Local,
    MakeObject,
    MakeSet,
    ObjectInsert,
    ObjectInsertOnce,
    Operand,
    Plan,
    Reset,
    ResultAdd,
    ReturnLocal,
    SetAdd,
    Stmt,
)
from flyball.rego.planner.frame import Context
from flyball.rego.planner.line import Lines
from flyball.rego.planner.term import ground
from flyball.rego.tree import Body, Ref, Rule, Scalar, Term, Var
from flyball.rego.value import UNDEFINED, equal
from flyball.rego.work import FUNC, at, spend


class Functions:
    """The functions of one program, planned as they are needed."""

    def __init__(self, root: Node) -> None:
        self.root = root
        self.names: dict[tuple[Any, ...], str] = {}
        self.taken: set[str] = set()
        self.contexts: dict[Context, int] = {}
        self.waiting: deque[tuple[Node, Context, str]] = deque()
        self.done: list[Func] = []
        self.builtins: set[str] = set()

    def function(self, node: Node, context: Context) -> str:
        """The name of the function for the rules at a node; planned later, so that long chains of rules need no deep stack."""
        mark = (node.path, context)
        spend(1 + len(context.mocks) + len(context.shadows))
        if mark not in self.names:
            number = self.contexts.setdefault(context, len(self.contexts))
            name = ".".join((f"g{number}", "data", *map(str, node.path)))
            self.names[mark] = name if name not in self.taken else f"{name}#{len(self.names)}"
            self.taken.add(self.names[mark])
            self.waiting.append((node, context, self.names[mark]))
        return self.names[mark]

    def builtin(self, name: str, place: Place) -> str:
        """The name of a builtin, noted as needed.

        Raises:
            Refused: it is one that is refused, and here nothing has taken its place.
        """
        if name in REFUSED and name not in TABLE:
            what = f"unsafe built-in function calls in expression: {name}"
            raise Refused([Mistake(place, TYPE, what, f"{name} is refused: {REFUSED[name]}")])
        self.builtins.add(name)
        return name

    def plan(self, name: str, body: Body, results: Sequence[tuple[str, Term]]) -> Plan:
        """A plan whose every result is an object of these names."""
        frame = Lines(self, Context())
        self.contexts.setdefault(Context(), 0)

        def result() -> None:
            frame.lines(body)
            target = frame.local()
            values = frame.terms([term for _, term in results])
            frame.emit(MakeObject(target))
            for (key, _), value in zip(results, values, strict=True):
                frame.emit(ObjectInsert(target, Const(key), value))
            frame.emit(ResultAdd(target))

        return Plan(name, (frame.region(result),))

    def finish(self) -> tuple[Func, ...]:
        """Plans all functions that are needed."""
        while self.waiting:
            node, context, name = self.waiting.popleft()
            at(node.rules[0].place)
            spend(FUNC)
            self.done.append(_Function(self, node, context).made(name))
        return tuple(self.done)


class _Function(Lines):
    """The function for the rules at one node, in one context."""

    def __init__(self, maker: Functions, node: Node, context: Context) -> None:
        super().__init__(maker, context)
        self.node = node
        self.carried = tuple(self.local() for _ in range(context.carried))
        self.params = tuple(self.local() for _ in range(node.arity or 0))
        self.result: Local = self.local()

    def made(self, name: str) -> Func:
        """The function."""
        rules = self.node.rules
        self.place = rules[0].place
        gathers = self.node.open or any(one.key is not None for one in rules)
        blocks = self._gathered() if gathers else self._complete()
        path = () if self.carried else (name.partition(".")[0], *map(str, self.node.path))
        params = (0, 1, *(one for one in self.carried if isinstance(one, int)), *self.params)
        return Func(name, params, self.result, blocks, path, place=rules[0].place)

    def _one(self, stmt: Stmt, *more: Stmt) -> Block:
        def emit() -> None:
            for one in (stmt, *more):
                self.emit(one)

        return self.region(emit)

    # ---------------------------------------------------------------- complete rules and functions

    def _complete(self) -> tuple[Block, ...]:
        clauses = [rule for rule in self.node.rules if not rule.default]
        default = next((rule for rule in self.node.rules if rule.default), None)
        values = [ground(_value(branch)) for rule in clauses for branch in _branches(rule)]
        same = bool(values) and values[0] is not UNDEFINED and all(equal(values[0], value) for value in values)
        blocks: list[Block] = []
        for rule in clauses:
            if same:
                blocks += [self.region(lambda branch=branch: self._clause(branch, self._ended)) for branch in _branches(rule)]  # type: ignore[misc]  # bound now, not later
            elif rule.otherwise:
                blocks.append(self._chain(rule, alone=len(clauses) == 1))
            else:
                blocks.append(self.region(lambda rule=rule: self._clause(rule, self._ended if len(clauses) == 1 else self._once)))  # type: ignore[misc]  # bound now, not later
        if default:
            self.place = default.place
            blocks.append(self.region(lambda: self._default(default)))
        self.place = clauses[0].place if clauses else self.place
        return (*blocks, self._one(ReturnLocal(self.result)))

    def _default(self, rule: Rule) -> None:
        self.emit(IsUndefined(self.result))
        self.emit(Assign(self.term(_value(rule)), self.result))

    def _clause(self, rule: Rule, then: Callable[[Operand], None]) -> None:
        """One clause: its parameters, its body, then what is done with its value."""
        self.place = rule.place
        for param, arg in zip(self.params, rule.args or (), strict=True):
            self.unify_with(param, arg)
        self.lines(rule.body)
        self.place = rule.place
        then(self.term(_value(rule)))

    def _ended(self, value: Operand) -> None:
        """The first value is the only one, unless the clause goes through something and has another each time."""
        if self.scans and not isinstance(value, Const):
            self._once(value)
        else:
            self.emit(Assign(value, self.result))
            self.emit(ReturnLocal(self.result))

    def _once(self, value: Operand) -> None:
        self.emit(AssignOnce(value, self.result))

    def _chain(self, rule: Rule, *, alone: bool) -> Block:
        """A clause with `else`: the first branch with a value counts."""
        target = self.result if alone else self.local()
        blocks: list[Block] = []
        for number, branch in enumerate(_branches(rule)):

            def planned(branch: Rule = branch, first: bool = number == 0) -> None:  # noqa: FBT001 - bound now, not later
                if not first:
                    self.emit(IsUndefined(target))
                self._clause(branch, lambda value: self.emit(AssignOnce(value, target)))

            blocks.append(self.region(planned))
        if not alone:
            blocks.append(self._one(IsDefined(target), AssignOnce(target, self.result)))
        return self._one(Blocks(tuple(blocks)))

    # ---------------------------------------------------------------- partial sets and objects

    def _gathered(self) -> tuple[Block, ...]:
        first, rules = self.node.rules[0], list(self.node.rules)
        if not self.node.open:
            made: Stmt = MakeSet(self.result)
        else:
            made = MakeObject(self.result)
            rules += [rule for node in self.node.below() for rule in node.rules if not self._shadowed(node)]
            rules.sort(key=lambda rule: (-len(steps(rule)), rule.key is None))
        blocks = [self._one(made)]
        for rule in rules:
            blocks += [self.region(lambda branch=branch: self._member(branch)) for branch in _branches(rule)]  # type: ignore[misc]  # bound now, not later
        self.place = first.place
        return (*blocks, self._one(ReturnLocal(self.result)))

    def _shadowed(self, node: Node) -> bool:
        return any(node.path[:end] in self.context.shadows for end in range(len(self.node.path) + 1, len(node.path) + 1))

    def _member(self, rule: Rule) -> None:
        """One clause: a member, at the end of a path of objects."""
        self.place = rule.place
        self.lines(rule.body)
        self.place = rule.place
        rest = steps(rule)[len(self.node.path) :]
        *names, value = self.terms((*rest, rule.key if rule.key is not None else _value(rule)))
        source = self.result
        last = len(names) - (rule.key is None)
        for place, name in enumerate(names[:last]):
            source = self._inside(source, name, "set" if place == last - 1 and rule.key is not None else "object")
        self.emit(SetAdd(source, value) if rule.key is not None else ObjectInsertOnce(source, names[-1], value))

    def _inside(self, source: Local, name: Operand, kind: str) -> Local:
        """What stands at a key, made where nothing does. Where something else does, inserting is the conflict that it should be."""
        found, target = self.local(), self.local()
        make = MakeSet(target) if kind == "set" else MakeObject(target)
        self.emit(Reset(target))
        there = self._one(Dot(source, name, found), IsKind(found, kind), Assign(found, target))
        absent = self._one(IsUndefined(target), make, ObjectInsertOnce(source, name, target))
        self.emit(Blocks((there, absent)))
        return target


def _branches(rule: Rule) -> list[Rule]:
    found = [rule]
    while found[-1].otherwise:
        found.append(found[-1].otherwise)
    return found


def _value(rule: Rule) -> Term:
    return rule.value if rule.value is not None else Scalar(value=True, place=rule.place)


def entry(path: Sequence[str], place: Place) -> Ref | Var:
    """The term for a path below `data`."""
    head = Var("data", place)
    return Ref(head, tuple(Scalar(name, place) for name in path), place) if path else head
