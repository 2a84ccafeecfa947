"""The rules of a set by their paths: which rules a reference may mean. Called by the gate's stages and the planner.

A rule stands at the ground part of its path: `p[x].q` at `p`. All clauses of a name stand at one node.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from flyball.rego.gate.walk import ground_prefix
from flyball.rego.tree import Ref, Rule, Scalar, Term, Var
from flyball.rego.value import key
from flyball.rego.work import spend

Names = tuple[Any, ...]


@dataclass(slots=True)
class Node:
    """One place below `data`. `rules` are those whose ground path ends here."""

    path: Names = ()
    rules: list[Rule] = field(default_factory=list)
    children: dict[Any, "Node"] = field(default_factory=dict)

    @property
    def arity(self) -> int | None:
        """How many arguments the function here takes; None where there is none."""
        return len(self.rules[0].args) if self.rules and self.rules[0].args is not None else None

    @property
    def open(self) -> bool:
        """Whether a rule's path goes on with something that is known only when it runs."""
        return any(len(steps(rule)) > len(self.path) for rule in self.rules)

    def below(self) -> Iterator["Node"]:
        """All nodes below this one, in order."""
        spend(len(self.children))
        for name in sorted(self.children, key=str):
            yield self.children[name]
            yield from self.children[name].below()

    def find(self, names: Iterable[Any]) -> "Node | None":
        """The node at a path from here."""
        node: Node | None = self
        for name in names:
            node = node.children.get(key(name)) if node else None
        return node


def steps(rule: Rule) -> tuple[Term, ...]:
    """The path of a rule below `data`."""
    return rule.name.path if isinstance(rule.name, Ref) else ()


def plant(rules: Iterable[Rule], packages: Iterable[Names] = ()) -> Node:
    """The trie of these rules; packages without rules have a node too."""
    root = Node()
    for rule in rules:
        _place(root, tuple(one.value for one in ground_prefix(steps(rule)))).rules.append(rule)
    for package in packages:
        _place(root, package)
    return root


def _place(root: Node, names: Names) -> Node:
    node = root
    for name in names:
        node = node.children.setdefault(key(name), Node((*node.path, name)))
    return node


def meant(root: Node, ref: Ref) -> Iterator[Node]:
    """Every node with rules that a reference from `data` may need: on its path, and below its end."""
    if ref.head == Var("data"):
        yield from _meant(root, ref.path)


def _meant(node: Node, path: tuple[Term, ...]) -> Iterator[Node]:
    spend(1)
    if node.rules:
        yield node
    if not path:
        yield from (one for one in node.below() if one.rules)
        return
    step = path[0]
    if isinstance(step, Scalar):
        child = node.children.get(key(step.value))
        if child:
            yield from _meant(child, path[1:])
        return
    for child in node.children.values():
        yield from _meant(child, path[1:])
