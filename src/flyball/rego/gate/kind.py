"""Stage 6: types. Refuses what can never hold: operands that a builtin does not take, values that never match, references into nothing.

Types flow through a body from top to bottom, as it runs; rules are typed before those that need them. With a schema of the input, every
reference into it is checked too. What is not known may be anything. Called by the gate.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from flyball.rego.gate import schema as json_schema
from flyball.rego.gate import shape, show
from flyball.rego.gate.infer import Types, World, gives, shown
from flyball.rego.gate.note import TYPE, Notes
from flyball.rego.gate.trie import Names, Node, steps
from flyball.rego.gate.walk import ground_prefix, is_binary, parts
from flyball.rego.tree import (
    Body,
    Call,
    Comprehension,
    Every,
    Expr,
    Ref,
    Rule,
    Scalar,
    Some,
    SomeIn,
    Template,
    Term,
)
from flyball.rego.type import ANY, BOOLEAN, Signature, Type, object_of, set_of
from flyball.rego.work import WIDE, at, spend

Graph = Mapping[Names, tuple[Names, ...]]
_LISTED: Final = 12


def check(root: Node, graph: Graph, schema: Mapping[str, Any] | None, notes: Notes) -> None:
    """Takes in the type mistakes of all rules."""
    world = World(root, json_schema.typed(schema) if schema is not None else ANY)
    for name in _order(root, graph):
        node = root.find(name)
        if node and node.rules:
            learn(world, node, notes)


def _order(root: Node, graph: Graph) -> list[Names]:
    """The rules, each after those that it needs."""
    done: dict[Names, None] = {}
    for node in root.below():
        waiting = [(node.path, iter(graph.get(node.path, ())))]
        while waiting:
            name, others = waiting[-1]
            following = next((one for one in others if one not in done), None)
            if following is None:
                done[name] = None
                waiting.pop()
            else:
                waiting.append((following, iter(graph.get(following, ()))))
    return list(done)


def learn(world: World, node: Node, notes: Notes) -> None:
    """Checks the rules at a node, and notes their type."""
    found: list[Type] = []
    signatures: list[Signature] = []
    for rule in node.rules:
        branch: Rule | None = rule
        while branch:
            before = len(notes.mistakes)
            at(branch.place)
            checker = Checker(world, notes)
            checker.body(branch.body)
            kind = checker.head(branch)
            kind = kind if len(notes.mistakes) == before else ANY
            if branch.args is not None:
                args = tuple(checker.type(arg) or ANY for arg in branch.args)
                signatures.append(Signature(args, kind))
            found.append(kind)
            branch = branch.otherwise
    if node.arity is not None:
        columns = zip(*(one.args for one in signatures), strict=False)
        world.functions[node.path] = Signature(tuple(map(shape.join, columns)), shape.join(one.result for one in signatures))
    else:
        world.values[node.path] = object_of(ANY, ANY) if node.open and node.children else merged(found)


def merged(types: Sequence[Type]) -> Type:
    """The type of a document that several clauses make."""
    if types and all(one.kind == "set" for one in types):
        return set_of(shape.join(one.dynamic for one in types))
    if types and all(one.kind == "object" and not one.static for one in types):
        return object_of(shape.join(one.names for one in types), shape.join(one.dynamic for one in types))
    return shape.join(types)


class Checker(Types):
    """Checks one body."""

    def __init__(self, world: World, notes: Notes, known: Mapping[str, Type] | None = None) -> None:
        super().__init__(world, known)
        spend(len(self.locals) >> WIDE)
        self.notes = notes

    def inside(self) -> "Checker":
        """A checker for a body inside of this one; its mistakes are told elsewhere."""
        return Checker(self.world, Notes(), self.locals)

    def head(self, rule: Rule) -> Type:
        """The type of what a rule makes: of its value, of the set or of the objects around it."""
        rest = steps(rule)[len(ground_prefix(steps(rule))) :]
        for term in (*rest, *(one for one in (rule.key, rule.value) if one is not None)):
            self._term(term)
        if rule.key is not None:
            kind = set_of(self.type(rule.key) or ANY)
        else:
            kind = (self.type(rule.value) or ANY) if rule.value is not None else BOOLEAN
        for step in reversed(rest):
            kind = object_of(self.type(step) or ANY, kind)
        return kind

    def body(self, body: Body) -> None:
        """The lines of a body, in order."""
        for expr in body:
            spend(1)
            self._line(expr)

    def _line(self, expr: Expr) -> None:
        what = expr.what
        for one in expr.withs:
            if not self.names_function(one.value):
                self._term(one.value)
        if isinstance(what, Every):
            self._every(what)
        elif isinstance(what, Call):
            self._call_line(what)
        elif not isinstance(what, Some | SomeIn):
            self._term(what)

    def _every(self, what: Every) -> None:
        self._term(what.domain)
        domain = self.type(what.domain)
        inside = Checker(self.world, self.notes, self.locals)
        if domain is not None:
            for side, kind in ((what.key, shape.keys(domain)), (what.value, shape.values(domain))):
                if side is not None and kind is not None:
                    inside.match(side, kind)
        inside.body(what.body)

    def _call_line(self, call: Call) -> None:
        for arg in call.args:
            self._term(arg)
        if is_binary(call, "eq", "equal"):
            left, right = call.args
            if not self.same(left, right):
                what = f"match error: left: {shown(self.type(left))}, right: {shown(self.type(right))}"
                self.notes.wrong(call.place, TYPE, what, "the two sides are never equal: compare values of one type")
        else:
            self._operands(call)

    # ---------------------------------------------------------------- terms

    def _term(self, term: Term) -> None:
        """Checks a term and all inside it."""
        if isinstance(term, Comprehension):
            inside = Checker(self.world, self.notes, self.locals)
            inside.body(term.body)
            for side in (term.key, term.head):
                if side is not None:
                    inside._term(side)
            self.made[id(term)] = gives(term, inside)
            return
        if isinstance(term, Template):
            for part in term.parts:
                if not isinstance(part, str | Expr):
                    self._term(part)
            return
        for part in parts(term):
            self._term(part)
        if isinstance(term, Call):
            self._operands(term)
        elif isinstance(term, Ref):
            self._reference(term)

    def _operands(self, call: Call) -> None:
        signature = self.signature(call)
        if signature is None:
            return
        wanted = (*signature.args, signature.result)
        for arg, kind in zip(call.args, wanted, strict=False):
            if not self.match(arg, kind):
                have = ", ".join(shown(self.type(one)) for one in call.args)
                want = ", ".join(shown(one) for one in wanted[: len(call.args)])
                what = f"{show.path(call.name)}: invalid argument(s): have ({have}), want ({want})"
                self.notes.wrong(call.place, TYPE, what, f"{show.term(arg)} is {shown(self.type(arg))}, and {shown(kind)} is wanted")
                return

    def _reference(self, ref: Ref) -> None:
        """Walks along a reference; the first step into nothing is a mistake."""
        if self.names_function(ref):
            name = show.term(ref)
            self.notes.wrong(ref.place, TYPE, f"undefined ref: {name}", f"{name} is a function: call it")
            return
        kind, start = self.start(ref)
        for place, step in enumerate(ref.path[start:], start):
            if kind is None:
                return
            inside = self.into(kind, step)
            if inside is None:
                self._undefined(ref, place, kind)
                return
            kind = inside

    def _undefined(self, ref: Ref, place: int, kind: Type) -> None:
        before = show.term(Ref(ref.head, ref.path[:place], ref.place)) if place else show.term(ref.head)
        known = sorted({str(name) for branch in shape.branches(kind) for name in shape.properties(branch)})
        step, what = ref.path[place], f"undefined ref: {show.term(ref)}"
        if known and isinstance(step, Scalar):
            close = self.notes.near(str(step.value), lambda: known, 0.6)
            listed = ", ".join(known[:_LISTED]) + (", ..." if len(known) > _LISTED else "")
            self.notes.wrong(ref.place, TYPE, what, f"{f'did you mean {close}? ' if close else ''}{before} has {listed}")
        else:
            self.notes.wrong(ref.place, TYPE, what, f"{before} is {shown(kind)}: there is nothing at {show.term(step)}")
