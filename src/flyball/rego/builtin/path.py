"""Parts of documents by path: what to keep, what to remove, what to change (JSON Patch, RFC 6902).

A path is a string as JSON Pointer writes it (a slash at its start does not count), or an array of its steps.
"""

from collections.abc import Callable
from typing import Any, Final

from flyball.rego.builtin.desk import STEPS, builtin, mistyped, too_large, unfit
from flyball.rego.type import ANY, OBJECT, STRING, array, object_of, one_of, set_of
from flyball.rego.value import UNDEFINED, Set, equal, key, name_of, ordered

_STEPS: Final = one_of(STRING, array(of=ANY))
_PATHS: Final = (OBJECT, one_of(set_of(_STEPS), array(of=_STEPS)))
_PATCHES: Final = array(of=object_of(STRING, ANY, {"op": STRING, "path": ANY}))
_DIGITS: Final = 9  # of a place in an array
Tree = dict[Any, Any]  # from a step to None, where a path ends, or to the tree below


@builtin("json.filter", _PATHS, ANY)
def keep(whole: Any, paths: Any) -> Any:
    """The object with only what these paths lead to. Members of arrays that stay move together."""
    return _kept(whole, _tree("json.filter", whole, paths))


@builtin("json.remove", _PATHS, ANY)
def remove(whole: Any, paths: Any) -> Any:
    """The object without what these paths lead to."""
    return _rest(whole, _tree("json.remove", whole, paths))


def _tree(name: str, whole: Any, paths: Any) -> Tree:
    if type(whole) is not dict:
        raise mistyped(name, whole, paths)
    if type(paths) not in {list, Set}:
        raise unfit(name, 2, f"must be one of {{set, array}} but got {name_of(paths)}")
    root: Tree = {}
    for path in paths if type(paths) is list else ordered(paths):
        if type(path) not in {str, list}:
            wants = "must be one of {set, array} containing string paths or array of path segments"
            raise unfit(name, 2, f"{wants} but got {name_of(path)}")
        node: Tree | None = root
        *front, last = _steps(path) or [None]
        for step in front if path else ():
            node = node.setdefault(key(step), {}) if node is not None else None
        if path and node is not None:
            node[key(last)] = None
    return root


def _steps(path: Any) -> list[Any]:
    if type(path) is list:
        return path
    return [part.replace("~1", "/").replace("~0", "~") for part in path.lstrip("/").split("/")] if path else []


def _members(value: Any) -> list[tuple[Any, Any]]:
    """The key that a step must be, and the member. Members of arrays are reached by the digits of their place."""
    if type(value) is list:
        return [(str(place), member) for place, member in enumerate(value)]
    return list((value if type(value) is dict else value.held).items())


def _like(value: Any, members: list[tuple[Any, Any]]) -> Any:
    if type(value) is dict:
        return dict(members)
    return [member for _, member in members] if type(value) is list else Set(member for _, member in members)


def _kept(value: Any, tree: Tree) -> Any:
    if type(value) not in {dict, list, Set}:
        return value
    found = [(name, member, tree[name]) for name, member in _members(value) if name in tree]
    return _like(value, [(name, member if below is None else _kept(member, below)) for name, member, below in found])


def _rest(value: Any, tree: Tree) -> Any:
    if type(value) not in {dict, list, Set}:
        return value
    found = [(name, member, tree.get(name, UNDEFINED)) for name, member in _members(value)]
    left = [(name, member if below is UNDEFINED else _rest(member, below)) for name, member, below in found if below is not None]
    return _like(value, left)


@builtin("json.patch", (ANY, _PATCHES), ANY)
def patch(value: Any, patches: Any) -> Any:
    """The value after these changes, one after the other; undefined where one cannot be made."""
    if type(patches) is not list:
        raise mistyped("json.patch", value, patches)
    bench = _Bench(value)
    try:
        for one in patches:
            bench.apply(one)
    except _UnfitPatch:
        return UNDEFINED
    return bench.root


