"""JSON pointers (RFC 6901): look up, list the leaves, put one value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from flyball.model.ids import Doc, Json


class MissingError(LookupError):
    """The pointer leads nowhere."""


def parts(pointer: str) -> tuple[str, ...]:
    """Split a pointer into its unescaped tokens; "" is the whole document. Raises MissingError if it does not start with /."""
    if pointer == "":
        return ()
    if not pointer.startswith("/"):
        raise MissingError(f"{pointer!r} is not a JSON pointer")
    return tuple(token.replace("~1", "/").replace("~0", "~") for token in pointer[1:].split("/"))


def join(pointer: str, token: str | int) -> str:
    """Add one token to a pointer."""
    return f"{pointer}/{str(token).replace('~', '~0').replace('/', '~1')}"


def look(doc: Json, pointer: str) -> Json:
    """Give the value at a pointer; raises MissingError."""
    found: Json = doc
    for token in parts(pointer):
        if isinstance(found, Mapping) and token in found:
            found = found[token]
        elif isinstance(found, Sequence) and not isinstance(found, str) and token.isascii() and token.isdigit() and int(token) < len(found):
            found = found[int(token)]
        else:
            raise MissingError(f"nothing at {pointer!r}")
    return found


def leaves(doc: Json, pointer: str = "") -> Iterator[tuple[str, Json]]:
    """Give (pointer, value) of every leaf; empty objects and arrays are leaves."""
    if not doc or isinstance(doc, (str, int, float)):
        yield pointer, doc
    elif isinstance(doc, (MappingProxyType, Mapping)):  # a class that is registered with an ABC is looked for again every time
        for token, value in doc.items():
            yield from leaves(value, join(pointer, token))
    else:
        for index, value in enumerate(doc):
            yield from leaves(value, join(pointer, index))


def covers(upper: str, lower: str) -> bool:
    """Say whether `lower` is `upper` or lies under it."""
    return lower == upper or lower.startswith(f"{upper}/")


def within(doc: Doc, pointer: str) -> tuple[str, ...]:
    """Give the leaves at or under a pointer."""
    return tuple(leaf for leaf, _ in leaves(doc) if covers(pointer, leaf))
