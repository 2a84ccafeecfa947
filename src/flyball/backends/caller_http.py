"""HTTP/1.1 for kinds, on asyncio alone: the port `Caller`. Made by `compose`, handed to kinds inside `Hands`.

Refuses any URL whose scheme, host and port are not on the list that the kind gives from its target's catalogue entry. Follows no redirect,
knows no proxy, keeps no connection, resolves a name once and connects to what came of that. RFC 9112 as far as a small client needs it.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from urllib.parse import SplitResult, urlsplit

from flyball.errors import Denied, NotReady
from flyball.model.call import Fetch, Fetched

_MAX_HEAD = 32_768  # bytes of status line and headers
_PORTS = {"http": 80, "https": 443}
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}
_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_BODILESS = {204, 304}

Origin = tuple[str, str, int]


class _Malformed(Exception):
    """What came back is not HTTP/1.x."""


class HttpCaller:
    """Makes one call at a time to origins that are allowed, as long as this server holds its state."""

    def __init__(self, context: ssl.SSLContext | None = None, held: Callable[[], bool] = lambda: True) -> None:
        """Take the TLS context for https, by default the system's trusted roots; `held` says whether the state is still this server's."""
        self._context, self._held = context or ssl.create_default_context(), held

    async def fetch(self, fetch: Fetch, allowed: Sequence[str]) -> Fetched:
        """Make one call. Network faults, time limits and garbage are `error`.

        Raises Denied where the call itself is not allowed, NotReady where another server has taken the state over.
        """
        parts = _checked(fetch, allowed)
        loop = asyncio.get_running_loop()
        began, status, body, truncated, error = loop.time(), 0, b"", False, ""
        try:
            async with asyncio.timeout(fetch.timeout_s):
                status, body, truncated = await self._exchange(fetch, parts)
        except TimeoutError:
            error = f"no answer within {fetch.timeout_s:g} s"
        except ssl.SSLError as e:
            error = f"TLS failed: {e.reason or 'unknown'}"
        except OSError as e:
            error = f"cannot connect: {e.strerror or type(e).__name__}"
        except (_Malformed, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as e:
            error = f"the answer is no HTTP: {e if isinstance(e, _Malformed) else 'it broke off'}"
        return Fetched(status=status, body=body, took_s=loop.time() - began, error=error, truncated=truncated)

    async def _exchange(self, fetch: Fetch, parts: SplitResult) -> tuple[int, bytes, bool]:
        """Connect, write, read; gives status, body and whether the body was longer than wanted."""
        reader, writer = await self._connect(parts)
        try:
            if not self._held():  # asked last of all: connecting may take a while, and sends nothing
                raise NotReady(f"no call to {parts.netloc}", "another server has taken this state over", "look there")
            writer.write(_written(fetch, parts))
            await writer.drain()
            while True:
                status, headers = _parsed_head(await reader.readuntil(b"\r\n\r\n"))
                if status >= 200 or status == 101:  # noqa: PLR2004 -- 1xx but 101 is interim, RFC 9110 15.2
                    break
            if fetch.method == "HEAD" or status in _BODILESS:
                return status, b"", False
            body, truncated = await _body(reader, headers, fetch.max_bytes)
            return status, body, truncated
        finally:
            writer.transport.abort()

    async def _connect(self, parts: SplitResult) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Resolve once and connect to the first of these addresses that answers. Raises OSError."""
        host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=1)  # SOCK_STREAM
        context = self._context if parts.scheme == "https" else None
        fault = OSError("the name has no address")
        for *_, address in found:
            try:
                return await asyncio.open_connection(
                    str(address[0]), port, ssl=context, server_hostname=host if context else None, limit=_MAX_HEAD
                )
            except OSError as e:
                fault = e
        raise fault


def _checked(fetch: Fetch, allowed: Sequence[str]) -> SplitResult:
    """Give the parts of the URL. Raises Denied where it is not plainly one of the allowed origins."""
    parts = urlsplit(fetch.url)
    fits = fetch.url.isascii() and fetch.url.isprintable() and not set(fetch.url) & set(' "<>\\^`{|}') and not parts.fragment
    mine = _origin(fetch.url)
    if not fits or mine is None or mine not in {_origin(each) for each in allowed}:
        shown = ascii(fetch.url[:200])[1:-1]
        raise Denied(
            f"no call to {shown}", "its scheme, host and port are not in the target's catalogue entry", "add the URL to the target's facts"
        )
    clean = all(name and set(name) <= _TOKEN and value.isprintable() and value.isascii() for name, value in fetch.headers)
    if fetch.method not in _METHODS or not clean:
        raise Denied(
            "no call with this method or these headers", "they could be read as something else", "use plain method and header values"
        )
    return parts


def _origin(url: str) -> Origin | None:
    """Give (scheme, host, port) of an absolute http or https URL without user information, or None."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _PORTS or not parts.hostname or "@" in parts.netloc:
        return None
    return parts.scheme, parts.hostname, _PORTS[parts.scheme] if port is None else port


def _written(fetch: Fetch, parts: SplitResult) -> bytes:
    """Give the bytes to send."""
    where = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    own = [("Host", parts.netloc), ("Connection", "close"), ("User-Agent", "flyball")]
    if fetch.body or fetch.method in {"POST", "PUT", "PATCH"}:
        own.append(("Content-Length", str(len(fetch.body))))
    reserved = {name.lower() for name, _ in own} | {"transfer-encoding", "content-length"}
    sent = own + [(name, value) for name, value in fetch.headers if name.lower() not in reserved]
    head = f"{fetch.method} {where} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in sent) + "\r\n"
    return head.encode("ascii") + fetch.body


def _parsed_head(head: bytes) -> tuple[int, dict[str, str]]:
    """Give status and headers, names in lower case. Raises _Malformed."""
    first, *rows = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    words = first.split(" ", 2)
    if len(words) < 2 or not words[0].startswith("HTTP/1.") or len(words[1]) != 3 or not words[1].isdecimal():  # noqa: PLR2004 -- version, status
        raise _Malformed("its first line is no status line")
    return int(words[1]), {name.strip().lower(): value.strip() for name, _, value in (row.partition(":") for row in rows)}


async def _body(reader: asyncio.StreamReader, headers: dict[str, str], limit: int) -> tuple[bytes, bool]:
    """Read at most `limit` bytes of the body, however it is framed (RFC 9112 section 6)."""
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return await _chunked(reader, limit)
    length = headers.get("content-length", "")
    if length and not length.isdecimal():
        raise _Malformed("its length is no number")
    wanted = min(int(length), limit) if length else limit
    if length:
        return await reader.readexactly(wanted), int(length) > limit
    body = b""
    while len(body) <= limit and (part := await reader.read(65_536)):
        body += part
    return body[:limit], len(body) > limit


async def _chunked(reader: asyncio.StreamReader, limit: int) -> tuple[bytes, bool]:
    body = b""
    while True:
        row = (await reader.readuntil(b"\r\n")).split(b";")[0].strip()
        if not row or set(row) - set(b"0123456789abcdefABCDEF"):
            raise _Malformed("a chunk has no size")
        size = int(row, 16)
        if size == 0:
            return body, False
        if len(body) + size > limit:
            return body + await reader.readexactly(limit - len(body)), True
        body += await reader.readexactly(size)
        await reader.readexactly(2)
