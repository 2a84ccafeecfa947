"""Times: Go's layouts both ways, zones, calendars and their edges."""

from typing import Any

import pytest

from rego.ask import ask

NOON = 1_700_000_000_123_456_789  # 2023-11-14 22:13:20.123456789 UTC, a Tuesday


@pytest.mark.parametrize(
    ("layout", "text"),
    [
        ("2006-01-02T15:04:05.000Z07:00", "2023-11-14T22:13:20.123Z"),
        ("2006-01-02 15:04:05.999999", "2023-11-14 22:13:20.123456"),
        ("02 Jan 06 3:04PM", "14 Nov 23 10:13PM"),
        ("Monday, January _2, 2006 03:04:05 pm", "Tuesday, November 14, 2023 10:13:20 pm"),
        ("Mon Jan 2 __2 002 1 01", "Tue Nov 14 318 318 11 11"),
        ("Z0700 -0700 -07:00 -07 Z07:00:00 -070000 MST", "Z +0000 +00:00 +00 Z +000000 UTC"),
        ("Janet 15h04 2006x", "Janet 22h13 2023x"),
        ("4:5 .000", "13:20 .123"),
        ("_2006", "_2023"),
        ("RFC3339Nano", "2023-11-14T22:13:20.123456789Z"),
        ("RFC850", "Tuesday, 14-Nov-23 22:13:20 UTC"),
        ("", "2023-11-14T22:13:20.123456789Z"),
    ],
)
def test_a_layout_says_how_a_time_is_written(layout: str, text: str) -> None:
    assert ask("time.format", [NOON, "UTC", layout]) == text


@pytest.mark.parametrize(
    ("layout", "text", "ns"),
    [
        ("2006-01-02", "1970-01-02", 86_400 * 10**9),
        ("2006-01-02 15:04:05", "1970-01-01 00:00:01.5", 1_500_000_000),
        ("15:04:05", "00:00:01,25", None),
        ("2006 002", "1972 366", (2 * 365 + 365) * 86_400 * 10**9),
        ("2006 002", "1970 366", ": day-of-year out of range"),
        ("06", "69", -365 * 86_400 * 10**9),
        ("06", "68", 35_794 * 86_400 * 10**9),
        ("3PM 2006", "12am 1970", ' as "3PM 2006": cannot parse "am 1970" as "PM"'),
        ("3PM 2006", "12AM 1970", 0),
        ("3PM 2006", "12PM 1970", 12 * 3600 * 10**9),
        ("Jan _2 2006", "JANUARY  2 1970", ' as "Jan _2 2006": cannot parse "UARY  2 1970" as " "'),
        ("January  2 2006", "jAnUaRy 2 1970", 86_400 * 10**9),
        ("2006-01-02", "1970-02-30", ": day out of range"),
        ("2006-01-02", "1970-13-01", ": month out of range"),
        ("2006-01-02", "1970-1-1", ' as "2006-01-02": cannot parse "1-1" as "01"'),
        ("2006-01-02", "1970-01-01x", ': extra text: "x"'),
        ("2006-01-02T15:04:05Z07:00", "1970-01-01T00:00:00-01:30", 5400 * 10**9),
        ("2006 MST", "1970 CEST", 0),
        ("2006 MST", "1970 GMT+2", -7200 * 10**9),
        ("2006 -0700", "1970 +2500", ": time zone offset out of range"),
        ("15", "24", ": hour out of range"),
        ("RFC1123Z", "Thu, 01 Jan 1970 00:00:01 +0000", 10**9),
    ],
)
def test_a_layout_says_how_a_time_is_read(layout: str, text: str, ns: Any) -> None:
    found = ask("time.parse_ns", layout, text)
    if ns is None:
        assert found == "eval_builtin_error: time.parse_ns: time outside of valid range"  # year 0
    else:
        assert found == (ns if type(ns) is int else f'eval_builtin_error: time.parse_ns: parsing time "{text}"{ns}')


