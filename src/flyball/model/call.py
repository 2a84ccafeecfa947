"""HTTP as kinds may use it: values in, values out, through the Caller port."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetch:
    """One HTTP call. No redirect is followed; the address is resolved once and connected to."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    timeout_s: float = 5.0
    max_bytes: int = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What came back; `error` is set instead of a status when nothing did."""

    status: int
    body: bytes
    took_s: float
    error: str = ""
    truncated: bool = False
