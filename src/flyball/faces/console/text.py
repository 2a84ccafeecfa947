"""Words and figures as people read them; and text from outside made harmless to look at. Called by `page` and `draw`."""

from __future__ import annotations

import json
import shlex
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

LONGEST = 6000
"""Characters of one value on a page; what is longer is cut and says so."""
TENTH_S = 0.1
MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86_400
_KEPT = frozenset("\n\t")
_MARKED = frozenset({"Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp"})


def marked(text: str) -> str:
    """Show what cannot be seen by its number: control, bidirectional, zero-width and unassigned characters.

    A right-to-left override in a log line would otherwise show the reader another text than the one that is there.
    """
    if text.isascii() and text.isprintable():
        return text[:LONGEST] + ("\u2026" if len(text) > LONGEST else "")
    cut = text[:LONGEST]
    shown = "".join(one if one in _KEPT or unicodedata.category(one) not in _MARKED else f"[U+{ord(one):04X}]" for one in cut)
    return shown + ("\u2026" if len(text) > LONGEST else "")


def seen(value: Any) -> Any:
    """Mark every plain string that a template prints; markup made by us passes."""
    return marked(value) if type(value) is str else value


def lasting(seconds: float | None) -> str:
    """Give a duration: 12 ms, 0.4 s, 12 s, 4 min 02 s, 1 h 05 min, 3 d 4 h."""
    if seconds is None:
        return "\u2013"
    if seconds < 10:  # noqa: PLR2004 below ten seconds a tenth is worth telling
        return f"{max(1, round(seconds * 1000))} ms" if 0 < seconds < TENTH_S else f"{max(seconds, 0.0):.1f} s"
    whole = round(seconds)
    minutes, hours = whole // MINUTE_S, whole // HOUR_S
    for end, said in (
        (MINUTE_S, f"{whole} s"),
        (HOUR_S, f"{minutes} min {whole % MINUTE_S:02d} s"),
        (2 * DAY_S, f"{hours} h {minutes % 60:02d} min" if minutes % 60 else f"{hours} h"),
    ):
        if whole < end:
            return said
    return f"{whole // DAY_S} d {hours % 24} h"


def left(seconds: float) -> str:
    """Give a countdown: 3:28, 1 h 24 m."""
    whole = max(0, int(seconds))
    return f"{whole // MINUTE_S}:{whole % MINUTE_S:02d}" if whole < HOUR_S else f"{whole // HOUR_S} h {whole % HOUR_S // MINUTE_S:02d} m"


def clock(at: float) -> str:
    """Give the time of day in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S") if at else "\u2013"


def moment(at: float) -> str:
    """Give date and time in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if at else "\u2013"


def money(micros: float | None) -> str:
    """Give micro-currency as an amount: at least two places, more where the amount is small."""
    amount = (micros or 0) / 1_000_000
    return f"${amount:.2f}" if not amount or abs(amount) >= 0.01 else f"${amount:.6f}".rstrip("0")  # noqa: PLR2004 smaller than a cent


def person(name: str) -> str:
    """Give the speaking part of a principal: person:mira is mira."""
    return name.partition(":")[2] or name


def initials(name: str) -> str:
    """Give up to two letters for a round mark."""
    parts = [one for one in person(name).replace("-", " ").replace(".", " ").replace("_", " ").split() if one]
    return "".join(one[0] for one in parts[:2]).upper() if len(parts) > 1 else person(name)[:2].upper()


def argv(vector: Sequence[str]) -> str:
    """Give an argument vector as it would be typed: quoted so that each argument can be told from the next."""
    return shlex.join(str(one) for one in vector)


def pretty(value: Any) -> str:
    """Give JSON, two spaces deep, ASCII only: nothing invisible survives."""
    return json.dumps(value, indent=2, sort_keys=True, default=_plain)


def brief(value: Any, most: int = 160) -> str:
    """Give any value as one line of at most `most` characters."""
    text = value if isinstance(value, str) else json.dumps(value, default=_plain, ensure_ascii=False)
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1] + "\u2026"


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else list(value) if isinstance(value, Sequence) else str(value)


def seal(digest: str) -> str:
    """Give a digest short enough to compare by eye; the whole one stands in its title."""
    head, _, rest = digest.partition(":")
    return f"{head}:{rest[:8]}\u2026{rest[-4:]}" if len(rest) > 16 else digest  # noqa: PLR2004 shorter ones are shown whole


def diff(text: str) -> list[dict[str, Any]]:
    """Parse a unified diff into lines: `{sort, old, new, text}` with sort file, part, add, cut, same or note."""
    lines: list[dict[str, Any]] = []
    old = new = 0
    for raw in text.splitlines():
        if raw.startswith(("diff ", "index ", "--- ", "new file", "deleted file", "similarity", "rename ")):
            continue
        if raw.startswith("+++ "):
            lines.append({"sort": "file", "old": "", "new": "", "text": raw[4:].removeprefix("b/")})
        elif raw.startswith("@@"):
            spans = [one.lstrip("+-").split(",")[0] for one in raw.split("@@")[1].split()] if raw.count("@@") > 1 else []
            old, new = (int(one) if one.isdigit() else 0 for one in [*spans, "0", "0"][:2])
            lines.append({"sort": "part", "old": "", "new": "", "text": raw})
        elif raw.startswith("+"):
            lines.append({"sort": "add", "old": "", "new": new, "text": raw[1:]})
            new += 1
        elif raw.startswith("-"):
            lines.append({"sort": "cut", "old": old, "new": "", "text": raw[1:]})
            old += 1
        else:
            lines.append(
                {"sort": "same" if raw[:1] in (" ", "") else "note", "old": old, "new": new, "text": raw[1:] if raw[:1] == " " else raw}
            )
            old, new = old + 1, new + 1
    return lines
