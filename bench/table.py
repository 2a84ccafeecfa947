"""The table: goals as ratios first, absolute figures second, then what was left out and on what it ran."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

Found = Mapping[str, Sequence[Mapping[str, float]]]
Round = Mapping[str, Mapping[str, float]]
"""One round: row -> figures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """One line: how its figure follows from a round, and what it should be. `{}` in a row's name is "" or "-free"."""

    what: str
    rows: tuple[str, ...]
    figure: Callable[..., float]
    most: float = 0.0  # the figure is to be at most this ...
    least: float = 0.0  # ... or at least this
    unit: str = "x"

    def met(self, value: float) -> bool:
        """Say whether the goal is reached."""
        return value <= self.most if self.most else value >= self.least

    def told(self) -> str:
        """Give the goal in words."""
        return f"at most {self.most:g}{self.unit}" if self.most else f"at least {self.least:g}{self.unit}"


Figures = Mapping[str, float]


def _rate(one: Figures, other: Figures) -> float:
    return one["per_s"] / other["per_s"]


def _tail(one: Figures, other: Figures) -> float:
    return one["p99_ms"] / other["p99_ms"]


def _cpu(one: Figures, other: Figures) -> float:
    return one["cpu_ms"] / other["cpu_ms"]


GOALS = (
    Goal(what="actions/s against bare DBOS steps/s, SQLite WAL", rows=("governed{}", "dbos-wal"), figure=_rate, least=3),
    Goal(what="actions/s against bare DBOS steps/s, SQLite default", rows=("governed{}", "dbos-default"), figure=_rate, least=15),
    Goal(what="p99 of an action against p99 of a DBOS step, SQLite WAL", rows=("governed{}", "dbos-wal"), figure=_tail, most=0.5),
    Goal(what="commits per action, sessions together", rows=("governed{}",), figure=lambda one: one["commits"], most=0.2, unit=""),
    Goal(what="CPU of a governed HTTP action against a bare echo", rows=("http{}", "echo"), figure=_cpu, most=8),
    Goal(
        what="p50 alone, above two raw commits",
        rows=("alone{}", "raw"),
        figure=lambda one, raw: one["p50_ms"] - 2 * raw["p50_ms"],
        most=1,
        unit=" ms",
    ),
    Goal(what="approval to resume, p50", rows=("resume{}",), figure=lambda one: one["p50_ms"], most=20, unit=" ms"),
    Goal(what="CPU while sessions wait for approval", rows=("waiting",), figure=lambda one: one["cpu_percent"], most=1, unit=" %"),
    Goal(what="memory while they wait, whole process", rows=("waiting",), figure=lambda one: one["rss_mb"], most=200, unit=" MB"),
    Goal(what="CPU of an action in the long log against a short one", rows=("size",), figure=lambda one: one["ratio"], most=1.1),
)
"""The goals of the project, in its order. The first seven have two figures: with the policy engine and without its cost."""

WITHOUT_GOAL = (
    Goal(what="actions/s against bare DBOS steps/s, PostgreSQL", rows=("governed{}", "dbos-pg"), figure=_rate),
    Goal(what="CPU of an action against a DBOS step, SQLite WAL", rows=("governed{}", "dbos-wal"), figure=_cpu),
    Goal(what="actions/s against raw durable commits/s", rows=("governed{}", "raw"), figure=_rate),
)

NAMES = {
    "governed": "governed action, sessions together",
    "governed-free": "governed action, sessions together, without policy cost",
    "alone": "governed action, 1 session",
    "alone-free": "governed action, 1 session, without policy cost",
    "dbos-default": "DBOS step, workflows together, SQLite default",
    "dbos-wal": "DBOS step, workflows together, SQLite WAL, 1 connection",
    "dbos-pg": "DBOS step, workflows together, PostgreSQL",
    "raw": "raw durable commit, SQLite WAL FULL, 1 row",
    "echo": "HTTP echo, bare Starlette, clients together",
    "http": "governed HTTP action, clients together",
    "http-free": "governed HTTP action, clients together, without policy cost",
    "resume": "approval to resume",
    "resume-free": "approval to resume, without policy cost",
    "freeze-busy": "flyball freeze to the last deed that began, busy server",
    "freeze-hung": "flyball freeze to in force, server stopped (SIGSTOP)",
}
FIGURES = ("per_s", "p50_ms", "p99_ms", "cpu_ms", "commits")
HEADS = ("a second", "p50 ms", "p99 ms", "CPU ms", "commits")


