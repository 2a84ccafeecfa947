"""Stage 4: no rule may need itself. Called by the gate."""

from collections import deque
from collections.abc import Mapping

from flyball.rego.gate import show
from flyball.rego.gate.note import RECURSION, Notes
from flyball.rego.gate.trie import Names, Node, meant
from flyball.rego.gate.walk import all_lines, all_terms
from flyball.rego.tree import Call, Ref, Rule

Graph = Mapping[Names, tuple[Names, ...]]


def check(root: Node, notes: Notes) -> Graph:
    """Takes in every rule that needs itself, with the chain that shows it; gives which rules need which."""
    graph: dict[Names, dict[Names, None]] = {}
    for node in (root, *root.below()):
        for rule in node.rules:
            for other in needs(rule, root):
                graph.setdefault(node.path, {})[other.path] = None
    found = {name: tuple(others) for name, others in graph.items()}
    suspects = _suspects(found)
    for node in root.below():
        chain = _back(found, node.path) if node.path in suspects else ()
        if chain:
            named = [show.path(("data", *map(str, name))) for name in chain]
            what = f"rule {named[0]} is recursive: {' -> '.join(named)}"
            notes.wrong(
                node.rules[0].place, RECURSION, what, "compute it without asking for itself; graph.reachable and walk go through structures"
            )
    return found


def needs(rule: Rule, root: Node) -> list[Node]:
    """The nodes whose rules a rule may need."""
    found: list[Node] = []
    refs = [one for one in all_terms(rule) if isinstance(one, Ref) and one is not rule.name]
    refs += [one.target for line in all_lines(rule) for one in line.withs if isinstance(one.target, Ref)]
    branch = rule.otherwise
    while branch:
        refs = [one for one in refs if one is not branch.name]
        branch = branch.otherwise
    for ref in refs:
        found += meant(root, ref)
    for term in all_terms(rule):
        if isinstance(term, Call) and term.name[0] == "data":
            node = root.find(term.name[1:])
            found += [node] if node and node.rules else []
    return found


def _suspects(graph: Graph) -> set[Names]:
    """The rules that may be on a cycle: all but those that lead nowhere when what leads nowhere is taken away."""
    users: dict[Names, list[Names]] = {}
    left = {name: len(others) for name, others in graph.items()}
    for name, others in graph.items():
        for other in others:
            users.setdefault(other, []).append(name)
    waiting = [other for other in users if other not in left]
    while waiting:
        for name in users.get(waiting.pop(), ()):
            left[name] -= 1
            if not left[name]:
                waiting.append(name)
    return {name for name, count in left.items() if count}


def _back(graph: Graph, start: Names) -> tuple[Names, ...]:
    """The shortest way from a rule back to itself; empty where there is none."""
    came: dict[Names, Names] = {}
    waiting = deque([start])
    while waiting:
        name = waiting.popleft()
        for other in graph.get(name, ()):
            if other == start:
                chain = [start, name]
                while chain[-1] != start:
                    chain.append(came[chain[-1]])
                return tuple(reversed(chain))
            if other not in came:
                came[other] = name
                waiting.append(other)
    return ()
