"""Between JSON and nouns: what is dumped is parsed again, what does not fit is named by its pointer."""

from __future__ import annotations

import dataclasses
import enum
import inspect
import json
import types
import typing
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flyball import wire
from flyball.errors import BadInput
from flyball.model import action, approval, box, decision, grant, ids, kind, log, money, policy, provenance, session
from flyball.model.action import Deed, Expect, Outcome, Recipe
from flyball.model.session import Ask, Finish, Propose, Thought

MODULES = (action, approval, box, decision, grant, kind, log, money, policy, provenance, session)
BYTES = {"Run", "Ran", "Logged"}  # never on the wire
NOUNS = sorted(
    {
        one
        for module in MODULES
        for one in vars(module).values()
        if inspect.isclass(one) and dataclasses.is_dataclass(one) and one.__name__ not in BYTES
    },
    key=lambda one: one.__name__,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=3,
)
SCALARS: dict[Any, st.SearchStrategy[Any]] = {
    str: st.text(max_size=4),
    int: st.integers(-9, 9),
    float: st.floats(allow_nan=False, allow_infinity=False, width=32),
    bool: st.booleans(),
}


def values(hint: Any) -> st.SearchStrategy[Any]:
    """A strategy for an annotation of the model."""
    if isinstance(hint, typing.NewType):
        hint = hint.__supertype__
    if hint in SCALARS:
        return SCALARS[hint]
    if inspect.isclass(hint) and issubclass(hint, enum.Enum):
        return st.sampled_from(list(hint))
    if dataclasses.is_dataclass(hint):
        return nouns(hint)
    return shapes(typing.get_origin(hint), typing.get_args(hint))


def shapes(origin: Any, args: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    if origin in (types.UnionType, typing.Union):
        return st.one_of(*(st.none() if one is types.NoneType else st.deferred(lambda one=one: values(one)) for one in args))
    if origin is tuple and args[-1] is Ellipsis:
        return st.lists(values(args[0]), max_size=2).map(tuple)
    if origin is tuple:
        return st.tuples(*(values(one) for one in args))
    if origin is dict:  # arbitrary names
        return st.dictionaries(st.text(max_size=2), values(args[1]), max_size=2)
    return st.dictionaries(st.text(max_size=2), JSON, max_size=2) if origin else JSON  # Doc, or any JSON


def nouns(cls: Any) -> st.SearchStrategy[Any]:
    hints = typing.get_type_hints(cls)
    return st.builds(cls, **{field.name: st.deferred(lambda name=field.name: values(hints[name])) for field in dataclasses.fields(cls)})


@pytest.mark.parametrize("cls", NOUNS, ids=lambda one: one.__name__)
def test_every_noun_comes_back_as_it_was(cls: Any) -> None:
    @settings(max_examples=8)
    @given(nouns(cls))
    def one(noun: Any) -> None:
        doc = json.loads(json.dumps(wire.dump(noun)))
        assert wire.parse(cls, doc) == noun

    one()


@pytest.mark.parametrize("cls", [Deed, provenance.Value], ids=lambda one: one.__name__)
def test_an_encoder_that_knows_dataclasses_writes_what_is_dumped(cls: Any) -> None:
    """The store and the API hand these to orjson as they are."""

    @settings(max_examples=30)
    @given(nouns(cls))
    def one(noun: Any) -> None:
        assert orjson.dumps(noun, dict) == orjson.dumps(wire.dump(noun))

    one()
    args = types.MappingProxyType({"a": types.MappingProxyType({"b": (1,)})})
    assert orjson.dumps(
        provenance.Value(id=ids.ValueId("v"), digest=ids.Digest(""), origin="", integrity=provenance.Integrity.SYSTEM, body=args), dict
    )


def test_the_list_of_nouns_is_the_whole_model() -> None:
    assert len(NOUNS) > 40
    assert {Deed, Propose, Recipe} <= set(NOUNS)
    assert ids.Digest("x") == "x"


@pytest.mark.parametrize(
    ("cls", "doc", "told"),
    [
        (Expect, {}, "/kind is missing"),
        (Expect, [], "/ must be an object, not list"),
        (Expect, {"kind": 3}, "/kind must be str, not int"),
        (Expect, {"kind": "k", "within_s": True}, "/within_s must be float, not bool"),
        (Expect, {"kind": "k", "surprise": 1}, "/surprise is not known here"),
        (Expect, {"kind": "k", "args": 3}, "/args must be an object, not int"),
        (Outcome, {"ok": 1}, "/ok must be bool, not int"),
        (action.Proposal, {"kind": "k", "target": "t", "purpose": "FIX"}, "/purpose must be one of diagnose, fix, verify, notify"),
        (action.Proposal, {"kind": "k", "target": "t", "verify": "all"}, "/verify must be an array, not str"),
        (action.Proposal, {"kind": "k", "target": "t", "verify": [{"kind": "k"}, {}]}, "/verify/1/kind is missing"),
        (log.Change, {"fence": ["s-1"]}, "/fence must have 2 items"),
        (
            kind.KindSpec,
            {"name": "k", "title": "k", "reach": "read", "args": {}, "result": {}, "endorse": []},
            "/endorse must be an object",
        ),
        (session.Step, {"number": 1, "at": 0, "answer": {"is": "shrug"}}, "/answer/is must be one of propose, ask, finish"),
        (session.Step, {"number": 1, "at": 0, "answer": None}, "/answer/is must be one of"),
    ],
)
def test_what_does_not_fit_is_named_by_its_pointer(cls: Any, doc: Any, told: str) -> None:
    with pytest.raises(BadInput) as caught:
        wire.parse(cls, doc)
    assert caught.value.what.startswith(told)


def test_whole_numbers_are_floats_where_floats_are_meant() -> None:
    assert wire.parse(Expect, {"kind": "k", "within_s": 3}).within_s == 3.0


@pytest.mark.parametrize(
    "answer", [Ask(question="q", thought=Thought(summary="s")), Finish(outcome="fixed", summary="s", thought=Thought(summary="s"))]
)
def test_an_answer_comes_back_by_its_tag(answer: Any) -> None:
    assert wire.parse_answer(wire.dump(answer)) == answer


@pytest.mark.parametrize("thing", [object(), {1, 2}, b"raw"])
def test_what_is_no_part_of_the_model_is_not_dumped(thing: Any) -> None:
    with pytest.raises(TypeError):
        wire.dump(thing)


def test_only_nouns_are_dumped() -> None:
    with pytest.raises(TypeError, match="is not a noun"):
        wire.dump([1])


def test_a_union_of_plain_json_takes_any_of_it() -> None:
    assert [wire.parse(int | str, one) for one in (3, "a")] == [3, "a"]
