"""Go's layouts of times: how 2 January 2006, 15:04:05 MST is written says how any time is. Called by `time.py`."""

import datetime as dt
import re
from calendar import isleap, monthrange
from dataclasses import dataclass
from typing import Final

from flyball.rego.builtin.desk import long
from flyball.rego.error import BuiltinFault

MONTHS: Final = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December")
DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
# The parts of a layout, longest first.
_PART: Final = re.compile(
    r"January|Jan(?![a-z])|Monday|Mon(?![a-z])|MST|2006|__2|_2(?!006)|002|01|02|03|04|05|06|15"
    r"|[-Z]07(?::00:00|0000|:00|00|)|PM|pm|[.,](?:0+|9+)(?![0-9])|[1-5]"
)
_SECOND: Final = 1_000_000_000
_NOON: Final = 12
_NINETEEN: Final = 69  # years of two digits from here on are those of the twentieth century
_DAY_S: Final = 86_400


@dataclass(frozen=True, slots=True)
class Moment:
    """A time: a date in its zone, to the second, and the nanoseconds beyond."""

    at: dt.datetime
    ns: int


def formatted(name: str, moment: Moment, layout: str) -> str:
    """The time, written in a layout."""
    return long(name, _PART.sub(lambda part: _written(part[0], moment), long(name, layout)))


def _written(part: str, moment: Moment) -> str:
    at = moment.at
    if part[0] in "-Z":
        return _offset(part, int((at.utcoffset() or dt.timedelta()).total_seconds()))
    if part[0] in ".,":
        digits = f"{moment.ns:09}"[: len(part) - 1].ljust(len(part) - 1, "0")
        digits = digits.rstrip("0") if part[1] == "9" else digits
        return f"{part[0]}{digits}" if digits else ""
    hour, day = at.hour % _NOON or _NOON, at.timetuple().tm_yday
    pieces = {
        "January": MONTHS[at.month - 1], "Jan": MONTHS[at.month - 1][:3], "1": at.month, "01": f"{at.month:02}",
        "Monday": DAYS[at.weekday()], "Mon": DAYS[at.weekday()][:3], "2": at.day, "_2": f"{at.day:2}", "02": f"{at.day:02}",
        "__2": f"{day:3}", "002": f"{day:03}", "2006": f"{at.year:04}", "06": f"{at.year % 100:02}",
        "15": f"{at.hour:02}", "3": hour, "03": f"{hour:02}",
        "4": at.minute, "04": f"{at.minute:02}", "5": at.second, "05": f"{at.second:02}",
        "PM": "PM" if at.hour // _NOON else "AM", "pm": "pm" if at.hour // _NOON else "am", "MST": at.tzname() or "",
    }  # fmt: skip
    return str(pieces[part])


