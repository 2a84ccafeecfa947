import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path

import pytest

from flyball.backends.caller_http import HttpCaller
from flyball.errors import BadInput, Denied, NotReady
from flyball.kinds.http_probe import KIND
from flyball.model.call import Fetch
from kindbox import hands

Server = Callable[[bytes], bytes]


@asynccontextmanager
async def serving(answer: Server, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server that answers each call's head with raw bytes and hangs up."""

    calls: set[asyncio.Task[None] | None] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        calls.add(asyncio.current_task())
        with suppress(asyncio.IncompleteReadError, OSError), closing(writer):  # the client may say nothing, or be gone
            head = await reader.readuntil(b"\r\n\r\n")
            length = next((int(row.split(b":")[1]) for row in head.split(b"\r\n") if row.lower().startswith(b"content-length")), 0)
            writer.write(answer(head + await reader.readexactly(length)))
            await writer.drain()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()
        await asyncio.gather(*(one for one in calls if one))


def get(port: int, path: str = "/", **more: object) -> Awaitable[object]:
    return HttpCaller().fetch(Fetch(method="GET", url=f"http://127.0.0.1:{port}{path}", **more), [f"http://127.0.0.1:{port}"])


FRAMINGS = [
    (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, b"hello"),
    (b"HTTP/1.1 200 OK\r\n\r\nhello", 200, b"hello"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n", 200, b"hello"),
    (b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.0 503 No\r\nContent-Length: 2\r\n\r\nno", 503, b"no"),
    (b"HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n", 204, b""),
    (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", 302, b""),
]


@pytest.mark.parametrize(("raw", "status", "body"), FRAMINGS)
async def test_every_framing_of_a_body(raw: bytes, status: int, body: bytes) -> None:
    async with serving(lambda _: raw) as port:
        got = await get(port)
    assert (got.status, got.body, got.error, got.truncated) == (status, body, "", False)


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000,
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 5000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1388\r\n" + b"x" * 5000 + b"\r\n0\r\n\r\n",
    ],
)
async def test_a_long_body_is_cut(raw: bytes) -> None:
    async with serving(lambda _: raw) as port:
        got = await get(port, max_bytes=100)
    assert (len(got.body), got.truncated) == (100, True)


@pytest.mark.parametrize(
    "raw",
    [
        b"SSH-2.0-x\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nx",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
    ],
)
async def test_garbage_is_an_error_and_no_exception(raw: bytes) -> None:
    async with serving(lambda _: raw) as port:
        got = await get(port)
    assert got.status == 0
    assert got.error


async def test_what_is_sent() -> None:
    seen: list[bytes] = []
    async with serving(lambda head: (seen.append(head), b"HTTP/1.1 200 OK\r\n\r\n")[1]) as port:
        fetch = Fetch(method="POST", url=f"http://127.0.0.1:{port}/a?b=c", headers=(("X-Y", "z"), ("host", "evil")), body=b"{}")
        await HttpCaller().fetch(fetch, [f"http://127.0.0.1:{port}/other/path"])
    rows = seen[0].split(b"\r\n")
    assert rows[0] == b"POST /a?b=c HTTP/1.1"
    assert f"Host: 127.0.0.1:{port}".encode() in rows
    assert b"Content-Length: 2" in rows
    assert b"X-Y: z" in rows
    assert b"evil" not in seen[0]
    assert seen[0].endswith(b"\r\n\r\n{}")


async def test_nobody_listens_and_nobody_answers() -> None:
    async with serving(lambda _: b"") as port:
        pass
    got = await get(port)
    assert got.status == 0
    assert got.error.startswith("cannot connect")

    over = asyncio.Event()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError), closing(writer):
            await reader.read()
        over.set()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    async with server:
        got = await get(server.sockets[0].getsockname()[1], timeout_s=0.2)
    await over.wait()
    assert got.error == "no answer within 0.2 s"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:81/",
        "https://127.0.0.1:80/",
        "http://127.0.0.2/",
        "http://127.0.0.1@evil/",
        "http://evil@127.0.0.1/",
        "http://127.0.0.1#@evil/",
        "http://127.0.0.1\\@evil/",
        "http://127.0.0.1/\r\nX: y",
        "http://127.0.0.1/a b",
        "http://127.0.0.1:99999/",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "//127.0.0.1/",
        "http://",
        "http://127.0.0.1/\u00e9",
    ],
)
async def test_only_the_allowed_origin_is_called(url: str) -> None:
    with pytest.raises(Denied, match="no call to"):
        await HttpCaller().fetch(Fetch(method="GET", url=url), ["http://127.0.0.1/healthz"])


