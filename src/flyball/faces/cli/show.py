"""How answers are written: a table on a terminal, tab-separated lines into a pipe, json or yaml on demand; data on stdout, talk on stderr.

Much of what is shown came from outside (alerts, logs): control characters are taken out, so that no text moves the cursor.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import click

from flyball.errors import BadInput
from flyball.faces.cli.desk import Desk

Column = tuple[str, str | Callable[[Mapping[str, Any]], Any]]
"""Heading, and the field or a function of the row."""

CELL = 60
GIST = 100
LINE_FEED, TAB = "\n", "\t"
HIDDEN = {
    code: None
    for span in ((0x00, 0x20), (0x7F, 0xA0), (0x200B, 0x2010), (0x202A, 0x202F), (0x2066, 0x206A), (0xFEFF, 0xFF00))
    for code in range(*span)
}
COLOURS = {"green": "green", "yellow": "yellow", "red": "red", "fixed": "green", "ok": "green", "FAIL": "red", "escalated": "yellow"}


def plain(value: object, *, lines: bool = False) -> str:
    """Give a value as text without control characters; line ends stay where `lines` is set."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = value if isinstance(value, str) else json.dumps(value) if isinstance(value, dict | list) else str(value)
    if not lines:
        return text.replace(LINE_FEED, " ").replace(TAB, " ").translate(HIDDEN)
    return LINE_FEED.join(one.replace(TAB, "    ").translate(HIDDEN) for one in text.split(LINE_FEED))


def gist(value: object) -> str:
    """Give what was found in few words: its plain values, the last of its lines, else how many items there are."""
    if isinstance(value, dict):
        lines = value.get("lines")
        text = str(lines[-1]) if isinstance(lines, list) and lines else _values(value)
    elif isinstance(value, list):
        first = _values(value[0]) if value and isinstance(value[0], dict) else ""
        text = f"{len(value)} found" + (f"; first: {first}" if first else "")
    else:
        text = plain(value)
    text = plain(text)
    return text if len(text) <= GIST else text[: GIST - 3] + "..."


def _values(doc: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {told}" for name, one in doc.items() if name != "took_ms" and (told := _value(name, one)))


def _value(name: str, one: object) -> str:
    if isinstance(one, list):
        return " ".join(plain(each) for each in one) if not any(isinstance(each, list | dict) for each in one) else f"({len(one)})"
    if isinstance(one, dict):
        return ""
    return when(one) if name.endswith("_at") else plain(one)


def when(at: object) -> str:
    """Give Unix seconds as ISO 8601 in UTC; nothing for none."""
    if not isinstance(at, int | float) or at <= 0:
        return ""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def span(seconds: float) -> str:
    """Give a length of time in one or two units."""
    left = round(abs(seconds))
    sign = "-" if seconds < 0 and left else ""
    for size, unit, below, name in ((86_400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s")):
        if left >= size:
            rest = left % size // below
            return f"{sign}{left // size}{unit}" + (f" {rest}{name}" if rest else "")
    return f"{sign}{left}s" if left or not seconds else f"{seconds:.1f}s"


def seconds(text: str) -> float:
    """Read 30s, 15m, 2h or 7d. Raises BadInput."""
    units = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
    number, unit = (text[:-1], text[-1:]) if text[-1:] in units else (text, "s")
    try:
        found = float(number) * units[unit]
    except ValueError:
        found = 0.0
    if not 0 < found < float("inf"):
        raise BadInput(f"{text!r} is no length of time", "it is a number and s, m, h or d", "write it as 30m")
    return found


def is_tty() -> bool:
    """Say whether a person looks at stdout."""
    return sys.stdout.isatty()


def say(text: str) -> None:
    """Talk: to stderr, so that stdout holds data alone."""
    click.echo(text, err=True)


def dumped(desk: Desk, doc: Any) -> bool:
    """Write a document as json or yaml where that is asked for; says whether it did."""
    if desk.output == "json":
        click.echo(json.dumps(doc, indent=2))
    elif desk.output == "yaml":
        import yaml

        click.echo(yaml.safe_dump(doc, sort_keys=False).rstrip())
    return desk.output in ("json", "yaml")


def table(desk: Desk, columns: Sequence[Column], rows: Sequence[Mapping[str, Any]], none: str = "") -> None:
    """Write rows: as they are in json or yaml, else their columns. `none` is said where there are no rows."""
    if dumped(desk, list(rows)):
        return
    cells = [[plain(pick(row) if callable(pick) else row.get(pick)) for _, pick in columns] for row in rows]
    if not (desk.output == "table" or is_tty()):
        for line in cells:
            click.echo(TAB.join(line))
        return
    if not rows:
        say(none or "nothing here")
        return
    heads = [head for head, _ in columns]
    cut = [[one if len(one) <= CELL else one[: CELL - 1] + "…" for one in line[:-1]] + line[-1:] for line in cells]
    widths = [max(len(line[at]) for line in [heads, *cut]) for at in range(len(heads) - 1)]
    click.echo(click.style(_row(heads, widths), bold=True), color=colour(desk))
    for line in cut:
        painted = [click.style(one, fg=COLOURS.get(one)) if one in COLOURS else one for one in line]
        click.echo(_row(line, widths, painted), color=colour(desk))


def _row(cells: Sequence[str], widths: Sequence[int], painted: Sequence[str] | None = None) -> str:
    shown = painted or cells
    padded = [text + " " * (width - len(cell)) for cell, text, width in zip(cells, shown, [*widths, 0], strict=True)]
    return "  ".join(padded).rstrip()


def fields(desk: Desk, doc: Mapping[str, Any], names: Iterable[Column]) -> None:
    """Write one document as `name  value` lines."""
    if dumped(desk, doc):
        return
    lines = [(head, plain(pick(doc) if callable(pick) else doc.get(pick))) for head, pick in names]
    lines = [(head, text) for head, text in lines if text]
    wide = max((len(head) for head, _ in lines), default=0)
    for head, text in lines:
        click.echo(f"{head}{TAB}{text}" if not (desk.output == "table" or is_tty()) else f"{head:<{wide}}  {text}")


def colour(desk: Desk) -> bool | None:
    """Say whether colours are wanted: None leaves it to whether stdout is a terminal."""
    return False if desk.settings.plain else None


def watched(desk: Desk, watch: bool, look: Callable[[], Any], write: Callable[[Any], None]) -> None:
    """Write what `look` gives; with `watch` again at every change: redrawn on a terminal, changed items as JSON lines into a pipe."""
    if not watch:
        write(look())
        return
    seen: dict[str, str] = {}
    for _size in desk.api.pointers():
        found = look()
        if is_tty() and not desk.output:
            click.clear()
            write(found)
            continue
        for one in found if isinstance(found, list) else [found]:
            line = json.dumps(one)
            name = str(one.get("id", "")) if isinstance(one, dict) else ""
            if seen.get(name) != line:
                seen[name] = line
                click.echo(line)
