"""What is at hand while one function is planned: its locals, the block that statements go to, what each variable is bound to.

Statements after a scan go into the scan's block: nothing closes it before the region ends that it stands in. Called by all of `planner`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeAlias

from flyball.rego.error import NOWHERE, Place
from flyball.rego.gate.trie import Node
from flyball.rego.gate.walk import variables
from flyball.rego.ir import Assign, Block, Const, Local, Operand, Scan, Stmt
from flyball.rego.tree import Ref, Term
from flyball.rego.value import key
from flyball.rego.work import STMT, WIDE, spend

INPUT: Local = 0
DATA: Local = 1


@dataclass(frozen=True, slots=True)
class Carried:
    """A value that takes a function's place: the `index`-th of those that every function of this context is handed."""

    index: int


# What is called in a function's place: another function by name, a constant, a rule, or a value that is carried along.
Mock: TypeAlias = "tuple[str, ...] | Const | Ref | Carried"


@dataclass(frozen=True, slots=True)
class Context:
    """What `with` has changed around here. A rule is planned once for each context that it is needed in.

    Attributes:
        mocks: which functions are replaced, by dotted name.
        shadows: paths below `data` at which no rules count.
        carried: how many values every function is handed beyond input and data.
    """

    mocks: tuple[tuple[str, Any], ...] = ()
    shadows: frozenset[tuple[Any, ...]] = frozenset()
    carried: int = 0

    def mock(self, name: str) -> Any:
        """What takes a function's place; None where nothing does."""
        return dict(self.mocks).get(name)

    def with_mock(self, name: str, mock: Any) -> "Context":
        """This context with one more function replaced."""
        return replace(self, mocks=tuple(sorted((dict(self.mocks) | {name: mock}).items())))

    def with_carried(self, name: str, mock: Carried) -> "Context":
        """This context with a function replaced by a value that is carried along."""
        return replace(self.with_mock(name, mock), carried=mock.index + 1)

    def with_shadow(self, path: tuple[Any, ...]) -> "Context":
        """This context with a document in place of all rules at a path."""
        return replace(self, shadows=self.shadows | {path})

    def inside(self) -> "Context":
        """This context inside of what took a function's place: there every function is itself again."""
        return Context(shadows=self.shadows)

    def child(self, node: Node, name: Any) -> Node | None:
        """The node below `node`, unless `with` has put a document there."""
        found = node.children.get(key(name))
        return found if found and found.path not in self.shadows else None


class Maker(Protocol):
    """Who makes functions: see `rule`."""

    root: Node

    def function(self, node: Node, context: Context) -> str:
        """The name of the function for the rules at a node, planned for a context."""

    def builtin(self, name: str, place: Place) -> str:
        """The name of a builtin, noted as needed."""


class Frame:
    """One function, plan or query while it is planned."""

    def __init__(self, maker: Maker, context: Context) -> None:
        self.maker = maker
        self.context = context
        self.carried: tuple[Operand, ...] = ()
        self.bound: dict[str, Operand] = {}
        self.done: dict[int, Operand] = {}
        self.known: dict[Any, Local] = {}
        self.place: Place = NOWHERE
        self.next: Local = 2
        self.current: list[Stmt] = []
        self.scans: list[tuple[list[Stmt], Scan]] = []

    def local(self) -> Local:
        """A local that nothing uses yet."""
        self.next += 1
        return self.next - 1

    def emit(self, stmt: Stmt) -> None:
        """Adds a statement where planning stands."""
        spend(STMT)
        object.__setattr__(stmt, "place", self.place)  # nobody else has it yet
        self.current.append(stmt)

    def once(self, mark: Any, plan: Callable[[Local], Stmt]) -> Local:
        """The local that a statement gives; planned only if no statement that has run before gives the same."""
        if mark not in self.known:
            self.known[mark] = self.local()
            self.emit(plan(self.known[mark]))
        return self.known[mark]

    def scan(self, source: Operand) -> Scan:
        """Opens a scan: all that follows in this region happens for each of its members."""
        found = Scan(self.named(source), self.local(), self.local(), (), place=self.place)
        self.scans.append((self.current, found))
        self.current = []
        return found

    def named(self, operand: Operand) -> Local:
        """The operand as a local."""
        if isinstance(operand, int):
            return operand
        found = self.local()
        self.emit(Assign(operand, found))
        return found

    def region(self, plan: Callable[[], object]) -> Block:
        """What `plan` emits, as a block of its own. Variables bound inside are unbound after it."""
        spend((len(self.bound) + len(self.known)) >> WIDE)
        before = self.current, self.scans, self.bound, self.known
        self.current, self.scans, self.bound, self.known = [], [], dict(self.bound), dict(self.known)
        plan()
        for outer, scan in reversed(self.scans):
            outer.append(replace(scan, block=tuple(self.current)))
            self.current = outer
        found = tuple(self.current)
        self.current, self.scans, self.bound, self.known = before
        return found

    def bind(self, name: str, operand: Operand) -> None:
        """Binds a variable. `input` and `data` are copied, because `with` changes them in place."""
        if operand in (INPUT, DATA):  # a constant is no key of a set
            copy = self.local()
            self.emit(Assign(operand, copy))
            operand = copy
        self.bound[name] = operand

    def unbound(self, term: Term) -> set[str]:
        """The variables of a term that have no value yet."""
        return {name for name in variables(term) if name not in self.bound}

    def unbound_in(self, terms: Iterable[Term]) -> set[str]:
        """The variables of terms that have no value yet."""
        return {name for term in terms for name in self.unbound(term)}
