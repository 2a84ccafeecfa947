"""Money: what may be set aside on an account, and how it is settled. The store asks it for every Draw and Settle."""

from __future__ import annotations

from flyball.model.money import Account


def draw(account: Account, amount: int, cap: int) -> Account | None:
    """Set `amount` (micro-currency) aside if spent + held + amount stays within `cap`; None where it does not.

    A cap of zero means zero. A negative amount would widen the account and is refused like one that is too large.
    """
    if amount < 0 or account.spent + account.held + amount > cap:
        return None
    return Account(id=account.id, spent=account.spent, held=account.held + amount)


def settle(account: Account, held: int, spent: int) -> Account:
    """Give back `held` and book `spent` (micro-currency): what was really used is booked even where it is more than was held.

    Giving back more than is held leaves nothing held. Raises ValueError for a negative number: money is never unspent.
    """
    if held < 0 or spent < 0:
        raise ValueError(f"cannot settle held={held}, spent={spent} on {account.id}: both must be 0 or more")
    return Account(id=account.id, spent=account.spent + spent, held=max(0, account.held - held))
