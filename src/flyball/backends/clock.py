"""The only source of time, ids and randomness. Meets `ports.Clock`; `compose` makes one."""

from __future__ import annotations

import asyncio
import base64
import secrets
import time

ID_BYTES = 5


class SystemClock:
    """Wall time that never runs backwards within a process: it follows the monotonic clock when the wall is set back."""

    def __init__(self) -> None:
        """Start at the wall's word."""
        self._last = 0.0

    def now(self) -> float:
        """Give Unix seconds, UTC."""
        self._last = max(self._last, time.time())
        return self._last

    def mono(self) -> float:
        """Give monotonic seconds."""
        return time.monotonic()

    def new_id(self, prefix: str) -> str:
        """Give prefix and eight random characters of base32."""
        return prefix + base64.b32encode(secrets.token_bytes(ID_BYTES)).decode().lower()

    def salt(self) -> bytes:
        """Give 16 random bytes."""
        return secrets.token_bytes(16)

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)
