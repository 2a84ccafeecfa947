"""Numbers, bits, casts, units, versions and what collections come to: what the compliance suite does not ask."""

from typing import Any

import pytest

from flyball.rego.builtin import TABLE, World
from flyball.rego.value import UNDEFINED, Set
from rego.ask import ask

HUGE = 1 << 13_990


@pytest.mark.parametrize(
    ("name", "operands", "answer"),
    [
        # decimals are reckoned as decimals, as OPA's 64 bits do it; a whole result is an integer
        ("plus", (0.1, 0.2), 0.3),
        ("mul", (0.1, 3), 0.3),
        ("mul", (1.5, 2), 3),
        ("minus", (1, 0.9), 0.1),
        ("div", (1, 3), 1 / 3),
        ("div", (6, 3), 2),
        ("div", (-7, 2), -3.5),
        ("div", (0, 5), 0),
        ("mul", (1e200, 1e200), 10**400),
        ("mul", (10**40, 10**40), 10**80),
        ("div", (1, 0.0), "eval_builtin_error: div: divide by zero"),
        ("div", (1, False), "eval_type_error: div: operand 2 must be number but got boolean"),
        ("plus", (1, True), "eval_type_error: plus: operand 2 must be number but got boolean"),
        ("plus", ("a", 1), "eval_type_error: plus: operand 1 must be number but got string"),
        # the rest has the sign of the dividend in Go, of the divisor in Python
        ("rem", (-7, 3), -1),
        ("rem", (7, -3), 1),
        ("rem", (7.0, 2), 1),
        ("rem", (7, 0.0), "eval_builtin_error: rem: modulo by zero"),
        # halves go away from zero in Go, to the even number in Python
        ("round", (2.5,), 3),
        ("round", (-2.5,), -3),
        ("round", (0.49999999999999994,), 0),
        ("ceil", (-0.5,), 0),
        ("floor", (-0.5,), -1),
        ("floor", (1e300,), 10**300),
        ("abs", (-1.5,), 1.5),
        ("abs", (None,), "eval_type_error: abs: operand 1 must be number but got null"),
        ("minus", (Set([1, 2]), Set([2])), Set([1])),
        ("minus", (None, 1), "eval_type_error: minus: operand 1 must be one of {number, set} but got null"),
        ("minus", (1, None), "eval_type_error: minus: operand 2 must be number but got null"),
        ("numbers.range", (3, 1), [3, 2, 1]),
        ("numbers.range", (1.0, 2), [1, 2]),
        ("numbers.range", ("a", 2), "eval_type_error: numbers.range: operand 1 must be integer but got string"),
        ("numbers.range_step", (0, 10, 4), [0, 4, 8]),
        ("numbers.range_step", (10, 0, 4), [10, 6, 2]),
        ("numbers.range", (0, 999_999), list(range(1_000_000))),
        ("numbers.range", (0, 1_000_000), "eval_limit_error: numbers.range: more than 1,000,000 numbers"),
        ("numbers.range_step", (0, 10**30, 10**29), [n * 10**29 for n in range(11)]),
        ("mul", (HUGE, 1 << 20), HUGE << 20),
        ("mul", (HUGE << 20, 2), "eval_limit_error: mul: more than 14,000 bits"),
        ("rand.intn", ("x", 0), 0),
        ("rand.intn", ("x", 1.5), "eval_type_error: rand.intn: operand 2 must be integer number but got floating-point number"),
        ("bits.negate", (5,), -6),
        ("bits.and", (-1, 2**70), 2**70),
        ("bits.lsh", (1, 100), 2**100),
        ("bits.lsh", (0, 10**20), 0),
        ("bits.lsh", (1, 10**20), "eval_limit_error: bits.lsh: more than 14,000 bits"),
        ("bits.rsh", (-5, 1), -3),
        ("bits.rsh", (5, 10**20), 0),
        ("bits.or", (1, "a"), "eval_type_error: bits.or: operand 2 must be integer but got string"),
        ("to_number", ("-0.50",), -0.5),
        ("to_number", ("1e3",), 1000.0),
        ("to_number", (".5",), 0.5),
        ("to_number", (True,), 1),
        ("to_number", ("1" * 300,), int("1" * 300)),
        ("to_number", (" 1",), 'eval_builtin_error: to_number: strconv.ParseFloat: parsing " 1": invalid syntax'),
        ("to_number", ("1_0",), 'eval_builtin_error: to_number: strconv.ParseFloat: parsing "1_0": invalid syntax'),
        ("to_number", ("٣",), 'eval_builtin_error: to_number: strconv.ParseFloat: parsing "٣": invalid syntax'),
        ("to_number", ("1e999",), 'eval_builtin_error: to_number: strconv.ParseFloat: parsing "1e999": value out of range'),
        ("to_number", ("+Inf",), "eval_type_error: to_number: operand 1 must be valid number string but got string"),
        ("is_number", (True,), False),
        ("type_name", (Set(),), "set"),
        ("units.parse", ("0.1m",), 0.0001),
        ("units.parse", ("1.5Ki",), 1536),
        ("units.parse", ("-1",), -1),
        ("units.parse", ("1x",), "eval_builtin_error: units.parse: unit x not recognized"),
        ("units.parse", ("1e9999",), "eval_builtin_error: units.parse: exponent too large"),
        ("units.parse_bytes", ("1.5KiB",), 1536),
        ("units.parse_bytes", ("1E",), 10**18),
        ("units.parse_bytes", ("1e2kb",), 100_000),
        ("semver.compare", ("1.0.0-alpha.2", "1.0.0-alpha.10"), -1),
        ("semver.compare", ("1.0.0-1", "1.0.0-a"), -1),
        ("semver.compare", ("1.0.0-a", "1.0.0"), -1),
        ("semver.compare", ("1.0.0+x", "1.0.0+y"), 0),
        ("semver.is_valid", ("1.0.0-",), False),
        ("semver.is_valid", ("01.0.0",), False),
        ("count", ("İß😀",), 3),
        ("sum", ([],), 0),
        ("sum", ([0.1, 0.2, 3],), 3.3),
        ("sum", (Set([1, "a"]),), "eval_type_error: sum: operand 1 must be set of numbers but got set containing string"),
        ("sum", ([True],), "eval_type_error: sum: operand 1 must be array of numbers but got array containing boolean"),
        ("product", ([],), 1),
        ("product", ([HUGE, HUGE, 2],), "eval_limit_error: product: more than 14,000 bits"),
        ("max", ([],), UNDEFINED),
        ("max", ([1, "a", None, [0]],), [0]),
        ("min", (Set(["a", 1, True]),), True),
        ("max", ({},), "eval_type_error: max: operand 1 must be one of {set, array} but got object"),
        ("sort", ([Set(), {}, [], "a", 1, False, None],), [None, False, 1, "a", [], {}, Set()]),
        ("internal.member_2", (1, [True, 1.0]), True),
        ("internal.member_2", (1, [True]), False),
        ("internal.member_3", (True, 1, [0, 1]), False),
        ("internal.member_3", (1.0, 5, [0, 5]), True),
        ("lt", (None, False), True),
        ("lt", (Set(), {}), False),
        ("gte", ("b", "a"), True),
        ("lte", (1, 1.0), True),
        ("gt", (10**400, 1e308), True),
        ("equal", (1, True), False),
        ("neq", (1, 1.0), False),
    ],
)
def test_answer(name: str, operands: tuple[Any, ...], answer: Any) -> None:
    found = ask(name, *operands)
    assert found == answer
    assert type(found) is type(answer)


def test_chance_depends_on_seed_name_and_limit_alone() -> None:
    draw = TABLE["rand.intn"].call
    first = [draw(World(seed=seed), name, 10**6) for seed in (1, 2) for name in ("a", "b")]
    assert len(set(first)) == 4
    assert first == [draw(World(seed=seed), name, 10**6) for seed in (1, 2) for name in ("a", "b")]
    assert draw(World(seed=1), "a", -(10**6)) == first[0]
