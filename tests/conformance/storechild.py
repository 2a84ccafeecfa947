"""A server in a process of its own, for tests that stop it, kill it or let its disk run full. Started as a program.

It answers each line of its input with one line: `commit N` writes an entry with n = N and gives its index or the error's name
and words; `limit BYTES` caps the size of files (0: no cap); `stream` commits from sixteen tasks until it is killed, giving
"index n" for each that was acknowledged; `close` ends.
"""

import asyncio
import itertools
import os
import resource
import sys
import time
from pathlib import Path

from flyball.backends.store.sqlite import SqliteStore
from flyball.errors import FlyballError
from flyball.model.log import Change, Draw, Entry, Put


def say(line: str) -> None:
    os.write(1, f"{line}\n".encode())


async def commit(store: SqliteStore, number: int) -> int:
    fill = "x" * 2000
    entry = Entry(name="n", who="agent:x", session=f"s-{number}", body={"n": number, "fill": fill})
    row = Put(table="action", id=f"a-{number}", expect=0, body={"fill": fill})
    return (await store.commit(Change(entries=(entry,), puts=(row,), draws=(Draw(account="m", amount=1, cap=10**9),))))[0]


async def stream(store: SqliteStore) -> None:
    numbers = itertools.count()

    async def one() -> None:
        while True:
            number = next(numbers)
            say(f"{await commit(store, number)} {number}")

    await asyncio.gather(*(one() for _ in range(16)))


async def serve(state: Path) -> None:
    store = SqliteStore.open(state, now=time.time)
    say("ready")
    while True:
        word, _, value = sys.stdin.readline().strip().partition(" ")
        if word == "commit":
            try:
                say(str(await commit(store, int(value))))
            except FlyballError as error:
                say(f"{type(error).__name__}: {error}")
        elif word == "limit":
            hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
            resource.setrlimit(resource.RLIMIT_FSIZE, (int(value) or hard, hard))
            say("ok")
        elif word == "stream":
            await stream(store)
        else:
            store.close()
            say("closed")
            return


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