@pytest.mark.parametrize(
    ("name", "operands", "answer"),
    [
        ("time.now_ns", (), 5),
        ("time.date", ([NOON, "Asia/Tokyo"],), [2023, 11, 15]),
        ("time.clock", ([NOON, "Asia/Kolkata"],), [3, 43, 20]),
        ("time.weekday", ([-1, "UTC"],), "Wednesday"),
        ("time.date", (1.0e18,), [2001, 9, 9]),
        ("time.date", (1.5,), "eval_builtin_error: time.date: timestamp too big"),
        ("time.date", ([NOON, "Nowhere/At_All"],), "eval_builtin_error: time.date: unknown time zone Nowhere/At_All"),
        ("time.date", ([NOON, "../etc/passwd"],), "eval_builtin_error: time.date: unknown time zone ../etc/passwd"),
        ("time.date", ([],),
         "eval_type_error: time.date: operand 1 must be either number (ns) or [number (ns), string (tz)] but got array"),
        ("time.date", (["a"],), "eval_type_error: time.date: operand 1 must be number but got string"),
        ("time.date", ([1, 2],), "eval_type_error: time.date: operand 1 must be string but got number"),
        ("time.date", (-(1 << 63),), [1677, 9, 21]),
        ("time.clock", ((1 << 63) - 1,), [23, 47, 16]),
        ("time.format", ([0, "UTC", 5],), "eval_type_error: time.format: operand 1 must be string but got number"),
        ("time.add_date", (ask("time.parse_ns", "2006-01-02", "2024-01-31"), 0, 1, 0), ask("time.parse_ns", "2006-01-02", "2024-03-02")),
        ("time.add_date", (ask("time.parse_ns", "2006-01-02", "2024-03-31"), 0, -13, 1), ask("time.parse_ns", "2006-01-02", "2023-03-04")),
        ("time.add_date", (0, 10**30, 0, 0), "eval_builtin_error: time.add_date: time outside of valid range"),
        ("time.add_date", (0, 0, 0, -(10**9)), "eval_builtin_error: time.add_date: time outside of valid range"),
        ("time.add_date", (0, 1.5, 0, 0),
         "eval_type_error: time.add_date: operand 2 must be integer number but got floating-point number"),
        # a day across the end of summer time is a day on the calendar, 25 hours long
        ("time.add_date", ([ask("time.parse_rfc3339_ns", "2024-10-26T12:00:00+02:00"), "Europe/Berlin"], 0, 0, 1),
         ask("time.parse_rfc3339_ns", "2024-10-27T12:00:00+01:00")),
        ("time.diff", (NOON, 0), [53, 10, 13, 22, 13, 20]),
        ("time.diff", (ask("time.parse_ns", "2006-01-02", "2023-12-15"), ask("time.parse_ns", "2006-01-02", "2024-01-10")),
         [0, 0, 26, 0, 0, 0]),
        ("time.diff", (ask("time.parse_ns", "2006-01-02", "2023-11-05"), ask("time.parse_ns", "2006-01-02", "2024-02-01")),
         [0, 2, 26, 0, 0, 0]),
        ("time.diff", ([0, "Europe/Berlin"], 86_400 * 10**9), [0, 0, 1, 0, 0, 0]),
        ("time.parse_duration_ns", ("-1h2m3.5s4ms5us6µs7ns",), -(3_723_500_000_000 + 4_000_000 + 11_000 + 7)),
        ("time.parse_duration_ns", (".5m",), 30 * 10**9),
        ("time.parse_duration_ns", ("0",), 0),
        ("time.parse_duration_ns", ("1",), 'eval_builtin_error: time.parse_duration_ns: time: invalid duration "1"'),
        ("time.parse_duration_ns", (".s",), 'eval_builtin_error: time.parse_duration_ns: time: invalid duration ".s"'),
        ("time.parse_duration_ns", ("",), 'eval_builtin_error: time.parse_duration_ns: time: invalid duration ""'),
        ("time.parse_duration_ns", ("3000000h",), 'eval_builtin_error: time.parse_duration_ns: time: invalid duration "3000000h"'),
    ],
)  # fmt: skip
def test_answer(name: str, operands: tuple[Any, ...], answer: Any) -> None:
    assert ask(name, *operands) == answer
