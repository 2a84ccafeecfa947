"""Names of things. Every id is an exact ASCII string: two ids are equal only when every byte is equal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NewType, TypeAlias

if TYPE_CHECKING:
    Json: TypeAlias = bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"] | None
else:
    Json = object  # a recursive alias cannot be resolved at run time; `wire` takes it for "any JSON"
Doc: TypeAlias = Mapping[str, Json]

SessionId = NewType("SessionId", str)  # s-xxxxxxxx
ActionId = NewType("ActionId", str)  # <session>.<step>, an edit adds e1, a check of the observer adds v1
GrantId = NewType("GrantId", str)
KeyId = NewType("KeyId", str)
PrincipalId = NewType("PrincipalId", str)  # person:emma, agent:remediator, service:alertmanager
ValueId = NewType("ValueId", str)  # <action>.out, <session>.signal1
Digest = NewType("Digest", str)  # sha256:<64 hex>
