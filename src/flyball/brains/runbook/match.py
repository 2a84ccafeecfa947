"""Which runbook is for this signal: by exact alert name and labels, else by likeness, and whether that is enough to act on.

Called by `play`. Likeness is BM25 (Robertson and Zaragoza 2009, k1 = 1.2, b = 0.75) of the signal's words against every runbook's
symptoms, given as a share of the best score that these words could reach: a word that no runbook knows lowers it, so an alert of
a new sort scores low everywhere instead of picking the least bad.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from flyball.brains.runbook.schema import Runbook
from flyball.model.ids import Doc, Json
from flyball.model.session import Signal

K1, B = 1.2, 0.75
ACT_SCORE, ASK_SCORE, ACT_MARGIN = 0.45, 0.2, 0.4
MAX_TEXT = 2_000  # characters of a signal that are read
_SHOWN = 5
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_COMMON = (
    "a after an and are as at be been but by does for from has have in into is it its no not of on or since than that the then there this"
    " to was while will with"
)
_STOP = frozenset(_COMMON.split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """One candidate. `how` is exact or text; an exact one scores 1 plus a tenth for every label that it asks for."""

    runbook: str
    how: str
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What selection came to. `decided` is act, ask or escalate; `runbook` is empty unless it is act."""

    decided: str
    runbook: str
    margin: float  # lead of the first over the second as a share of the first, 0..1
    candidates: tuple[Scored, ...]
    why: str

    def doc(self, signal: str) -> Doc:
        """Give it as it stands in a thought."""
        shown: list[Json] = [{"runbook": one.runbook, "how": one.how, "score": one.score} for one in self.candidates[:_SHOWN]]
        return {"signal": signal, "candidates": shown, "margin": self.margin, "decided": self.decided, "why": self.why}


def words(text: str) -> list[str]:
    """Give the words of a text: lower case, CamelCase split, a plural's s dropped, the commonest left out."""
    found = (word.lower() for word in _WORD.findall(text))
    return [word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word for word in found if word not in _STOP]  # noqa: PLR2004 - gas, bus and ps keep their s


def _said(signal: Signal) -> str:
    """Give the words that tell what is wrong; labels name places, so they are left out."""
    notes = (value for _, value in sorted(signal.annotations.items()) if isinstance(value, str))
    return " ".join((signal.name, signal.summary, *notes))[:MAX_TEXT]


def likeness(asked: Sequence[str], texts: Sequence[Sequence[str]]) -> list[float]:
    """Give, for every text, its BM25 score as a share of the best that `asked` could reach (0..1)."""
    asked = sorted(set(asked))
    if not asked or not texts:
        return [0.0] * len(texts)
    mean = sum(map(len, texts)) / len(texts) or 1.0
    counts = [Counter(text) for text in texts]
    weight = {}
    for word in asked:
        holders = sum(1 for count in counts if word in count)
        weight[word] = math.log(1 + (len(texts) - holders + 0.5) / (holders + 0.5))
    best = sum(weight.values())
    scores = []
    for text, count in zip(texts, counts, strict=True):
        length = K1 * (1 - B + B * len(text) / mean)
        # A word that stands once in a text of usual length counts in full; more often adds nothing, or padding would win.
        parts = (min(1.0, count[word] * (K1 + 1) / (count[word] + length)) * weight[word] for word in asked)
        scores.append(round(sum(parts) / best, 4))
    return scores


def _exact(signal: Signal, books: Sequence[Runbook]) -> list[Scored]:
    found = [
        Scored(runbook=book.name, how="exact", score=round(1 + len(book.labels) / 10, 4))
        for book in books
        if signal.name in book.alerts and all(signal.labels.get(key) == value for key, value in book.labels.items())
    ]
    return sorted(found, key=lambda one: (-one.score, one.runbook))


def _margin(found: Sequence[Scored]) -> float:
    if not found or found[0].score <= 0:
        return 0.0
    second = found[1].score if len(found) > 1 else 0.0
    return round((found[0].score - second) / found[0].score, 4)


def choose(signal: Signal, books: Sequence[Runbook]) -> Choice:
    """Choose a runbook for a signal, ask between a few, or say that none knows it.

    Exact alert name and labels first: the runbook that asks for the most labels; two that ask for as many are a question. Else
    likeness: act from a score of 0.45 with a margin of 0.4, ask from a score of 0.2, escalate below.
    """
    exact = _exact(signal, books)
    if exact:
        margin = _margin(exact)
        if len(exact) == 1 or margin > 0:
            return Choice(
                decided="act", runbook=exact[0].runbook, margin=margin, candidates=tuple(exact), why="exact alert name and labels"
            )
        return Choice(decided="ask", runbook="", margin=margin, candidates=tuple(exact), why="several runbooks name this alert exactly")
    texts = [words(" ".join((book.title, *book.symptoms))) for book in books]
    scores = likeness(words(_said(signal)), texts)
    found = [Scored(runbook=book.name, how="text", score=score) for book, score in zip(books, scores, strict=True) if score > 0]
    found.sort(key=lambda one: (-one.score, one.runbook))
    margin = _margin(found)
    first = found[0].score if found else 0.0
    if first >= ACT_SCORE and margin >= ACT_MARGIN:
        return Choice(
            decided="act", runbook=found[0].runbook, margin=margin, candidates=tuple(found), why="no exact name, but clearly most alike"
        )
    if first >= ASK_SCORE:
        return Choice(
            decided="ask", runbook="", margin=margin, candidates=tuple(found), why="no exact name, and likeness does not settle it"
        )
    return Choice(decided="escalate", runbook="", margin=margin, candidates=tuple(found), why="no runbook knows an alert like this")
