"""Times: nanoseconds since 1970 in UTC, as 64-bit integers. Zones are those of the system's or `tzdata`'s time zone database."""

import datetime as dt
import re
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from flyball.rego.builtin.desk import World, builtin, mistyped, unfit
from flyball.rego.builtin.layout import DAYS, Moment, formatted, parsed
from flyball.rego.builtin.number import integer, is_number, whole
from flyball.rego.error import BuiltinFault
from flyball.rego.type import NUMBER, STRING, array, one_of
from flyball.rego.value import name_of

_IN_ZONE: Final = one_of(NUMBER, array(NUMBER, STRING))
_IN_FORM: Final = one_of(NUMBER, array(NUMBER, STRING), array(NUMBER, STRING, STRING))
_RANGE: Final = range(-(1 << 63), 1 << 63)
_SECOND: Final = 1_000_000_000
_LONG: Final = 100
# Far outside of what 64 bits of nanoseconds hold, and inside of what Python's dates do.
_YEARS: Final = range(1600, 2300)
_DAYS: Final = range(-500_000, 500_000)
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_FORMS: Final = {
    "ANSIC": "Mon Jan _2 15:04:05 2006",
    "UnixDate": "Mon Jan _2 15:04:05 MST 2006",
    "RubyDate": "Mon Jan 02 15:04:05 -0700 2006",
    "RFC822": "02 Jan 06 15:04 MST",
    "RFC822Z": "02 Jan 06 15:04 -0700",
    "RFC850": "Monday, 02-Jan-06 15:04:05 MST",
    "RFC1123": "Mon, 02 Jan 2006 15:04:05 MST",
    "RFC1123Z": "Mon, 02 Jan 2006 15:04:05 -0700",
    "RFC3339": "2006-01-02T15:04:05Z07:00",
    "RFC3339Nano": "2006-01-02T15:04:05.999999999Z07:00",
}
_DURATION: Final = re.compile(r"([0-9]*)(?:\.([0-9]*))?(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_UNITS: Final = {"ns": 1, "us": 1000, "µs": 1000, "μs": 1000, "ms": 1_000_000, "s": _SECOND, "m": 60 * _SECOND, "h": 3600 * _SECOND}


@builtin("time.now_ns", (), NUMBER, worldly=True)
def now_ns(world: World) -> int:
    """The time of the evaluation; the same throughout."""
    return world.now_ns


@builtin("time.parse_ns", (STRING, STRING), NUMBER)
def parse_ns(layout: Any, text: Any) -> int:
    """The time that a text writes in a layout of Go (how it would write 2 January 2006, 15:04:05 MST), or in one of its named ones."""
    if type(layout) is not str or type(text) is not str:
        raise mistyped("time.parse_ns", layout, text)
    return _safe("time.parse_ns", parsed("time.parse_ns", _FORMS.get(layout, layout), text))


@builtin("time.parse_rfc3339_ns", (STRING,), NUMBER)
def parse_rfc3339_ns(text: Any) -> int:
    """The time that a text writes as RFC 3339 has it."""
    if type(text) is not str:
        raise mistyped("time.parse_rfc3339_ns", text)
    return _safe("time.parse_rfc3339_ns", parsed("time.parse_rfc3339_ns", _FORMS["RFC3339"], text))


def _safe(name: str, ns: int) -> int:
    if ns not in _RANGE:
        raise BuiltinFault(f"{name}: time outside of valid range")
    return ns


@builtin("time.parse_duration_ns", (STRING,), NUMBER)
def parse_duration_ns(text: Any) -> int:
    """The nanoseconds of a duration of Go: `1h30m`, `-1.5s`, `100ms`."""
    if type(text) is not str:
        raise mistyped("time.parse_duration_ns", text)
    rest = text[1:] if text[:1] in {"-", "+"} else text
    if rest == "0":
        return 0
    total, end = 0, 0
    while (found := _DURATION.match(rest, end)) and (found[1] or found[2]) and len(found[0]) < _LONG:
        unit, fraction = _UNITS[found[3]], found[2] or ""
        total += int(found[1] or "0") * unit + int(fraction or "0") * unit // 10 ** len(fraction)
        end = found.end()
    total = -total if text.startswith("-") else total
    if not rest or end < len(rest) or total not in _RANGE:
        raise BuiltinFault(f'time.parse_duration_ns: time: invalid duration "{text[:100]}"')
    return total


@builtin("time.format", (_IN_FORM,), STRING)
def form(when: Any) -> str:
    """The time as text, in the layout given or as RFC 3339 with as many digits of a second as it has."""
    layout = ""
    for given in when[2:3] if type(when) is list else ():
        if type(given) is not str:
            raise unfit("time.format", 1, f"must be string but got {name_of(given)}")
        layout = given
    return formatted("time.format", _moment("time.format", when), _FORMS.get(layout or "RFC3339Nano", layout))


@builtin("time.date", (_IN_ZONE,), array(NUMBER, NUMBER, NUMBER))
def date(when: Any) -> list[int]:
    """Year, month and day."""
    at = _moment("time.date", when).at
    return [at.year, at.month, at.day]


@builtin("time.clock", (_IN_ZONE,), array(NUMBER, NUMBER, NUMBER))
def clock(when: Any) -> list[int]:
    """Hour, minute and second."""
    at = _moment("time.clock", when).at
    return [at.hour, at.minute, at.second]


@builtin("time.weekday", (_IN_ZONE,), STRING)
def weekday(when: Any) -> str:
    """The English name of the day."""
    return DAYS[_moment("time.weekday", when).at.weekday()]


@builtin("time.add_date", (NUMBER, NUMBER, NUMBER, NUMBER), NUMBER)
def add_date(when: Any, years: Any, months: Any, days: Any) -> int:
    """The time so much later. A day that a month does not have runs over into the next month, as in Go."""
    moment = _moment("time.add_date", when)
    added = [integer("time.add_date", place, one) for place, one in enumerate((years, months, days), 2)]
    month = moment.at.month - 1 + added[1]
    year = moment.at.year + added[0] + month // 12
    if year not in _YEARS or added[2] not in _DAYS:
        raise BuiltinFault("time.add_date: time outside of valid range")
    first = moment.at.replace(year=year, month=month % 12 + 1, day=1, tzinfo=None)
    local = first + dt.timedelta(days=moment.at.day - 1 + added[2])
    return _safe("time.add_date", _since_epoch(local.replace(tzinfo=moment.at.tzinfo)) + moment.ns)


@builtin("time.diff", (_IN_ZONE, _IN_ZONE), array(*[NUMBER] * 6))
def diff(left: Any, right: Any) -> list[int]:
    """Years, months, days, hours, minutes and seconds between two times, on the calendar of the zone of `left`."""
    one, other = _moment("time.diff", left), _moment("time.diff", right)
    early, late = sorted(((one.at, one.ns), (other.at.astimezone(one.at.tzinfo), other.ns)), key=_instant)
    start, end = early[0], late[0]
    parts = [getattr(end, what) - getattr(start, what) for what in ("year", "month", "day", "hour", "minute", "second")]
    month_end = (start.replace(day=28, tzinfo=None) + dt.timedelta(days=4)).replace(day=1) - dt.timedelta(days=1)
    for place, size in ((5, 60), (4, 60), (3, 24), (2, month_end.day), (1, 12)):
        if parts[place] < 0:
            parts[place] += size
            parts[place - 1] -= 1
    return parts


def _instant(one: tuple[dt.datetime, int]) -> int:
    return _since_epoch(one[0]) + one[1]


def _since_epoch(at: dt.datetime) -> int:
    return (at - _EPOCH) // dt.timedelta(seconds=1) * _SECOND


def _moment(name: str, when: Any) -> Moment:
    """The operand as a date in its zone.

    Raises:
        OperandFault: it is neither a number nor an array of a number, a zone and so on.
        BuiltinFault: it is outside of 64 bits, or its zone is unknown.
    """
    parts = when if type(when) is list else [when]
    if not parts or (type(when) is not list and not is_number(when)):
        raise unfit(name, 1, f"must be either number (ns) or [number (ns), string (tz)] but got {name_of(when)}")
    if not is_number(parts[0]):
        raise unfit(name, 1, f"must be number but got {name_of(parts[0])}")
    zone = parts[1] if len(parts) > 1 else "UTC"
    if type(zone) is not str:
        raise unfit(name, 1, f"must be string but got {name_of(zone)}")
    ns = whole(parts[0])
    if ns is None or ns not in _RANGE:
        raise BuiltinFault(f"{name}: timestamp too big")
    seconds, rest = divmod(ns, _SECOND)
    return Moment((_EPOCH + dt.timedelta(seconds=seconds)).astimezone(_zone(name, zone)), rest)


@lru_cache(maxsize=256)
def _zone(name: str, zone: str) -> dt.tzinfo:
    # Local is UTC: an answer must not depend on the machine that gives it.
    if zone in {"", "UTC", "Local"}:
        return dt.UTC
    try:
        return ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as fault:
        raise BuiltinFault(f"{name}: unknown time zone {zone[:100]}") from fault
