"""Canonical JSON against two other encoders, and the door it closes to everything else."""

import json
from base64 import urlsafe_b64decode
from collections.abc import Callable
from enum import StrEnum
from types import MappingProxyType
from typing import Any
from unicodedata import normalize

import orjson
import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from flyball.rules.digest import (
    MOST_DEPTH,
    MOST_INTEGER,
    NotCanonical,
    canonical,
    commit,
    digest,
    disclosure,
    disclosure_digest,
    even,
    freeze,
    parse_strict,
    thaw,
)

TEXTS = st.text(st.characters(exclude_categories=["Cs"])).map(lambda text: normalize("NFC", text))
KEYS = st.text(st.characters(max_codepoint=127))
INTEGERS = st.integers(-MOST_INTEGER, MOST_INTEGER)
FRACTIONS = st.floats(1e-4, 1e15).filter(lambda x: not x.is_integer()).flatmap(lambda x: st.sampled_from([x, -x]))
SCALARS = st.none() | st.booleans() | INTEGERS | FRACTIONS | TEXTS
VALUES = st.recursive(SCALARS, lambda one: st.lists(one, max_size=5) | st.dictionaries(KEYS, one, max_size=5), max_leaves=8)


@given(VALUES)
@example('\x00\x08\t\n\x0b\x0c\r\x1f"\\/\x7f\u2028\u2029\ufeff\U0001f600')
@example([0.1, 1e15 + 0.5, 0.0001, 123456.789, -0.00012])
@example({"b": 1, "B": 2, "": 3, "a\x7f": 4, "a": {"z": [], "y": {}}})
def test_three_encoders_agree(value: Any) -> None:
    assert canonical(value) == rfc8785.dumps(value) == orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


@given(FRACTIONS)
def test_three_encoders_agree_on_fractions(number: float) -> None:
    assert canonical(number) == rfc8785.dumps(number) == orjson.dumps(number)


@given(VALUES)
def test_what_is_written_is_read_back(value: Any) -> None:
    assert parse_strict(canonical(value)) == value


@given(st.dictionaries(KEYS, VALUES, min_size=2), st.randoms())
def test_order_of_a_mapping_does_not_matter(value: dict[str, Any], random: Any) -> None:
    pairs = list(value.items())
    random.shuffle(pairs)
    assert digest(dict(pairs)) == digest(value)


def paths_to_leaves(value: Any) -> list[list[Any]]:
    if isinstance(value, dict | list):
        inside = value.items() if isinstance(value, dict) else enumerate(value)
        return [[key, *path] for key, one in inside for path in paths_to_leaves(one)]
    return [[]]


def replaced(value: Any, path: list[Any], leaf: Any) -> Any:
    if not path:
        return leaf
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], leaf)
    return copy


def leaf_at(value: Any, path: list[Any]) -> Any:
    for key in path:
        value = value[key]
    return value


@given(VALUES, SCALARS, st.randoms())
def test_a_changed_leaf_changes_the_digest(value: Any, leaf: Any, random: Any) -> None:
    value = {"first": 1, "rest": value}
    path = random.choice(paths_to_leaves(value))
    same = orjson.dumps(leaf_at(value, path)) == orjson.dumps(leaf)
    assert (digest(replaced(value, path, leaf)) == digest(value)) == same


def test_a_digest_is_sha256_over_the_bytes() -> None:
    # Computed with: printf '{"a":[1,true,null]}' | sha256sum
    assert canonical({"a": (1, True, None)}) == b'{"a":[1,true,null]}'
    assert digest({"a": [1, True, None]}) == "sha256:6d1592667f338d1cf0afe1c2e2371acf5781539b63e7762fa0f64c1fe355713b"


class Colour(StrEnum):
    RED = "red"


