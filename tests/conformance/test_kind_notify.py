import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from flyball.errors import BadInput
from flyball.kinds.notify import KIND
from flyball.model.action import Seen
from kindbox import hands, undoing


class Receiver:
    """A webhook that takes each idempotency key once."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.taken: dict[str, Any] = {}
        self.calls = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        headers = dict(row.split(": ", 1) for row in head.split("\r\n")[1:] if row)
        body = json.loads(await reader.readexactly(int(headers["Content-Length"])))
        self.calls += 1
        self.taken.setdefault(headers["Idempotency-Key"], body)
        writer.write(f"HTTP/1.1 {self.status} X\r\nContent-Length: 0\r\n\r\n".encode())
        await writer.drain()
        writer.close()


@asynccontextmanager
async def receiving(status: int = 200) -> AsyncIterator[tuple[Receiver, dict[str, Any]]]:
    receiver = Receiver(status)
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield receiver, {"channels": {"ops": f"http://127.0.0.1:{port}/hook/s3cret"}}


async def test_a_message_sent_twice_carries_one_key() -> None:
    async with receiving() as (receiver, facts):
        given = hands("notify", {"channel": "ops", "text": "web is back"}, facts)
        recipe = await KIND.plan(given)
        assert receiver.calls == 0
        for _ in range(2):
            outcome = await KIND.do(given, recipe)
            assert outcome.result == {"channel": "ops", "sent": True, "status": 200}
    assert receiver.calls == 2
    assert receiver.taken == {"s-test.1": {"text": "web is back", "target": "web", "session": "s-test", "action": "s-test.1"}}
    assert await KIND.probe(given, recipe) is Seen.UNSURE


async def test_the_secret_part_of_a_webhook_is_not_shown() -> None:
    async with receiving(403) as (_, facts):
        given = hands("notify", {"channel": "ops", "text": "x"}, facts)
        recipe = await KIND.plan(given)
        outcome = await KIND.do(given, recipe)
    assert "s3cret" not in str(recipe) + str(outcome)
    assert (outcome.ok, outcome.transient, outcome.error) == (False, False, "channel ops: answered 403")


async def test_a_receiver_in_trouble_is_worth_another_try() -> None:
    async with receiving(503) as (_, facts):
        given = hands("notify", {"channel": "ops", "text": "x"}, facts)
        assert (await KIND.do(given, await KIND.plan(given))).transient
    gone = await KIND.do(given, await KIND.plan(given))
    assert (gone.ok, gone.transient) == (False, True)
    assert gone.error.startswith("channel ops: cannot connect")


async def test_the_log_is_always_there() -> None:
    given = hands("notify", {"channel": "log", "text": "noted"}, {})
    recipe = await KIND.plan(given)
    assert recipe.diff == "noted"
    assert (await KIND.do(given, recipe)).result == {"channel": "log", "sent": False, "status": 0}
    assert await KIND.probe(given, recipe) is Seen.HAPPENED


@pytest.mark.parametrize("channel", ["other", "OPS", "ops ", "http://127.0.0.1/", 5])
async def test_only_channels_of_the_catalogue_are_known(channel: object) -> None:
    given = hands("notify", {"channel": channel, "text": "x"}, {"channels": {"ops": "http://127.0.0.1:1/", "file": "file:///x"}})
    with pytest.raises(BadInput, match="no channel"):
        await KIND.plan(given)


async def test_what_was_said_cannot_be_unsaid() -> None:
    given = hands("notify", {"channel": "log", "text": "x"}, {})
    recipe = await KIND.plan(given)
    assert not recipe.undo
    assert not (await KIND.undo(undoing(given), recipe)).ok
    assert await KIND.undone(undoing(given), recipe) is Seen.ABSENT