def _offset(part: str, seconds: int) -> str:
    if part[0] == "Z" and not seconds:
        return "Z"
    minutes, second = divmod(abs(seconds), 60)
    numbers = [minutes // 60, minutes % 60, second][: len(part.replace(":", "")) // 2]
    return ("-" if seconds < 0 else "+") + (":" if ":" in part else "").join(f"{one:02}" for one in numbers)


_TWO, _FEW = "[0-9]{2}", "[0-9]{1,2}"
_NAMES: Final = {"January": MONTHS, "Jan": [one[:3] for one in MONTHS], "Monday": DAYS, "Mon": [one[:3] for one in DAYS]}
# What stands for each part in a text, and what it gives.
_TEXTS: Final[dict[str, tuple[str, str]]] = {
    "2006": ("[0-9]{4}", "year"), "06": (_TWO, "short"), "01": (_TWO, "month"), "1": (_FEW, "month"), "02": (_TWO, "day"),
    "2": (_FEW, "day"), "_2": (" ?[0-9]{1,2}", "day"), "002": ("[0-9]{3}", "yearday"), "__2": (" {0,2}[0-9]{1,3}", "yearday"),
    "15": (_FEW, "hour"), "03": (_TWO, "half"), "3": (_FEW, "half"), "04": (_TWO, "minute"), "4": (_FEW, "minute"), "05": (_TWO, "second"),
    "5": (_FEW, "second"), "PM": ("AM|PM", "noon"), "pm": ("am|pm", "noon"),
    "MST": ("UTC|ChST|MeST|GMT(?:[+-][0-9]{1,2})?|[+-][0-9]{1,2}|[A-Z]{4}T|[A-Z]{3}T|WITA|[A-Z]{3}", "zone"),
    **{part: ("|".join(names), "month" if names[0].startswith("J") else "weekday") for part, names in _NAMES.items()},
}  # fmt: skip
_LIMITS: Final = {"month": (1, 12), "hour": (0, 23), "half": (0, 12), "minute": (0, 59), "second": (0, 59)}
_FRACTION: Final = re.compile(r"[.,]([0-9]+)")


class _Reader:
    """Reads one text; `rest` is what is left of it, `found` the numbers by name."""

    def __init__(self, layout: str, text: str) -> None:
        self.layout = layout
        self.text = text
        self.rest = text
        self.found = {"year": 0, "month": 1, "day": 1, "hour": 0, "minute": 0, "second": 0, "ns": 0, "offset": 0}

    def read(self) -> dict[str, int]:
        """The numbers of the text.

        Raises:
            ValueError: it is not written as the layout says.
        """
        end, parts = 0, list(_PART.finditer(self.layout))
        for place, part in enumerate(parts):
            self._literal(self.layout[end : part.start()])
            end = part.end()
            if part[0][0] in ".,":
                self._fraction(part[0])
                continue
            self._part(part[0])
            follows = parts[place + 1][0] if place + 1 < len(parts) else ""
            if part[0] in {"5", "05"} and not (follows[:1] in {".", ","} and parts[place + 1].start() == end):
                self._fraction(".9")  # Go takes a fraction after seconds, whatever the layout says
        self._literal(self.layout[end:])
        if self.rest:
            raise ValueError(f': extra text: "{self.rest[:100]}"')
        return self.found

    def _literal(self, text: str) -> None:
        """Passes over what stands between parts; a run of spaces stands for one as long or short."""
        for piece in re.findall(r" +|[^ ]+", text):
            if piece[0] == " " and (not self.rest or self.rest[0] == " "):
                self.rest = self.rest.lstrip(" ")
            elif piece[0] != " " and self.rest.startswith(piece):
                self.rest = self.rest[len(piece) :]
            else:
                raise self._unlike(piece)

    def _fraction(self, part: str) -> None:
        found = _FRACTION.match(self.rest)
        digits = found[1] if found else ""
        if part[1] == "0" and len(digits) < len(part) - 1:
            raise self._unlike(part)
        digits = digits[: len(part) - 1] if part[1] == "0" else digits
        if digits:
            self.found["ns"] = int(digits[:9].ljust(9, "0"))
            self.rest = self.rest[len(digits) + 1 :]

    def _part(self, part: str) -> None:
        pattern, what = _TEXTS.get(part) or (_zone(part), "offset")
        found = re.compile(pattern, re.IGNORECASE if part in _NAMES else 0).match(self.rest)
        if not found:
            raise self._unlike(part)
        self.rest = self.rest[found.end() :]
        self._take(what, found[0], part)

    def _take(self, what: str, text: str, part: str) -> None:
        if part in _NAMES:
            self.found[what] = [one.lower() for one in _NAMES[part]].index(text.lower()) + 1
        elif what == "offset":
            self.found[what] = _seconds(text)
        elif what == "noon":
            self.found[what] = text.upper() == "PM"
        elif what == "zone":
            self.found["offset"] = int(text[3:]) * 3600 if text.startswith("GMT") and text != "GMT" else 0
        elif what == "short":
            self.found["year"] = int(text) + (1900 if int(text) >= _NINETEEN else 2000)
        else:
            number = int(text)
            least, most = _LIMITS.get(what, (0, number))
            if not least <= number <= most:
                raise ValueError(f": {'hour' if what == 'half' else what} out of range")
            self.found["hour" if what == "half" else what] = number

    def _unlike(self, part: str) -> ValueError:
        return ValueError(f' as "{self.layout[:100]}": cannot parse "{self.rest[:100]}" as "{part[:100]}"')


def _zone(part: str) -> str:
    colon = ":" if ":" in part else ""
    digits = colon.join([_TWO] * (len(part.replace(":", "")) // 2))
    return f"Z|[+-]{digits}" if part[0] == "Z" else f"[+-]{digits}"


def _seconds(text: str) -> int:
    numbers = [int(one) for one in re.findall(_TWO, text)]
    if any(number > most for number, most in zip(numbers, (24, 60, 60), strict=False)):
        raise ValueError(": time zone offset out of range")
    total = sum(number * size for number, size in zip(numbers, (3600, 60, 1), strict=False))
    return -total if text.startswith("-") else total


def parsed(name: str, layout: str, text: str) -> int:
    """Nanoseconds since 1970 of the time that `text` writes in the layout; of any size.

    Raises:
        BuiltinFault: it writes none.
    """
    try:
        return _counted(_Reader(long(name, layout), text).read())
    except ValueError as fault:
        raise BuiltinFault(f'{name}: parsing time "{text[:100]}"{fault}') from fault


def _counted(found: dict[str, int]) -> int:
    year = found["year"]
    hour = found["hour"]
    if "noon" in found:
        hour = hour % _NOON + _NOON * found["noon"] if hour <= _NOON else hour
    if "yearday" in found:
        if not 1 <= found["yearday"] <= 365 + isleap(year):
            raise ValueError(": day-of-year out of range")
        days = _days(year, 1) + found["yearday"] - 1
    else:
        if not 1 <= found["day"] <= monthrange(year or 4, found["month"])[1]:
            raise ValueError(": day out of range")
        days = _days(year, found["month"]) + found["day"] - 1
    seconds = days * _DAY_S + hour * 3600 + found["minute"] * 60 + found["second"] - found["offset"]
    return seconds * _SECOND + found["ns"]


def _days(year: int, month: int) -> int:
    """Days from 1970 to the first of a month. A year 0, which Python's dates do not have, is a leap year: 400 years later the same."""
    return dt.date(year + 400, month, 1).toordinal() - 146_097 - dt.date(1970, 1, 1).toordinal()