class Whole(int):
    pass


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "path", "words"),
    [
        ({"a": [1, float("nan")]}, "/a/1", "not a finite number"),
        ({"a": float("-inf")}, "/a", "not a finite number"),
        (1.0, "", "a whole number held as a fraction"),
        (-0.0, "", "a whole number held as a fraction"),
        (1e300, "", "a whole number held as a fraction"),
        ([0.00001], "/0", "nearer to zero than 0.0001"),
        (2**53, "", "past 2**53 - 1"),
        (-(2**53), "", "past 2**53 - 1"),
        ({"name": "e\u0301"}, "/name", "(NFC)"),
        (["\ud800"], "/0", "half a surrogate pair"),
        ({"é": 1}, "", "the key '\\xe9' is not ASCII text"),
        ({"a": {1: 1}}, "/a", "the key 1 is not ASCII text"),
        ({Colour.RED: 1}, "", "is not ASCII text"),
        (Colour.RED, "", "a Colour is not JSON"),
        (Whole(3), "", "a Whole is not JSON"),
        (b"raw", "", "a bytes is not JSON"),
        ({"a/b": {"c~d": {1, 2}}}, "/a~1b/c~0d", "a set is not JSON"),
        (nested(MOST_DEPTH + 1), "/0" * MOST_DEPTH, "more than 64 levels"),
    ],
)
@pytest.mark.parametrize("reader", [canonical, digest, freeze, thaw])
def test_what_is_outside_the_subset_is_refused(reader: Callable[[Any], Any], value: Any, path: str, words: str) -> None:
    with pytest.raises(NotCanonical) as caught:
        reader(value)
    assert caught.value.path == path
    assert words in caught.value.why
    assert str(caught.value).startswith(path or "the value: ")


def test_the_limits_themselves_are_inside() -> None:
    assert canonical(nested(MOST_DEPTH)) == b"[" * 64 + b"1" + b"]" * 64
    assert canonical([MOST_INTEGER, -MOST_INTEGER]) == b"[9007199254740991,-9007199254740991]"
    with pytest.raises(NotCanonical, match="more than 64 levels"):
        canonical({"a": nested(MOST_DEPTH)})


@given(VALUES)
def test_freezing_keeps_the_digest_and_thawing_gives_it_back(value: Any) -> None:
    frozen = freeze(value)
    assert digest(frozen) == digest(value)
    assert thaw(frozen) == value


def test_frozen_does_not_follow_its_source_and_cannot_be_changed() -> None:
    source: dict[str, Any] = {"argv": ["ls", {"deep": [1]}]}
    frozen = freeze(source)
    source["argv"][1]["deep"].append(2)
    assert thaw(frozen) == {"argv": ["ls", {"deep": [1]}]}
    assert isinstance(frozen, MappingProxyType)
    with pytest.raises(TypeError):
        frozen["argv"][1]["deep"] = ()
    assert frozen["argv"][1]["deep"] == (1,)


@given(VALUES)
def test_strict_reading_agrees_with_the_standard_library(value: Any) -> None:
    raw = json.dumps(value, indent=1).encode()
    assert parse_strict(raw) == json.loads(raw)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b'{"a": 1, "b": {"c": 1, "c": 1}}', "the key 'c' stands twice"),
        (b'{"a": 1, "\\u0061": 2}', "the key 'a' stands twice"),
        (b"[NaN]", "NaN is not a JSON number"),
        (b"-Infinity", "-Infinity is not a JSON number"),
        (b"1e400", "past what a float can hold"),
        (b"9007199254740992", "past 2**53 - 1"),
        (b"-9007199254740992", "past 2**53 - 1"),
        (b"1" * 5000, "past 2**53 - 1"),
        (b"1e20", "past 2**53 - 1"),
        (b"\xff", "byte 0 is not UTF-8"),
        ("{}".encode("utf-16"), "is not UTF-8"),
        (b'["\xed\xa0\x80"]', "is not UTF-8"),
        (b'{"a": ["\\ud800"]}', "half a surrogate pair"),
        (b'{"\\udfff": 1}', "half a surrogate pair"),
        (b"\xef\xbb\xbf{}", "is not JSON"),
        (b"{'a': 1}", "line 1, column 2 is not JSON"),
        (b"", "is not JSON"),
        (b"[1] 2", "is not JSON"),
        (b'["\n"]', "is not JSON"),
        (b"[" * 65 + b"]" * 65, "more than 64 levels"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "more than 64 levels"),
        (b"[" * 200_000, "more than 64 levels"),
        (b" " * 1_000_001, "more than the 1000000"),
    ],
)
def test_json_that_could_mean_two_things_is_not_read(raw: bytes, words: str) -> None:
    with pytest.raises(NotCanonical) as caught:
        parse_strict(raw)
    assert words in str(caught.value)


