"""Graphs: an object from each node to an array or set of the nodes that its edges lead to."""

from collections.abc import Iterable
from typing import Any

from flyball.rego.builtin.desk import MEMBERS, builtin, mistyped, too_large
from flyball.rego.type import ANY, ARRAY, SET, array, object_of, one_of, set_of
from flyball.rego.value import Set, key, ordered, unkey

_NODES = one_of(ARRAY, SET)
_GRAPH = (object_of(ANY, _NODES), _NODES)


def _edges(value: Any) -> Iterable[Any]:
    """The nodes that an edge leads to; none where `value` is no collection."""
    return value if type(value) is list else ordered(value) if type(value) is Set else ()


def _checked(name: str, graph: Any, start: Any) -> None:
    if type(graph) is not dict or type(start) not in {list, Set}:
        raise mistyped(name, graph, start)


@builtin("graph.reachable", _GRAPH, SET)
def reachable(graph: Any, start: Any) -> Set:
    """The nodes of the graph that can be reached from these, themselves included."""
    _checked("graph.reachable", graph, start)
    found = Set()
    waiting = [key(node) for node in start]
    while waiting:
        name = waiting.pop()
        if name in graph and name not in found.held:
            found.held[name] = unkey(name)
            waiting += map(key, _edges(graph[name]))
    return found


@builtin("graph.reachable_paths", _GRAPH, set_of(array(of=ANY)))
def reachable_paths(graph: Any, start: Any) -> Set:
    """Every path from these nodes as far as it goes: to a node without edges, out of the graph, or to a node that it has been at."""
    _checked("graph.reachable_paths", graph, start)
    found, steps = Set(), 0
    waiting: list[list[Any]] = [[key(node)] for node in _edges(start) if key(node) in graph]
    while waiting:
        path = waiting.pop()
        steps += len(path)
        if steps > MEMBERS:
            raise too_large("graph.reachable_paths", MEMBERS, "steps of paths")
        nexts = [key(node) for node in _edges(graph[path[-1]])]
        if not nexts or any(name in path or name not in graph for name in nexts):
            found.add([unkey(name) for name in path])
        waiting += [[*path, name] for name in nexts if name in graph and name not in path]
    return found
