"""A policy that one process compiles and another runs: what is handed over says the same, and comes in small pieces."""

from __future__ import annotations

import marshal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import flyball
from flyball import rego
from flyball.rego import Limits, pack, piece
from flyball.rego.error import Fault
from flyball.rego.folder import read_folder
from rego.suite import find_archive, judged

SHIPPED = Path(flyball.__file__).parent / "defaults" / "policies"
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
documents = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=60)


def built(pieces: list[bytes]) -> dict[str, Any]:
    builder = piece.Builder()
    for one in pieces:
        builder.take(one)
    return builder.whole()


@given(st.dictionaries(st.text(), documents), st.integers(1, 20))
def test_a_document_is_what_its_pieces_make(document: dict[str, Any], most: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(piece, "MOST", most)  # so that small documents have many pieces
        found = built(list(piece.cut(document)))
    assert found == document
    assert [list(one) for one in (found, *found.values()) if isinstance(one, dict)] == [
        list(one) for one in (document, *document.values()) if isinstance(one, dict)
    ]


@pytest.mark.parametrize(
    "document",
    [
        {f"k{number}": number for number in range(100_000)},
        {"a": {"b": [[number, str(number)] for number in range(50_000)]}},
        {"a": ["x" * 1000] * 20_000},
    ],
)
def test_no_piece_of_a_large_document_is_large(document: dict[str, Any]) -> None:
    pieces = list(piece.cut(document))
    assert built(pieces) == document
    assert max(map(len, pieces)) < 200_000
    assert len(pieces) > 20


@pytest.mark.parametrize("pieces", [[], list(piece.cut({"a": [0] * 5_000}))[:-1], list(piece.cut({}))[:1] * 2])
def test_pieces_that_are_missing_are_no_document(pieces: list[bytes]) -> None:
    with pytest.raises(ValueError, match="pieces are missing"):
        built(pieces)


@pytest.mark.parametrize("raw", [b"", b"nonsense", marshal.dumps(7)])
def test_what_is_no_piece_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match="a piece that is none"):
        piece.Builder().take(raw)


def test_documents_crumble_away() -> None:
    class Seen(str):
        __slots__ = ()

    held: list[Any] = [{"a": [{"b": Seen("x")}, [1, [2]]]}]
    steps = list(piece.crumble(held))
    assert (held, len(steps)) == ([], 8)  # every value in it, a step each


def handed(policy: rego.Policy) -> rego.Policy:
    *steps, made = pack.unpacked(built(list(piece.cut(pack.packed(policy)))), policy.limits)
    assert not any(steps)
    assert made is not None
    return made


def test_the_shipped_policies_are_handed_over_whole() -> None:
    held = read_folder(SHIPPED)
    policy = rego.compile(held.modules, entrypoints=["flyball/answer"], strict=True, limits=Limits(steps=2_000_000))
    made = handed(policy)
    question = held.cases["cases/base.yaml"]["base"]
    assert made.eval("flyball/answer", question, held.data) == policy.eval("flyball/answer", question, held.data)
    assert (made.digest, made.entrypoints, made.limits, made.strict) == (policy.digest, policy.entrypoints, policy.limits, policy.strict)
    with pytest.raises(Fault, match="does not explain itself"):
        made.explain("flyball/answer", question, held.data)


def test_constants_of_every_sort_are_handed_over() -> None:
    values = '{1, [2], {"x": {true}}}, {[1]: {2}, false: 3}, 1e300, 12345678901234567890, "\\u2028", null'
    text = f"package a\n\nimport rego.v1\n\np := [{values}]\n"
    policy = rego.compile({"a.rego": text}, entrypoints=["a/p"])
    assert handed(policy).eval("a/p") == policy.eval("a/p")


def test_what_is_not_known_is_not_handed_over() -> None:
    policy = rego.compile({"a.rego": "package a\n\nimport rego.v1\n\np := 1\n"}, entrypoints=["a/p"])
    policy.compiled.plans["a/p"].__globals__["odd"] = object()  # type: ignore[attr-defined]  # a plan is a function
    with pytest.raises(TypeError, match="a object cannot be handed over"):
        pack.packed(policy)


@pytest.mark.parametrize("module", ["os", "flyball.backends.clock", "flyball.regotto.x"])
def test_nothing_but_this_package_is_named(module: str) -> None:
    policy = rego.compile({"a.rego": "package a\n\nimport rego.v1\n\np := 1\n"}, entrypoints=["a/p"])
    doc = pack.packed(policy)
    doc["names"]["b0"] = ["named", module, "system"]
    with pytest.raises(ValueError, match="is no part of"):
        list(pack.unpacked(doc, policy.limits))


@pytest.mark.skipif(find_archive() is None, reason="OPA's cases are not beside this repository (shared/conformance/rego/)")
def test_every_case_of_the_suite_is_answered_alike_after_it_was_handed_over() -> None:
    assert judged("code") == judged("source")
