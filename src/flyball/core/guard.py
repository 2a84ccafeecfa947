"""The loop boundary: whatever a plug raises ends here. Called around every kind and brain; the callers decide what silence means."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from flyball.errors import StoreError, UserError

T = TypeVar("T")


async def guard(call: Awaitable[T], timeout_s: float) -> tuple[T | None, str]:
    """Await a plug for at most `timeout_s`. Gives (answer, "") or (None, one line of what went wrong). Store errors pass through."""
    try:
        async with asyncio.timeout(timeout_s):
            return await call, ""
    except TimeoutError:
        return None, f"no answer within {timeout_s:g} s"
    except StoreError:
        raise
    except UserError as fault:
        return None, ": ".join(part for part in (fault.what, fault.why) if part)[:300]
    except Exception as fault:  # noqa: BLE001 the one place where a plug's fault becomes a value: an intent must be settled whatever happens
        return None, f"{type(fault).__name__}: {fault}"[:300]
