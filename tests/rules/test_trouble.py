"""One trouble with several instances: it is over when the last one is, whatever order they are told in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flyball.model.session import Signal
from flyball.rules.trouble import MOST_PARTS, joined

PARTS = st.sampled_from(["a", "b", "c"])
NEWS = st.lists(st.lists(st.tuples(PARTS, st.booleans()), min_size=1, max_size=4), min_size=1, max_size=8)


def signal(part: str = "", *, firing: bool = True, summary: str = "") -> Signal:
    return Signal(source="s", id="d", key="Down:web", name="Down", target="web", part=part, firing=firing, summary=summary)


@given(NEWS)
def test_it_fires_as_long_as_any_instance_does(news: list[list[tuple[str, bool]]]) -> None:
    known, alive = None, set[str]()
    for count, delivery in enumerate(news, start=1):
        known = joined(known, [signal(part, firing=firing) for part, firing in delivery])
        for part, _ in delivery:
            (alive.add if (part, True) in delivery else alive.discard)(part)
        assert (known.firing, set(known.parts), known.seen) == (bool(alive), alive, count)


def test_the_words_are_those_of_what_still_fires() -> None:
    known = joined(None, [signal("a", summary="a is down")])
    known = joined(known, [signal("b", summary="b is down"), signal("a", firing=False, summary="a is up")])
    assert (known.summary, known.parts) == ("b is down", ("b",))
    known = joined(joined(known, [signal("a", summary="a is down")]), [signal("a", firing=False, summary="a is up")])
    assert (known.firing, known.summary) == (True, "a is down")
    over = joined(known, [signal("b", firing=False, summary="b is up")])
    assert (over.firing, over.summary) == (False, "b is up")


def test_a_source_without_instances_has_one() -> None:
    assert joined(None, [signal()]).firing
    assert not joined(joined(None, [signal()]), [signal(firing=False)]).firing


def test_instances_are_bounded() -> None:
    known = joined(None, [signal(f"{number}") for number in range(MOST_PARTS + 5)])
    assert (len(known.parts), known.firing) == (MOST_PARTS, True)