class _UnfitPatch(Exception):
    """A change that cannot be made."""


def _path(held: dict[Any, Any], name: str) -> list[Any]:
    if type(held.get(name)) not in {str, list}:
        raise _UnfitPatch
    return _steps(held[name])


Change = Callable[[Any, Any], None]


class _Bench:
    """A value that is being changed. Containers are copied once, before the first change; `own` keeps those copies."""

    def __init__(self, root: Any) -> None:
        self.root = root
        self.own: dict[int, Any] = {}
        self.copied = 0

    def apply(self, one: Any) -> None:
        """Makes one change."""
        held = one if type(one) is dict else {}
        what, path = held.get("op"), _path(held, "path")
        if what in {"add", "replace", "test"} and "value" in held:
            value = held["value"]
        elif what in {"move", "copy"}:
            value = self.find(_path(held, "from"))
        elif what != "remove":
            raise _UnfitPatch
        if what == "test":
            if not equal(self.find(path), value):
                raise _UnfitPatch
            return
        if what in {"remove", "replace", "move"}:
            self.change(_path(held, "from") if what == "move" else path, _delete)
        if what == "copy":
            self.own.clear()  # what is put in stands elsewhere as well
        if what != "remove":
            self.change(path, lambda node, step: _insert(node, step, value))
            self.root = self.root if path else value

    def find(self, path: list[Any]) -> Any:
        """What stands at the end of a path."""
        found = self.root
        for step in path:
            found = _child(found, step)
        return found

    def change(self, path: list[Any], how: Change) -> None:
        """Changes the container that the last step of `path` stands in. Without a step, the root is undefined until it is put in again."""
        self.root = self._changed(self.root, path, how) if path else UNDEFINED

    def _changed(self, value: Any, path: list[Any], how: Change) -> Any:
        node = self._owned(value)
        if len(path) == 1:
            how(node, path[0])
            return node
        old = _child(node, path[0])
        new = self._changed(old, path[1:], how)
        if type(node) is Set:
            del node.held[key(old)]
            node.add(new)
        else:
            node[_place(node, path[0])] = new
        return node

    def _owned(self, value: Any) -> Any:
        if id(value) in self.own:
            return value
        if type(value) not in {dict, list, Set}:
            raise _UnfitPatch
        self.copied += len(value)
        if self.copied > STEPS:
            raise too_large("json.patch", STEPS, "members to copy")
        copy = Set(value) if type(value) is Set else value.copy()
        self.own[id(copy)] = copy
        return copy


def _place(node: Any, step: Any) -> Any:
    """What `step` is in the container: the key, or the place of an array, which may be written in digits; `-` is the one after its last."""
    if type(node) is not list:
        return key(step)
    if type(step) is str:
        if step == "-":
            return len(node)
        if not (step.isascii() and step.isdigit()) or (len(step) > 1 and step[0] == "0") or len(step) > _DIGITS:
            raise _UnfitPatch
        return int(step)
    if type(step) is not int or step < 0:
        raise _UnfitPatch
    return step


def _child(node: Any, step: Any) -> Any:
    if type(node) not in {dict, list, Set}:
        raise _UnfitPatch
    place = _place(node, step)
    if type(node) is list:
        if place >= len(node):
            raise _UnfitPatch
        return node[place]
    found = (node if type(node) is dict else node.held).get(place, UNDEFINED)
    if found is UNDEFINED:
        raise _UnfitPatch
    return found


def _delete(node: Any, step: Any) -> None:
    _child(node, step)
    del (node.held if type(node) is Set else node)[_place(node, step)]


def _insert(node: Any, step: Any, value: Any) -> None:
    place = _place(node, step)
    if type(node) is list:
        if place > len(node):
            raise _UnfitPatch
        node.insert(place, value)
    elif type(node) is dict:
        node[place] = value
    elif equal(step, value):
        node.add(value)
    else:
        raise _UnfitPatch
