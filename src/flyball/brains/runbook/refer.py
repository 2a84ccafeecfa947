"""References in a runbook's arguments: to the signal, to a result, to the operator's catalogue. Called by `play` and `check`.

What came from outside is passed on by reference, `{"$ref": "<value id>#<pointer>"}`, so that the door knows where every argument
came from and reads the stored value itself; what the operator wrote in the catalogue is written out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from flyball.model.ids import Json
from flyball.rules.pointer import MissingError, join, look

SORTS = ("signal", "value", "target")


class Unmet(LookupError):
    """A reference that leads nowhere in this view; the message says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """`$signal:/pointer`, `$target:/pointer` or `$value:<diagnose id>/pointer`."""

    sort: str
    pointer: str
    step: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What references may lead to: bodies by value id, the signal's value, results' value ids by diagnose id, the catalogue."""

    bodies: Mapping[str, Json]
    signal: str
    results: Mapping[str, str]
    target: Json


def parse(text: str) -> Reference | None:
    """Read a reference, or give None where the text is an ordinary one. Raises ValueError where it starts as one but is not."""
    if not text.startswith("$"):
        return None
    sort, colon, rest = text[1:].partition(":")
    step, slash, pointer = rest.partition("/")
    if not colon or sort not in SORTS or (sort == "value") != bool(step):
        raise ValueError(text)
    return Reference(sort=sort, pointer=slash + pointer, step=step)


def texts(args: Json, path: str = "") -> Iterator[tuple[str, str]]:
    """Give (JSON pointer, text) of every text in arguments."""
    if isinstance(args, str):
        yield path, args
    elif isinstance(args, Mapping):
        for key, part in args.items():
            yield from texts(part, join(path, key))
    elif isinstance(args, Sequence):
        for index, part in enumerate(args):
            yield from texts(part, join(path, index))


def _found(body: Json, pointer: str, text: str) -> Json:
    """Give what a reference leads to; null counts as nothing."""
    try:
        found = look(body, pointer)
    except MissingError:
        found = None
    if found is None:
        raise Unmet(f"{text} leads to nothing")
    return found


def _one(text: str, known: Known) -> Json:
    try:
        reference = parse(text)
    except ValueError:
        raise Unmet(f"{text} is no reference") from None
    if reference is None:
        return text
    if reference.sort == "target":
        return _found(known.target, reference.pointer, text)
    value = known.signal if reference.sort == "signal" else known.results.get(reference.step, "")
    if value not in known.bodies:
        raise Unmet(f"{text} leads to nothing")
    _found(known.bodies[value], reference.pointer, text)
    return {"$ref": f"{value}#{reference.pointer}"}


def fill(args: Json, known: Known) -> Json:
    """Give arguments with every reference replaced. Raises Unmet."""
    if isinstance(args, str):
        return _one(args, known)
    if isinstance(args, Mapping):
        return {key: fill(part, known) for key, part in args.items()}
    if isinstance(args, Sequence):
        return [fill(part, known) for part in args]
    return args


def settle(args: Json, bodies: Mapping[str, Json]) -> Json:
    """Give arguments with every `$ref` read, as far as it leads somewhere: two ways to say the same thing become equal."""
    if isinstance(args, Mapping):
        ref = args.get("$ref")
        if set(args) == {"$ref"} and isinstance(ref, str):
            value, _, pointer = ref.partition("#")
            try:
                return look(bodies[value], pointer)
            except (KeyError, MissingError):
                return args
        return {key: settle(part, bodies) for key, part in args.items()}
    if isinstance(args, Sequence) and not isinstance(args, str):
        return [settle(part, bodies) for part in args]
    return args
