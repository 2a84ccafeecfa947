"""YAML, as Go's library reads and writes it on the way from and to JSON: times stay strings, keys become strings, `on` and `y` are true."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cmp_to_key
from typing import Any, Final

import yaml

from flyball.rego.builtin.desk import MEMBERS, builtin, long, mistyped, too_large
from flyball.rego.builtin.encode import base64_decode
from flyball.rego.builtin.format import shortest
from flyball.rego.builtin.json import marshal, too_deep
from flyball.rego.decode import DEPTH, from_octets, octets
from flyball.rego.error import BuiltinFault
from flyball.rego.type import ANY, BOOLEAN, STRING
from flyball.rego.value import Set, ordered, unkey

_LONGEST: Final = 262_144  # characters; reading YAML is slow
# libyaml where it is there: the same grammar, ten times as fast. Both are asked for events only, which takes no stack.
_Reader: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_YES, _NO, _NULL = "y yes true on".split(), "n no false off".split(), ["~", "null", ""]  # noqa: SIM905 - shorter than lists
_WORDS: Final[dict[str, Any]] = {
    form: value
    for words, value in ((_YES, True), (_NO, False), (_NULL, None))
    for word in words
    for form in (word, word.capitalize(), word.upper())
}
_INTEGER: Final = re.compile(r"[-+]?(?:0b[01]+|0x[0-9a-fA-F]+|0o?[0-7]*|[1-9][0-9]*)")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_ENDLESS: Final = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_SIXTY: Final = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")
_TAGGED: Final[dict[str, set[type]]] = {"int": {int}, "float": {int, float}, "bool": {bool}, "null": {type(None)}}
_TAG: Final = "tag:yaml.org,2002:"
_DIGITS: Final = 4_000
_64_BITS: Final = range(-(1 << 63), 1 << 64)


@builtin("yaml.unmarshal", (STRING,), ANY)
def unmarshal(text: Any) -> Any:
    """The value of the first document of a YAML text."""
    if type(text) is not str:
        raise mistyped("yaml.unmarshal", text)
    return _loaded("yaml.unmarshal", text)


@builtin("yaml.is_valid", (STRING,), BOOLEAN)
def is_valid(text: Any) -> bool:
    """Whether it is YAML; false for what is no string."""
    try:
        if type(text) is str:
            _loaded("yaml.is_valid", text)
    except BuiltinFault:
        return False
    return type(text) is str


@dataclass(slots=True)
class _Open:
    """A collection that is being read. `parts` are its members, or its keys and values in turn."""

    anchor: str | None
    mapping: bool
    parts: list[Any] = field(default_factory=list)
    size: int = 1

    def value(self, name: str) -> Any:
        """The collection. What `<<` names is put in under its own keys."""
        if not self.mapping:
            return self.parts
        found: dict[str, Any] = {}
        under: dict[str, Any] = {}
        for place in range(0, len(self.parts), 2):
            one, held = self.parts[place : place + 2]
            if one is not _MERGE:
                found[_name(name, one)] = held
                continue
            for source in held if type(held) is list else [held]:
                if type(source) is not dict:
                    raise BuiltinFault(f"{name}: yaml: map merge requires map or sequence of maps as the value")
                under = {**source, **under}
        return {**under, **found}


_MERGE: Final = object()


def _name(name: str, value: Any) -> str:
    if type(value) is str:
        return value
    if type(value) in {int, float, bool}:
        return f"{marshal(value)}"
    raise BuiltinFault(f"{name}: json: unsupported map key")


def _loaded(name: str, text: str) -> Any:
    """Reads events with a stack of open collections, so that neither depth nor aliases take more than is allowed.

    Raises:
        BuiltinFault: it is no YAML.
        OverLimit: it is too long, too deep, or its aliases make too much of it.
    """
    if len(text) > _LONGEST:
        raise too_large(name, _LONGEST, "characters")
    stack = [_Open(None, mapping=False)]
    anchors: dict[str, tuple[Any, int]] = {}
    try:
        for event in yaml.parse(octets(text).decode(errors="replace"), Loader=_Reader):
            if isinstance(event, yaml.DocumentEndEvent):
                break
            _take(name, event, stack, anchors)
            if len(stack) > DEPTH + 1:
                raise too_deep(name)
            if stack[0].size + stack[-1].size > MEMBERS:
                raise too_large(name, MEMBERS, "values")
    except yaml.YAMLError as fault:
        raise BuiltinFault(f"{name}: yaml: {_why(fault)}") from fault
    return stack[0].parts[0] if stack[0].parts else None


def _why(fault: yaml.YAMLError) -> str:
    problem = getattr(fault, "problem", None) or getattr(fault, "reason", None) or "it cannot be read"
    mark = getattr(fault, "problem_mark", None)
    line = f"line {max(mark.line, 1)}: " if mark else ""
    return f"{line}{re.sub('^expected', 'did not find expected', str(problem))}"


def _take(name: str, event: yaml.Event, stack: list[_Open], anchors: dict[str, tuple[Any, int]]) -> None:
    if isinstance(event, yaml.CollectionStartEvent):
        stack.append(_Open(event.anchor, isinstance(event, yaml.MappingStartEvent)))
        return
    anchor, size = None, 1
    if isinstance(event, yaml.ScalarEvent):
        value = _scalar(name, event)
        top = stack[-1]
        if event.value == "<<" and not event.style and top.mapping and len(top.parts) % 2 == 0:
            value = _MERGE
        anchor = event.anchor
    elif isinstance(event, yaml.CollectionEndEvent):
        done = stack.pop()
        value, anchor, size = done.value(name), done.anchor, done.size
    elif isinstance(event, yaml.AliasEvent):
        if any(one.anchor == event.anchor for one in stack):
            raise BuiltinFault(f"{name}: yaml: anchor '{event.anchor}' value contains itself")
        if event.anchor not in anchors:
            raise BuiltinFault(f"{name}: yaml: unknown anchor '{event.anchor}' referenced")
        value, size = anchors[event.anchor]
    else:
        return
    if anchor:
        anchors[anchor] = (value, size)
    stack[-1].parts.append(value)
    stack[-1].size += size


def _scalar(name: str, event: yaml.ScalarEvent) -> Any:
    text: str = event.value
    tag = (event.tag or "").removeprefix(_TAG)
    if tag in {"str", "!"} or (not tag and event.style):
        return text
    if tag == "binary":
        return base64_decode("".join(text.split()))
    value = _resolved(name, text)
    fits = _TAGGED.get(tag)
    if fits is not None and type(value) not in fits:
        raise BuiltinFault(f"{name}: yaml: cannot decode !!{tag} `{text[:40]}`")
    return value


def _resolved(name: str, text: str) -> Any:
    """What a plain scalar stands for."""
    if text in _WORDS:
        return _WORDS[text]
    bare = text.replace("_", "")
    if text[0] not in "+-.0123456789" or len(bare) > _DIGITS:
        return text
    if _INTEGER.fullmatch(bare):
        sign, digits = ("-", bare[1:]) if bare[0] == "-" else ("", bare.lstrip("+"))
        octal = len(digits) > 1 and digits[0] == "0" and digits[1].isdigit()
        found = int(f"{sign}{'0o' if octal else ''}{digits}", 0)
        return found if found in _64_BITS else float(found)
    if _ENDLESS.fullmatch(text):
        raise BuiltinFault(f"{name}: json: unsupported value: {text}")
    if _FLOAT.fullmatch(bare):
        number = float(bare)
        return text if number in {float("inf"), float("-inf")} else int(number) if number.is_integer() else number
    return text


@builtin("yaml.marshal", (ANY,), STRING)
def marshal_yaml(value: Any) -> str:
    """The value as YAML. Sets become sequences; keys that are no strings their JSON."""
    marshal(value)  # refuses what would be too long
    text = yaml.emit(
        [yaml.StreamStartEvent(), yaml.DocumentStartEvent(explicit=False), *_events(value), yaml.DocumentEndEvent(), yaml.StreamEndEvent()],
        Dumper=yaml.SafeDumper,
        allow_unicode=True,
    )
    return long("yaml.marshal", text)


def _events(value: Any) -> Iterator[yaml.Event]:
    kind = type(value)
    if kind is dict:
        yield yaml.MappingStartEvent(None, None, implicit=True, flow_style=False)
        held = {name if type(name) is str else marshal(unkey(name)): one for name, one in value.items()}
        for name in sorted(held, key=cmp_to_key(_natural)):
            yield _string(name)
            yield from _events(held[name])
        yield yaml.MappingEndEvent()
    elif kind is list or kind is Set:
        yield yaml.SequenceStartEvent(None, None, implicit=True, flow_style=False)
        for one in value if kind is list else ordered(value):
            yield from _events(one)
        yield yaml.SequenceEndEvent()
    elif kind is str:
        yield _string(value)
    else:
        yield yaml.ScalarEvent(None, None, (True, False), _number(value) if kind in {int, float} else marshal(value))


def _number(number: float) -> str:
    """Go reads numbers of more than 64 bits as floats."""
    if type(number) is int and number in _64_BITS:
        return str(number)
    try:
        return shortest(float(number), "g")
    except OverflowError:
        return f"{number:d}"


def _string(text: str) -> yaml.Event:
    clean = from_octets(octets(text).decode(errors="replace").encode())
    try:
        plain = type(_resolved("yaml.marshal", clean)) is str and clean != "<<" and not _SIXTY.fullmatch(clean)
    except BuiltinFault:
        plain = False
    style = "|" if "\n" in clean else None if plain else '"'
    return yaml.ScalarEvent(None, None, (plain, True), clean, style=style)


def _natural(left: str, right: str) -> int:
    """The order of keys in Go's library: digits by the number that they write, letters after everything else."""
    place = next((place for place, (one, other) in enumerate(zip(left, right, strict=False)) if one != other), None)
    if place is None:
        return len(left) - len(right)
    one, other = left[place], right[place]
    if one.isalpha() or other.isalpha():
        return (one > other) - (one < other) if one.isalpha() and other.isalpha() else one.isalpha() - other.isalpha()
    ones, others = (re.match("[0-9]*", text[place:]) for text in (left, right))
    first, second = (found[0] if found else "" for found in (ones, others))
    leads = "0" in {one, other} and re.search("[1-9][0-9]*$", left[:place]) is not None
    numbers = [int(f"{leads:d}{digits}"[:_DIGITS]) for digits in (first, second)]
    if numbers[0] != numbers[1]:
        return numbers[0] - numbers[1]
    return len(first) - len(second) or (one > other) - (one < other)
