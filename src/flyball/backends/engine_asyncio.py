"""The default engine: one process, one event loop. A parked session is a row in the store and one number in a heap here."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable

import structlog

from flyball.errors import FlyballError
from flyball.ports import Clock

log = structlog.get_logger("flyball.engine")
AGAIN_S = 1.0
ABREAST = 64


class AsyncioEngine:
    """Meets `ports.Engine`: `advance(session)` runs once at or after the time asked for; one run per session at a time."""

    def __init__(self, clock: Clock) -> None:
        """Nothing runs before `run`."""
        self._clock = clock
        self._due: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []
        self._busy: set[str] = set()
        self._again: set[str] = set()
        self._running: set[asyncio.Task[None]] = set()
        self._nudge = asyncio.Event()
        self._room = asyncio.Semaphore(ABREAST)
        self.faults = 0

    def wake(self, session: str, at: float = 0.0) -> None:
        """Ask for one run at or after `at`; an earlier wake that is still due wins."""
        if session in self._busy and at <= self._clock.now():
            self._again.add(session)
            return
        due = self._due.get(session)
        if due is None or at < due:
            self._due[session] = at
            heapq.heappush(self._heap, (at, session))
            self._nudge.set()

    async def run(self, advance: Callable[[str], Awaitable[None]]) -> None:
        """Run until cancelled; what is in flight then is cancelled too and picked up at the next start."""
        try:
            while True:
                self._nudge.clear()
                pause = self._start_due(advance)
                try:
                    async with asyncio.timeout(pause):
                        await self._nudge.wait()
                except TimeoutError:
                    continue
        finally:
            for running in self._running:
                running.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)

    def _start_due(self, advance: Callable[[str], Awaitable[None]]) -> float | None:
        """Start what is due; give the seconds until the next, or None."""
        while self._heap:
            at, session = self._heap[0]
            if self._due.get(session) != at:
                heapq.heappop(self._heap)  # replaced by an earlier wake
                continue
            now = self._clock.now()
            if at > now:
                return min(at - now, 3600.0)
            heapq.heappop(self._heap)
            del self._due[session]
            if session in self._busy:
                self._again.add(session)
                continue
            self._busy.add(session)
            running = asyncio.create_task(self._once(advance, session), name=f"advance {session}")
            self._running.add(running)
            running.add_done_callback(self._running.discard)
        return None

    async def _once(self, advance: Callable[[str], Awaitable[None]], session: str) -> None:
        try:
            async with self._room:
                await advance(session)
        except (
            Exception
        ) as fault:  # loop boundary: one session's fault (a full disk, a bug) must not stop the others; it is looked at again
            self.faults += 1
            known = isinstance(fault, FlyballError)
            log.error("advance failed", session=session, fault=f"{type(fault).__name__}: {fault}", exc_info=not known)  # noqa: TRY400 a known fault is one line
            self._busy.discard(session)
            self.wake(session, self._clock.now() + AGAIN_S)
        finally:
            self._busy.discard(session)
            if session in self._again:
                self._again.discard(session)
                self.wake(session)

    def waiting(self) -> int:
        """Count the wakes that are due later."""
        return len(self._due)
