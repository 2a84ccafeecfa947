"""What generated code may name: the values, functions and builtins of one program, each by a number."""

import ast
from typing import Any

from flyball.rego.code import node

PLAIN = frozenset({str, int, float, bool, type(None)})


class Pool:
    """The global names of one compiled program."""

    def __init__(self, names: dict[str, Any]) -> None:
        self.names = names
        self._known: dict[tuple[str, int], str] = {}

    def hold(self, prefix: str, value: Any) -> str:
        """The name of a value; the same object has the same name."""
        known = (prefix, id(value))
        if known not in self._known:
            self._known[known] = f"{prefix}{len(self._known)}"
            self.names[self._known[known]] = value
        return self._known[known]

    def const(self, value: Any) -> ast.expr:
        """A constant: written in place where Python has a literal for it."""
        return node.const(value) if type(value) in PLAIN else node.name(self.hold("c", value))


class Names:
    """The variables of one function that is being made."""

    def __init__(self) -> None:
        self.unset: set[int] = set()  # locals that are read where they may not have been set
        self.metered = False
        self._count = 0

    def fresh(self, prefix: str) -> str:
        """A variable that nothing else uses."""
        self._count += 1
        return f"{prefix}{self._count}"
