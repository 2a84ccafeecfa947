"""The types of terms, as far as they are known. Called by `kind`."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence

from flyball.rego.builtin import TABLE
from flyball.rego.gate import shape
from flyball.rego.gate.trie import Names, Node
from flyball.rego.gate.walk import dotted, parts
from flyball.rego.tree import Array, Body, Call, Comprehension, Object, Ref, Scalar, SetOf, Template, Term, Var
from flyball.rego.type import ANY, STRING, Signature, Type, array, object_of, set_of
from flyball.rego.work import spend


class World:
    """The types of all documents: rules that are typed already, and the input."""

    def __init__(self, root: Node, given: Type) -> None:
        self.root = root
        self.given = given
        self.values: dict[Names, Type] = {}
        self.functions: dict[Names, Signature] = {}

    def document(self, path: Sequence[Term]) -> tuple[Type, int]:
        """The type of the longest part of a path below `data` that is known, and how long that part is."""
        node: Node | None = self.root
        for place, step in enumerate(path):
            node = node.find((step.value,)) if node and isinstance(step, Scalar) else None
            if node is None:
                return ANY, len(path)
            if node.rules:
                return self.values.get(node.path, ANY), place + 1
        return object_of(STRING, ANY), len(path)


class Types:
    """The types in one body. `locals` are those of its variables, `made` those of the comprehensions that were gone into.

    A comprehension is gone into once: closures in closures, each asked twice, would take as long as there are ways to go.
    """

    def __init__(self, world: World, known: Mapping[str, Type] | None = None) -> None:
        self.world = world
        self.locals: dict[str, Type] = dict(known or {})
        self.made: dict[int, Type] = {}

    @abstractmethod
    def body(self, body: Body) -> None:
        """The lines of a body, in order."""

    @abstractmethod
    def inside(self) -> "Types":
        """The types in a body inside of this one; its mistakes are told elsewhere."""

    def signature(self, call: Call) -> Signature | None:
        """What a function takes and gives."""
        if call.name[0] == "data":
            return self.world.functions.get(call.name[1:])
        found = TABLE.get(".".join(call.name))
        return found.signature if found else None

    def names_function(self, term: Term) -> bool:
        """Whether a term names a function of the set."""
        names = dotted(term) if isinstance(term, Ref) else ()
        return bool(names) and names[0] == "data" and names[1:] in self.world.functions

    def start(self, ref: Ref) -> tuple[Type | None, int]:
        """The type that a reference starts from, and how many of its steps are behind it."""
        if ref.head == Var("data"):
            return self.world.document(ref.path)
        return (self.world.given if ref.head == Var("input") else self.type(ref.head)), 0

    def into(self, kind: Type, step: Term) -> Type | None:
        """The type behind one step; None where there can be nothing."""
        wanted = shape.keys(kind)
        if wanted is None:
            return None
        if isinstance(step, Scalar):
            return shape.select(kind, step.value)
        return shape.values(kind) if self.match(step, wanted) else None

    def type(self, term: Term) -> Type | None:  # noqa: PLR0911 - one for each kind of term
        """The type of a term; None where it is not known yet."""
        spend(1)
        if isinstance(term, Scalar):
            return shape.scalar(term.value)
        if isinstance(term, Var):
            return self.locals.get(term.name) if term.name not in {"input", "data"} else self._root(term.name)
        if isinstance(term, Ref):
            return self._type_of_ref(term)
        if isinstance(term, Call):
            found = self.signature(term)
            return found.result if found else None
        if isinstance(term, Comprehension):
            return self._type_of_comprehension(term)
        if isinstance(term, Template):
            return STRING
        return self._type_of_composite(term)

    def _root(self, name: str) -> Type:
        return self.world.given if name == "input" else object_of(STRING, ANY)

    def _type_of_ref(self, ref: Ref) -> Type | None:
        kind, start = self.start(ref)
        for step in ref.path[start:]:
            if kind is None:
                return None
            kind = shape.select(kind, step.value) if isinstance(step, Scalar) else shape.values(kind)
        return kind

    def _type_of_composite(self, term: Array | SetOf | Object) -> Type:
        if isinstance(term, Array):
            return shape.small(array(*(self.type(item) or ANY for item in term.items), of=None if term.items else ANY))
        if isinstance(term, SetOf):
            return shape.small(set_of(shape.join(map(self.type, term.items))))
        if all(isinstance(name, Scalar) and isinstance(name.value, str) for name, _ in term.pairs) and term.pairs:
            static = {str(name.value): self.type(value) or ANY for name, value in term.pairs if isinstance(name, Scalar)}
            return shape.small(object_of(static=static))
        return object_of(shape.join(self.type(name) for name, _ in term.pairs), shape.join(self.type(value) for _, value in term.pairs))

    def _type_of_comprehension(self, term: Comprehension) -> Type:
        if id(term) not in self.made:
            inside = self.inside()
            inside.body(term.body)
            self.made[id(term)] = gives(term, inside)
        return self.made[id(term)]

    def same(self, left: Term, right: Term) -> bool:
        """Whether two terms can be equal; what is not known on one side is learned from the other."""
        for one, other in ((left, right), (right, left)):
            kind = self.type(other)
            if kind is not None and not self.match(one, kind):
                return False
        return True

    def match(self, term: Term, kind: Type) -> bool:
        """Whether a term can have a type; variables without one get it."""
        spend(1)
        if isinstance(term, Var) and term.name not in {"input", "data"}:
            known = self.locals.get(term.name)
            if known is None:
                self.locals[term.name] = kind
                return True
            return shape.unifies(known, kind)
        if isinstance(term, Array | Object | SetOf):
            fits = [self._composite(term, branch) for branch in shape.branches(kind)]
            return any(fits)
        return shape.unifies(self.type(term), kind)

    def _composite(self, term: Array | Object | SetOf, kind: Type) -> bool:
        if kind == ANY:
            inner = [(part, ANY) for part in parts(term)]
        elif isinstance(term, Array):
            first = shape.members(kind)
            if kind.kind != "array" or (len(term.items) != len(first) and kind.dynamic is None) or len(term.items) < len(first):
                return False
            inner = [(item, first[place] if place < len(first) else kind.dynamic or ANY) for place, item in enumerate(term.items)]
        elif isinstance(term, SetOf):
            if kind.kind != "set":
                return False
            inner = [(item, kind.dynamic or ANY) for item in term.items]
        else:
            if kind.kind != "object":
                return False
            found = [(value, shape.select(kind, name.value) if isinstance(name, Scalar) else ANY) for name, value in term.pairs]
            if any(one is None for _, one in found) and len(found) > len(shape.properties(kind)):
                return False
            inner = [(value, one or ANY) for value, one in found]
        return all([self.match(part, one) for part, one in inner])  # noqa: C419 - every part is to be learned from


def gives(term: Comprehension, inside: Types) -> Type:
    """The type of a comprehension, given the types in its body."""
    kind = inside.type(term.head) or ANY
    if term.kind == "object":
        return object_of((inside.type(term.key) if term.key is not None else None) or ANY, kind)
    return array(of=kind) if term.kind == "array" else set_of(kind)


def shown(kind: Type | None) -> str:
    """A type as people read it."""
    return "any" if kind is None else str(kind)
