"""UUIDs (RFC 4122, RFC 9562): made from the world's chance, and read."""

import re
from typing import Any, Final

from flyball.rego.builtin.desk import World, builtin, mistyped
from flyball.rego.error import BuiltinFault
from flyball.rego.type import ANY, STRING, object_of
from flyball.rego.value import Value

_FORM: Final = re.compile(
    r"(?:urn:uuid:|(?P<open>\{))?([0-9a-f]{8})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{12})(?(open)\})|([0-9a-f]{32})",
    re.IGNORECASE | re.ASCII,
)
_EPOCH: Final = 122_192_928_000_000_000  # 15 October 1582 to 1 January 1970, in steps of 100 ns
_TIMED, _OWNED = 1, 2  # the versions that hold a time; the second holds an owner as well
_DOMAINS: Final = {0: "Person", 1: "Group", 2: "Org"}


@builtin("uuid.rfc4122", (STRING,), STRING, worldly=True)
def rfc4122(world: World, name: Any) -> str:
    """A version 4 UUID; the same for the same name throughout one evaluation."""
    if type(name) is not str:
        raise mistyped("uuid.rfc4122", name)
    number = world.chance(f"uuid.rfc4122:{name}").getrandbits(128)
    number = number & ~(0xF000 << 64) | 4 << 76
    number = number & ~(0b11 << 62) | 0b10 << 62
    return _written(number)


def _written(number: int) -> str:
    text = f"{number:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


@builtin("uuid.parse", (STRING,), object_of(STRING, ANY))
def parse(text: Any) -> dict[str, Value]:
    """What a UUID says of itself: version and variant, and for versions 1 and 2 also time, place and clock."""
    if type(text) is not str:
        raise mistyped("uuid.parse", text)
    found = _FORM.fullmatch(text)
    if found is None:
        raise BuiltinFault("uuid.parse: invalid UUID")
    number = int("".join(part for part in found.groups()[1:] if part), 16)
    version = number >> 76 & 0xF
    parsed: dict[str, Value] = {"version": version, "variant": _variant(number >> 61 & 0b111)}
    if version in {_TIMED, _OWNED}:
        parsed |= _placed(number)
    if version == _OWNED:
        domain = number >> 48 & 0xFF
        parsed |= {"id": number >> 96, "domain": _DOMAINS.get(domain, f"Domain{domain}")}
    return parsed


def _variant(bits: int) -> str:
    return ("Reserved", "Reserved", "Reserved", "Reserved", "RFC4122", "RFC4122", "Microsoft", "Future")[bits]


def _placed(number: int) -> dict[str, Value]:
    steps = number >> 96 | (number >> 80 & 0xFFFF) << 32 | (number >> 64 & 0x0FFF) << 48
    node = (number & 0xFFFF_FFFF_FFFF).to_bytes(6)
    return {
        "time": (steps - _EPOCH) * 100,
        "nodeid": node.hex("-"),
        "macvariables": f"{'local' if node[0] & 2 else 'global'}:{'multicast' if node[0] & 1 else 'unicast'}",
        "clocksequence": number >> 48 & 0x3FFF,
    }
