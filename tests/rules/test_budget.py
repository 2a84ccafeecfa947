"""No interleaving of draws and settles passes the cap; zero means zero."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flyball.model.money import Account
from flyball.rules.budget import draw, settle

AMOUNTS = st.integers(0, 50)


@given(cap=st.integers(0, 200), steps=st.lists(st.tuples(st.booleans(), AMOUNTS, st.integers(0, 10))))
def test_spent_and_held_never_pass_the_cap_however_draws_and_settles_mix(cap: int, steps: list[tuple[bool, int, int]]) -> None:
    account, open_draws = Account(id="a"), list[int]()
    for is_draw, amount, pick in steps:
        if is_draw or not open_draws:
            drawn = draw(account, amount, cap)
            assert (drawn is not None) == (account.spent + account.held + amount <= cap)
            if drawn is not None:
                account = drawn
                open_draws.append(amount)
        else:
            held = open_draws.pop(pick % len(open_draws))
            spent_before = account.spent
            account = settle(account, held, min(held, amount))
            assert account.spent >= spent_before
        assert account.held == sum(open_draws)
        assert account.spent + account.held <= cap


@given(amount=st.integers(1))
def test_a_cap_of_zero_lets_nothing_be_drawn(amount: int) -> None:
    assert draw(Account(id="a"), amount, 0) is None


@given(amount=st.integers(max_value=-1), held=AMOUNTS)
def test_a_negative_draw_cannot_make_room(amount: int, held: int) -> None:
    assert draw(Account(id="a", held=held), amount, 1_000) is None


@given(held=AMOUNTS, back=AMOUNTS, spent=AMOUNTS)
def test_what_was_spent_is_booked_in_full_and_no_more_is_given_back_than_is_held(held: int, back: int, spent: int) -> None:
    after = settle(Account(id="a", spent=3, held=held), back, spent)
    assert after == Account(id="a", spent=3 + spent, held=max(0, held - back))


@pytest.mark.parametrize(("held", "spent"), [(-1, 0), (0, -1)])
def test_a_settle_of_less_than_nothing_is_an_error(held: int, spent: int) -> None:
    with pytest.raises(ValueError, match="both must be 0 or more"):
        settle(Account(id="a", held=5), held, spent)