async def test_headers_cannot_smuggle() -> None:
    for header in (("X", "a\r\nY: b"), ("X Y", "a"), ("", "a")):
        with pytest.raises(Denied, match="method or these headers"):
            await HttpCaller().fetch(Fetch(method="GET", url="http://127.0.0.1/", headers=(header,)), ["http://127.0.0.1"])
    with pytest.raises(Denied, match="method or these headers"):
        await HttpCaller().fetch(Fetch(method="GET / HTTP/1.1", url="http://127.0.0.1/"), ["http://127.0.0.1"])


async def test_https_is_verified(tmp_path: Path) -> None:
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    argv = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    argv += ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(cert)]
    await asyncio.to_thread(subprocess.run, argv, check=True, capture_output=True)
    inside = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    inside.load_cert_chain(cert, key)
    async with serving(lambda _: b"HTTP/1.1 200 OK\r\n\r\nhi", inside) as port:
        url = f"https://localhost:{port}/"
        assert "TLS failed" in (await HttpCaller().fetch(Fetch(method="GET", url=url), [url])).error
        trusting = ssl.create_default_context(cafile=str(cert))
        assert (await HttpCaller(trusting).fetch(Fetch(method="GET", url=url), [url])).body == b"hi"


# ---- http.probe


async def test_a_probe_tells_what_the_service_answered() -> None:
    async with serving(lambda head: b"HTTP/1.1 200 OK\r\n\r\n" + head.split(b" ")[1] + b"\x1b[2J") as port:
        facts = {"health_url": f"http://127.0.0.1:{port}/healthz"}
        given = hands("http.probe", {}, facts)
        outcome = await KIND.do(given, await KIND.plan(given))
        assert outcome.ok
        assert (outcome.result["status"], outcome.result["ok"], outcome.result["body_head"]) == (200, True, r"/healthz\x1b[2J")
        given = hands("http.probe", {"path": "/other?x=1", "expect_status": 404}, facts)
        outcome = await KIND.do(given, await KIND.plan(given))
        assert (outcome.result["body_head"], outcome.result["ok"]) == (r"/other?x=1\x1b[2J", False)


async def test_an_unreachable_service_is_a_fact() -> None:
    async with serving(lambda _: b"") as port:
        pass
    given = hands("http.probe", {}, {"health_url": f"http://127.0.0.1:{port}/healthz"})
    outcome = await KIND.do(given, await KIND.plan(given))
    assert outcome.ok
    assert (outcome.result["status"], outcome.result["ok"]) == (0, False)
    assert "cannot connect" in outcome.result["error"]


@pytest.mark.parametrize("path", ["//evil/", "/a b", "@evil/", "/\r\nx", "/\u00e9", ""])
async def test_a_probe_stays_on_its_origin(path: str) -> None:
    with pytest.raises(BadInput, match="path does not serve"):
        await KIND.plan(hands("http.probe", {"path": path}, {"health_url": "http://127.0.0.1:1/healthz"}))


async def test_a_probe_needs_a_health_url() -> None:
    for facts in ({}, {"health_url": "file:///etc/passwd"}, {"health_url": "http://a@b/"}, {"health_url": 5}):
        with pytest.raises(BadInput, match="health_url"):
            await KIND.plan(hands("http.probe", {}, facts))


async def test_a_server_that_holds_its_state_no_more_sends_nothing() -> None:
    heads: list[bytes] = []

    def hear(head: bytes) -> bytes:
        heads.append(head)
        return FRAMINGS[0][0]

    async with serving(hear) as port:
        url, held = f"http://127.0.0.1:{port}/", [True]
        caller = HttpCaller(held=lambda: held[0])
        assert (await caller.fetch(Fetch(method="GET", url=url), [url])).status == 200
        held[0] = False
        with pytest.raises(NotReady) as refused:
            await caller.fetch(Fetch(method="POST", url=url, body=b"x"), [url])
        assert refused.value.why == "another server has taken this state over"
    assert len(heads) == 1
