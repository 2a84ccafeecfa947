"""A large document in small pieces, so that whoever takes it in may do something else between two of them. Called by `backends/policy_*`.

A document holds mappings with texts as keys, lists, texts, bytes, numbers, booleans and None. A piece is a step in building it: begin a
mapping or a list, add members to it, end it and put it where it belongs. Pieces are written with `marshal`, so both sides are the same
Python.
"""

import marshal
from collections.abc import Iterator
from typing import Any, Final

MOST: Final = 2_000  # of a piece: members, each `LETTERS` of its texts counting as one more
LETTERS: Final = 64
BEGIN_MAPPING, BEGIN_LIST, ADD, END = range(4)


def cut(document: dict[str, Any]) -> Iterator[bytes]:
    """The pieces of a document. Only a single text, or a mapping's keys, may make one of them large."""
    weights: dict[int, int] = {}
    _weigh(document, weights)
    yield marshal.dumps((BEGIN_MAPPING, None))
    yield from map(marshal.dumps, _members(document, weights))


def _weigh(value: Any, weights: dict[int, int]) -> int:
    kind = type(value)
    if kind is dict:
        found = sum(_weigh(held, weights) + len(name) // LETTERS for name, held in value.items())
    elif kind is list:
        found = sum(_weigh(held, weights) for held in value)
    else:
        return 1 + (len(value) // LETTERS if kind is str or kind is bytes else 0)
    weights[id(value)] = found + 1
    return found + 1


def _members(value: Any, weights: dict[int, int]) -> Iterator[tuple[int, Any]]:
    """What fills a mapping or a list: small members together, large ones each by itself."""
    named = type(value) is dict
    batch: list[tuple[Any, Any]] = []
    left = MOST
    for name, held in value.items() if named else enumerate(value):
        weight = weights.get(id(held), 1 + (len(held) // LETTERS if type(held) in {str, bytes} else 0))
        if weight > left and batch:
            yield ADD, dict(batch) if named else [one for _, one in batch]
            batch, left = [], MOST
        if weight > MOST and type(held) in {dict, list}:
            yield (BEGIN_MAPPING if type(held) is dict else BEGIN_LIST), None
            yield from _members(held, weights)
            yield END, name
        else:
            batch.append((name, held))
            left -= weight
    if batch:
        yield ADD, dict(batch) if named else [one for _, one in batch]


class Builder:
    """Builds a document from its pieces."""

    def __init__(self) -> None:
        self._open: list[Any] = []

    def take(self, piece: bytes) -> None:
        """Takes the next piece. Raises ValueError for one that is none."""
        try:
            step, what = marshal.loads(piece)  # noqa: S302 - written by `cut`, in a process of this package
        except (EOFError, TypeError, ValueError) as fault:
            raise ValueError(f"a piece that is none: {fault}") from fault
        if step == ADD:
            top = self._open[-1]
            top.update(what) if type(top) is dict else top.extend(what)
        elif step == END:
            made, top = self._open.pop(), self._open[-1]
            if type(top) is dict:
                top[what] = made
            else:
                top.append(made)
        else:
            self._open.append({} if step == BEGIN_MAPPING else [])

    def whole(self) -> dict[str, Any]:
        """The document, once every piece is taken. Raises ValueError where some are missing."""
        if len(self._open) != 1:
            raise ValueError("pieces are missing")
        found: dict[str, Any] = self._open.pop()
        return found


def crumble(held: list[Any]) -> Iterator[None]:
    """Lets go of documents that nobody holds but this list, a little between two steps: at once, a large one would take long."""
    while held:
        one = held.pop()
        kind = type(one)
        if kind is dict:
            held.extend(one.values())
        elif kind is list:
            held.extend(one)
        del one
        yield
