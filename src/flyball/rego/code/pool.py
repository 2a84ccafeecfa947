"""What generated code may name: the values of one program and the variables of one function, each by a number."""

import ast
from collections.abc import Callable, Hashable
from typing import Any, Final

from flyball.rego.code import node
from flyball.rego.code.node import Code
from flyball.rego.run import DATA, INPUT, METER, VIEW

PLAIN: Final = frozenset({str, int, float, bool, type(None)})
PLACES: Final = {"k": METER, "l0": INPUT, "l1": DATA, "q": VIEW}  # what a function takes from its memory


class Pool:
    """The global names of one compiled program."""

    def __init__(self, names: dict[str, Any]) -> None:
        self.names = names
        self._known: dict[int, str] = {}
        self._made: dict[Hashable, str] = {}

    def hold(self, prefix: str, value: Any) -> str:
        """The name of a value; the same object has the same name."""
        if id(value) not in self._known:
            self._known[id(value)] = f"{prefix}{len(self._known)}"
            self.names[self._known[id(value)]] = value
        return self._known[id(value)]

    def once(self, what: Hashable, value: Callable[[], Any]) -> str:
        """The name of a value that is made when it is first needed."""
        if what not in self._made:
            self._made[what] = self.hold("b", value())
        return self._made[what]

    def const(self, value: Any) -> ast.expr:
        """A constant: written in place where Python has a literal for it."""
        return node.const(value) if type(value) in PLAIN else node.name(self.hold("c", value))


class Names:
    """The variables of one function that is being made."""

    def __init__(self) -> None:
        self.unset: set[str] = set()  # variables that are read where they may not have been set
        self.taken: set[str] = set()  # those of `PLACES` that are read
        self._count = 0

    def fresh(self, prefix: str) -> str:
        """A variable that nothing else uses."""
        self._count += 1
        return f"{prefix}{self._count}"

    def take(self, name: str) -> ast.expr:
        """A variable, taken from the memory if it is one of `PLACES`."""
        if name in PLACES:
            self.taken.add(name)
        return node.name(name)

    def prologue(self) -> Code:
        """What stands at the start of the function."""
        taken: Code = [node.let(name, node.item(node.name("m"), node.const(PLACES[name]))) for name in sorted(self.taken)]
        return [*taken, *(node.let(name, node.name("U")) for name in sorted(self.unset))]
