"""Entries as bytes: what the tree hashes, what an auditor reads. The writer makes leaves, readers parse them.

A leaf is canonical JSON (keys sorted, no spaces, UTF-8) of {"v": 1, "i": index, "at": Unix seconds to the microsecond, "name",
"who", "session", "action", "behalf", "origin", "body"}. It is stored as it was hashed and never written anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import orjson

from flyball.errors import BadInput, TooLarge
from flyball.model.log import Entry, Logged
from flyball.rules.tile import MOST_ENTRY_BYTES

_SORTED = orjson.OPT_SORT_KEYS
_ROOM = 160  # bytes of a leaf that are neither its body nor its words
_WIDEST = 6  # bytes that one byte of a word may take in JSON


def plain(value: object) -> object:
    """Give orjson a mapping that it does not know, such as a read-only view, as a dict. Raises TypeError for anything else."""
    if isinstance(value, (MappingProxyType, Mapping)):  # the first is found at once, the second only through its registry
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


def body_bytes(entry: Entry) -> bytes:
    """Encode an entry's body. Raises BadInput where it is not JSON, TooLarge where the leaf might pass 65,535 bytes."""
    words = (entry.name, entry.who, entry.session, entry.action, entry.behalf, entry.origin)
    try:
        raw = orjson.dumps(entry.body, plain, _SORTED)
        length = len("".join(words).encode())
    except (orjson.JSONEncodeError, UnicodeEncodeError) as error:
        raise BadInput(f"the {entry.name!a} entry cannot be written as JSON", str(error)) from None
    if len(raw) + _WIDEST * length + _ROOM > MOST_ENTRY_BYTES:
        raise TooLarge(
            f"the {entry.name} entry is too large for the log",
            f"its body has {len(raw)} bytes, an entry may have {MOST_ENTRY_BYTES} in all",
            "keep the value apart and write its digest into the entry",
        )
    return raw


def leaf_bytes(entry: Entry, body: bytes, index: int, at: float) -> bytes:
    """Make the leaf from an entry and its encoded body."""
    return orjson.dumps(
        {
            "action": entry.action,
            "at": at,
            "behalf": entry.behalf,
            "body": orjson.Fragment(body),
            "i": index,
            "name": entry.name,
            "origin": entry.origin,
            "session": entry.session,
            "v": 1,
            "who": entry.who,
        },
        None,
        _SORTED,
    )


def parse_leaf(raw: bytes) -> Logged:
    """Read a leaf. Raises ValueError (orjson.JSONDecodeError is one), KeyError or TypeError where it is none."""
    leaf = orjson.loads(raw)
    entry = Entry(
        name=leaf["name"],
        who=leaf["who"],
        session=leaf["session"],
        action=leaf["action"],
        behalf=leaf["behalf"],
        origin=leaf["origin"],
        body=leaf["body"],
    )
    return Logged(index=leaf["i"], at=leaf["at"], entry=entry, raw=raw)