def test_strict_reading_names_the_place_and_keeps_to_the_cap() -> None:
    with pytest.raises(NotCanonical) as caught:
        parse_strict(b'{"a": ["x", "\\ud800"]}')
    assert caught.value.path == "/a/1"
    assert parse_strict(b"[1]", most_bytes=3) == [1]
    with pytest.raises(NotCanonical, match="4 bytes are more than the 3"):
        parse_strict(b"[12]", most_bytes=3)
    assert parse_strict(b"[" * 64 + b"]" * 64) == parse_strict(b"[" * 64 + b"]" * 64)


def test_a_whole_number_written_as_a_fraction_is_read_as_rfc_8785_writes_it() -> None:
    read = parse_strict(b"[1.0, -0.0, 1e3, 0.5, 9007199254740991.0]")
    assert canonical(read) == rfc8785.dumps([1.0, -0.0, 1e3, 0.5, 9007199254740991.0])


@given(st.recursive(SCALARS | INTEGERS.map(float), lambda one: st.lists(one) | st.dictionaries(KEYS, one), max_leaves=8))
@example({"confidence": 1.0, "none": -0.0, "deep": [2.0**53 - 1, 0.25]})
def test_evened_values_have_the_bytes_that_rfc_8785_gives_them(value: Any) -> None:
    assert canonical(even(value)) == rfc8785.dumps(value)
    assert even(freeze(even(value))) == value


@pytest.mark.parametrize(("number", "words"), [(2.0**53, "past"), (float("inf"), "finite"), (float("nan"), "finite"), (1e-9, "zero")])
def test_evening_widens_the_subset_by_nothing_else(number: float, words: str) -> None:
    with pytest.raises(NotCanonical, match=words) as caught:
        even({"a": (number,)})
    assert caught.value.path == "/a/0"


# RFC 9901, section 4.2.1: the disclosure without white space, and (4.2.3) the digest of the one with white space.
SALT = urlsafe_b64decode("_26bc4LT-ac6q2KI6cBW5es=")
COMPACT = "WyJfMjZiYzRMVC1hYzZxMktJNmNCVzVlcyIsImZhbWlseV9uYW1lIiwiTcO2Yml1cyJd"
SPACED = "WyJfMjZiYzRMVC1hYzZxMktJNmNCVzVlcyIsICJmYW1pbHlfbmFtZSIsICJNw7ZiaXVzIl0"


def test_commitments_are_those_of_rfc_9901() -> None:
    assert disclosure(SALT, "family_name", "Möbius") == COMPACT
    assert disclosure_digest(SPACED) == "X9yH0Ajrdm1Oij4tWso9UzzKJvPoDxwmuEcO3XAdRC0"
    assert commit(SALT, "family_name", "Möbius") == disclosure_digest(COMPACT)


@given(st.binary(min_size=16, max_size=32), st.binary(min_size=16, max_size=32), KEYS, VALUES)
def test_a_commitment_opens_with_its_own_salt_name_and_value_only(a: bytes, b: bytes, name: str, value: Any) -> None:
    made = commit(a, name, value)
    assert (commit(b, name, value) == made) == (a == b)
    assert commit(a, name + "x", value) != made
    assert commit(a, name, [value]) != made


def test_a_short_salt_hides_nothing() -> None:
    with pytest.raises(ValueError, match="a salt of 15 bytes is too short"):
        commit(b"x" * 15, "ip", "10.0.0.1")
