"""JSON pointers (RFC 6901)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flyball.rules.pointer import MissingError, covers, join, leaves, look, parts, within

DOC: Any = {"foo": ["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, "e^f": 3, "g|h": 4, "i\\j": 5, 'k"l': 6, " ": 7, "m~n": 8}
"""The document of RFC 6901, section 5."""

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("pointer", "found"),
    [
        ("", DOC),
        ("/foo", ["bar", "baz"]),
        ("/foo/0", "bar"),
        ("/", 0),
        ("/a~1b", 1),
        ("/c%d", 2),
        ("/e^f", 3),
        ("/g|h", 4),
        ("/i\\j", 5),
        ('/k"l', 6),
        ("/ ", 7),
        ("/m~0n", 8),
    ],
)
def test_the_examples_of_the_rfc(pointer: str, found: Any) -> None:
    assert look(DOC, pointer) == found


@pytest.mark.parametrize("pointer", ["foo", "/none", "/foo/2", "/foo/-", "/foo/-1", "/foo/²", "/foo/bar", "/foo/0/x", "/a/b"])
def test_a_pointer_that_leads_nowhere_raises(pointer: str) -> None:
    with pytest.raises(MissingError):
        look(DOC, pointer)


@given(JSON)
def test_every_leaf_is_found_where_it_is_said_to_be(doc: Any) -> None:
    found = dict(leaves(doc))
    for pointer, value in found.items():
        assert look(doc, pointer) == value
        assert covers(pointer, pointer)
        assert covers("", pointer) or pointer == ""


@given(st.lists(st.text(max_size=5), max_size=4))
def test_what_is_joined_is_split_again(tokens: list[str]) -> None:
    pointer = ""
    for token in tokens:
        pointer = join(pointer, token)
    assert list(parts(pointer)) == tokens


def test_a_pointer_covers_what_lies_under_it_and_not_what_only_begins_alike() -> None:
    assert covers("/a", "/a/b")
    assert not covers("/a", "/ab")
    assert not covers("/a/b", "/a")
    assert within({"a": {"b": 1, "c": []}, "ab": 2}, "/a") == ("/a/b", "/a/c")
