"""Pictures drawn on the server as SVG: text in, no client code, colours by class. Every text is marked, cut and escaped here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup, escape

from flyball.faces.console.text import left, marked

WIDE, HIGH, GAP_X, GAP_Y = 198, 46, 34, 14
MARKS = {
    "signal": "circle-dot",
    "evidence": "search",
    "hypothesis": "sparkles",
    "action": "zap",
    "gate": "shield-check",
    "check": "check",
    "outcome": "circle-check",
}
AWAY = "x"
WELL = ("fixed", "resolved")
BOX_WIDE, BOX_HIGH = 158, 40


def cut(text: str, most: int) -> str:
    """Give a text that fits: marked, on one line, at most `most` characters."""
    flat = " ".join(marked(text).split())
    return flat if len(flat) <= most else flat[: most - 1].rstrip() + "\u2026"


def tree(root: Mapping[str, Any], label: str) -> Markup:
    """Draw a decision tree from left to right. The way taken is drawn solid, alternatives are dashed."""
    places: dict[int, tuple[float, float]] = {}
    rows = [0]

    def place(node: Mapping[str, Any], depth: int) -> float:
        below = [place(one, depth + 1) for one in node["nodes"]]
        main = [at for one, at in zip(node["nodes"], below, strict=True) if one["chosen"]]
        if below:
            y = main[0] if main else (below[0] + below[-1]) / 2
        else:
            y = rows[0] * (HIGH + GAP_Y)
            rows[0] += 1
        places[id(node)] = (depth * (WIDE + GAP_X), y)
        return y

    place(root, 0)
    right = max(x for x, _ in places.values()) + WIDE
    low = max(y for _, y in places.values()) + HIGH
    parts = [*_edges(root, places), *_nodes(root, places)]
    return Markup('<svg class="tree c{}" viewBox="-2 -2 {} {}" role="img" aria-label="{}">{}</svg>').format(
        min(12, round((right + GAP_X) / (WIDE + GAP_X))), right + 4, low + 4, cut(label, 400), Markup("").join(parts)
    )


def _edges(node: Mapping[str, Any], places: Mapping[int, tuple[float, float]]) -> list[Markup]:
    found = []
    x, y = places[id(node)]
    for one in node["nodes"]:
        to_x, to_y = places[id(one)]
        middle = (x + WIDE + to_x) / 2
        path = f"M{x + WIDE},{y + HIGH / 2} C{middle},{y + HIGH / 2} {middle},{to_y + HIGH / 2} {to_x},{to_y + HIGH / 2}"
        found.append(Markup('<path d="{}" class="{}"/>').format(path, "e on" if node["chosen"] and one["chosen"] else "e"))
        found.extend(_edges(one, places))
    return found


def _nodes(node: Mapping[str, Any], places: Mapping[int, tuple[float, float]]) -> list[Markup]:
    x, y = places[id(node)]
    names = ["n", node["sort"], f"is-{node['state']}" if node["state"] else ""]
    if not node["chosen"]:
        names.append("off")
    mark = AWAY if node["state"] in ("ruled_out", "refuted") else MARKS[node["sort"]]
    if node["state"] == "asks":
        mark = "users"
    if node["sort"] == "outcome" and node["state"] not in WELL:
        mark = "circle-dot"
    score = node["confidence"]
    figure = Markup('<text x="{}" y="{}" class="c">{}</text>').format(x + WIDE - 10, y + 20, f"{score:.2f}") if score is not None else ""
    shape = Markup(
        '<g class="{}"><title>{}</title><rect x="{}" y="{}" width="{}" height="{}" rx="8"/>'
        '<svg x="{}" y="{}" width="16" height="16"><use href="/static/icons.svg#{}"/></svg>'
        '<text x="{}" y="{}" class="t">{}</text><text x="{}" y="{}" class="s">{}</text>{}</g>'
    ).format(
        *(" ".join(one for one in names if one), cut(f"{node['title']}: {node['note']}", 400), x + 0.5, y + 0.5, WIDE - 1, HIGH - 1),
        *(x + 10, y + 15, mark, x + 34, y + 20, cut(node["title"], 17 if score is not None else 24)),
        *(x + 34, y + 35, cut(node["note"], 29), figure),
    )
    return [shape, *(part for one in node["nodes"] for part in _nodes(one, places))]


def lane(span: Mapping[str, Any], cuts: Sequence[Mapping[str, Any]]) -> Markup:
    """Draw one span on its line; where the line is cut, two strokes cross it."""
    breaks = Markup("").join(
        Markup('<path class="br" d="M{},0 l4,4.6 l-4,4.8 l4,4.6 M{},0 l4,4.6 l-4,4.8 l4,4.6"><title>{}</title></path>').format(
            round(one["x"] + one["width"] / 2 - 5, 1), round(one["x"] + one["width"] / 2 + 3, 1), f"{one['seconds']:.0f} s cut out"
        )
        for one in cuts
    )
    return Markup(
        '<svg class="lane" viewBox="0 0 1000 14" preserveAspectRatio="none" aria-hidden="true"><line x1="0" x2="1000" y1="7" y2="7"/>'
        '<rect class="{}" x="{}" width="{}" height="14" rx="3"/>{}</svg>'
    ).format(span["sort"] + (" going" if span["going"] else ""), round(span["x"], 1), round(span["width"], 1), breaks)


def ring(seconds: float, whole: float) -> Markup:
    """Draw what is left of a time as a ring."""
    share = min(1.0, max(0.0, seconds / whole)) if whole > 0 else 0.0
    return Markup(
        '<svg class="ring" viewBox="0 0 52 52" role="img" aria-label="{} left"><circle class="bg" cx="26" cy="26" r="22"/>'
        '<circle class="fg" cx="26" cy="26" r="22" stroke-dasharray="138.2" stroke-dashoffset="{}" transform="rotate(-90 26 26)"/></svg>'
    ).format(left(seconds), round(138.2 * (1 - share), 1))


def bar(value: float, label: str) -> Markup:
    """Draw a share from 0 to 1 as a bar."""
    return Markup(
        '<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label="{}"><rect class="tr" y="3" width="100" '
        'height="4" rx="1"/><rect class="v" y="3" width="{}" height="4" rx="1"/></svg>'
    ).format(cut(label, 120), round(min(1.0, max(0.0, value)) * 100, 1))


def touched(agent: str, target: str, needs: Sequence[str], serves: Sequence[str]) -> Markup:
    """Draw what an action touches: agent, its target, what the target needs, what stands on the target."""
    columns = [[(agent, "agent", "bot")], [(target, "changed", "server")], [(one, "stands on it", "activity") for one in serves[:5]]]
    columns[2] += [(one, "it needs this", "link-2") for one in needs[:5]]
    high = max(1, *(len(one) for one in columns)) * (BOX_HIGH + 12) + 12
    places: dict[tuple[int, int], tuple[float, float]] = {}
    for column, names in enumerate(columns):
        gap = (high - len(names) * BOX_HIGH) / (len(names) + 1)
        for row in range(len(names)):
            places[column, row] = (column * 236.0, gap * (row + 1) + BOX_HIGH * row)
    pairs = [((0, 0), (1, 0), True), *(((1, 0), (2, row), row < len(serves[:5])) for row in range(len(columns[2])))]
    lines = [_curve(places[start], places[end], hot=hot) for start, end, hot in pairs]
    boxes = [_box(places[column, row], one, hot=column == 1) for column, names in enumerate(columns) for row, one in enumerate(names)]
    label = f"{agent} changes {target}; " + (f"{', '.join(serves)} stand on it" if serves else "nothing in the catalogue stands on it")
    return Markup('<svg class="touch" viewBox="0 0 632 {}" role="img" aria-label="{}">{}{}</svg>').format(
        round(high), cut(label, 300), Markup("").join(lines), Markup("").join(boxes)
    )


def _curve(start: tuple[float, float], end: tuple[float, float], *, hot: bool) -> Markup:
    x, y = start[0] + BOX_WIDE, start[1] + BOX_HIGH / 2
    middle, to_y = (x + end[0]) / 2, end[1] + BOX_HIGH / 2
    return Markup('<path class="{}" d="M{},{} C{},{} {},{} {},{}"/>').format(
        "hot" if hot else "cold", x, y, middle, y, middle, to_y, end[0], to_y
    )


def _box(at: tuple[float, float], one: tuple[str, str, str], *, hot: bool) -> Markup:
    x, y = at
    return Markup(
        '<g class="{}"><rect x="{}" y="{}" width="{}" height="{}" rx="7"/><svg x="{}" y="{}" width="16" height="16">'
        '<use href="/static/icons.svg#{}"/></svg><text x="{}" y="{}" class="t">{}</text><text x="{}" y="{}" class="s">{}</text></g>'
    ).format(
        *("box hot" if hot else "box", x + 0.5, y + 0.5, BOX_WIDE - 1, BOX_HIGH - 1, x + 10, y + 12, one[2]),
        *(x + 34, y + 17, cut(one[0], 18), x + 34, y + 31, one[1]),
    )


def icon(name: str, more: str = "") -> Markup:
    """Give an icon of the sprite."""
    return Markup('<svg class="ico {}" aria-hidden="true"><use href="/static/icons.svg#{}"/></svg>').format(escape(more), escape(name))
