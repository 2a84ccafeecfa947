"""Calls of rules, functions and builtins, and of whatever `with` puts in their place."""

from abc import abstractmethod
from collections.abc import Sequence

from flyball.rego.gate.trie import Node
from flyball.rego.ir import Call, Const, Operand
from flyball.rego.planner.frame import DATA, INPUT, Carried, Frame
from flyball.rego.tree import Ref, Term


class Calls(Frame):
    """A frame that plans calls with planned operands."""

    @abstractmethod
    def term(self, term: Term) -> Operand:
        """Plans a term; its value."""

    def call(self, name: tuple[str, ...], args: Sequence[Operand]) -> Operand:
        """Plans a call with planned operands; whatever `with` puts in its place."""
        dotted_name = ".".join(name)
        mock = self.context.mock(dotted_name)
        if isinstance(mock, Const):
            return mock
        if isinstance(mock, Carried):
            return self.carried[mock.index]
        if isinstance(mock, Ref):
            return self.term(mock)
        before = self.context
        carried = self.carried
        if mock:
            name, self.context, self.carried = mock, before.inside(), ()
        result = self.local()
        node = self.maker.root.find(name[1:]) if name[0] == "data" else None
        if node:
            self.emit(Call(self.maker.function(node, self.context), (*self.roots, *args), result))
        else:
            self.emit(Call(self.maker.builtin(".".join(name), self.place), tuple(args), result))
        self.context, self.carried = before, carried
        return result

    @property
    def roots(self) -> tuple[Operand, ...]:
        """What every function is handed before its own arguments."""
        return (INPUT, DATA, *self.carried)

    def rule(self, node: Node) -> Operand:
        """Plans the value of the rules at a node."""
        function, roots = self.maker.function(node, self.context), self.roots
        return self.once(("rule", function, roots), lambda target: Call(function, roots, target))
