"""One passage through the door. Made by `sessions` and by faces, looked at by everything behind the door."""

from __future__ import annotations

from dataclasses import dataclass, field

from flyball.core.keys import Who
from flyball.model.ids import Digest, Doc
from flyball.model.session import Session
from flyball.rules.provenance import Words


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One passage through the door: who, for which session, in which words, as part of which plan."""

    who: Who
    session: Session
    words: Words
    covers: tuple[Digest, ...] = ()
    card: Doc = field(default_factory=dict)