def whole(found: Found, faults: Mapping[str, str], machine: tuple[str, str], asked: Mapping[str, Any]) -> str:
    """Give the whole page."""
    size = found.get("size", [{}])[0]
    parts = [
        _goals(found),
        figures(found, NAMES, FIGURES, HEADS),
        *([f"Left out: {'; '.join(f'{name}: {why}' for name, why in faults.items())}."] if faults else []),
        *([_log(size)] if size else []),
        *(
            [f"Deeds that began after a freeze was in force, server stopped: {found['freeze-hung'][0]['late']:g}."]
            if "freeze-hung" in found
            else []
        ),
        (
            f"Medians of {asked['rounds']} interleaved rounds, {asked['sessions']} sessions of {asked['actions']} actions each; ratios are "
            "taken within a round.\nWithout policy cost: a policy that answers at once stands in for the engine; all else is the same."
        ),
        f"Machine: {machine[0]}.\nVersions: {machine[1]}.",
    ]
    return "\n\n".join(parts)


def _log(size: Figures) -> str:
    return (
        f"The long log had {size['entries']:,.0f} entries: {size['long_cpu_ms']:.2f} ms CPU an action, {size['short_cpu_ms']:.2f} in a log "
        f"of 1,000 (without policy cost); it was opened and verified in {size['open_s']:.1f} s. The goal speaks of 1,000,000: --entries."
    )


def _goals(found: Found) -> str:
    lines = [("against the goals", "goal", "with policy", "", "without policy cost", "")]
    for goal in (*GOALS, *WITHOUT_GOAL):
        value, free = _value(goal, found, ""), _value(goal, found, "-free") if "{}" in goal.rows[0] else None
        if value is not None or free is not None:
            wanted = bool(goal.most or goal.least)
            lines.append((goal.what, goal.told() if wanted else "", *_cell(goal, value), *_cell(goal, free)))
    return _aligned(lines)


def _cell(goal: Goal, value: float | None) -> tuple[str, str]:
    if value is None:
        return "", ""
    verdict = "" if not (goal.most or goal.least) else "met" if goal.met(value) else "MISSED"
    return f"{value:.2f}{goal.unit}", verdict


def _value(goal: Goal, found: Found, which: str) -> float | None:
    """Give the median over the rounds of what each round gave."""
    names = [name.format(which) for name in goal.rows]
    if not all(found.get(name) for name in names):
        return None
    return median(goal.figure(*one) for one in zip(*(found[name] for name in names), strict=False))


def against(found: Found, goals: Sequence[Goal]) -> str:
    """Give goals and what was reached, for goals with one figure each."""
    lines = [("against the goals", "goal", "measured", "")]
    for goal in goals:
        value = _value(goal, found, "")
        if value is not None:
            lines.append((goal.what, goal.told() if goal.most or goal.least else "", *_cell(goal, value)))
    return _aligned(lines)


def figures(found: Found, names: Mapping[str, str], which: Sequence[str], heads: Sequence[str]) -> str:
    """Give the absolute figures of every row."""
    lines = [("figures", *heads)]
    lines += [(what, *(_median(found[name], figure) for figure in which)) for name, what in names.items() if found.get(name)]
    return _aligned(lines)


def _median(rounds: Sequence[Figures], figure: str) -> str:
    if figure not in rounds[0]:
        return ""
    value = median(one[figure] for one in rounds)
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def _aligned(lines: Sequence[Sequence[str]]) -> str:
    """Set columns; the first is text, the others are figures."""
    widths = [max(len(line[at]) for line in lines) for at in range(len(lines[0]))]
    told = []
    for line in lines:
        first, *rest = (
            cell.ljust(width) if at == 0 else cell.rjust(width) for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        told.append("  ".join((first, *rest)).rstrip())
    return "\n".join((told[0], "-" * max(len(one) for one in told), *told[1:]))
