"""The skeleton of DER (X.690): what stands inside what, byte for byte. Called by `certificate`, where the raw bytes are asked for."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

SEQUENCE: Final = 0x30
BOOLEAN: Final = 0x01
OCTETS: Final = 0x04
_MANY: Final = 0x1F  # a tag of several bytes
_LONG: Final = 0x80  # a length of several bytes
_LENGTH_BYTES: Final = 4


@dataclass(frozen=True, slots=True)
class Piece:
    """One element: its tag, all of its bytes, and the bytes of its content."""

    tag: int
    raw: bytes
    body: bytes

    def inside(self) -> list["Piece"]:
        """The elements of the content. Raises ValueError."""
        return list(pieces(self.body))


def pieces(data: bytes) -> Iterator[Piece]:
    """The elements that stand one after the other in `data`. Raises ValueError."""
    at = 0
    while at < len(data):
        head = data[at : at + 2]
        if len(head) != 2 or head[0] & _MANY == _MANY:  # noqa: PLR2004 - a tag and a length
            raise ValueError("malformed DER")
        start, length = at + 2, head[1]
        if length >= _LONG:
            count = length - _LONG
            start, length = start + count, int.from_bytes(data[start : start + count])
            if not 0 < count <= _LENGTH_BYTES:
                raise ValueError("malformed DER")
        if start + length > len(data):
            raise ValueError("malformed DER")
        yield Piece(head[0], data[at : start + length], data[start : start + length])
        at = start + length
