"""The policies of one server: loads them again while it runs, gives them away as a bundle, looks after them. Made by `compose`.

A new set is loaded by a process of its own and swapped in between two decisions; one that fails the gate is refused and said so, in the
log and to whoever asked. With an OPA as the engine, the folder is what OPA may fetch from here, and `look` asks OPA how it is.
"""

import asyncio
import http.client
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from flyball.backends import bundle
from flyball.backends.bundle import Bundle, Seal
from flyball.backends.policy_answer import PolicyError
from flyball.backends.policy_aside import Aside, Wanted, let_go
from flyball.backends.policy_kept import Kept
from flyball.backends.policy_native import Loaded, NativePolicy
from flyball.backends.policy_opa import OpaPolicy
from flyball.errors import BadInput, NotFound, NotReady, Unreachable, UserError
from flyball.model.ids import Doc
from flyball.model.log import Change, Entry
from flyball.ports import Store

NAME: Final = "flyball"
TIMEOUT_S: Final = 10.0
REFRESH_S: Final = 5.0
OK, SAME = 200, 304


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """Where policies are fetched from as a bundle."""

    url: str
    token: str = ""
    every_s: float = 60.0
    seal: Seal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where policies are: a folder, whether it is watched, or a feed instead; the key that signs what is given away."""

    folder: Path
    watch: bool = False
    feed: Feed | None = None
    seal: Seal | None = None


class Shelf:
    """The policies of one server."""

    def __init__(self, place: Place, native: NativePolicy, opa: OpaPolicy | None, mono: Callable[[], float]) -> None:
        """Keep what is loaded. Nothing is looked at before `look`."""
        self.place, self.native, self.opa, self._mono = place, native, opa, mono
        self.store: Store | None = None
        self.due = False  # somebody asked for a reload and waits for no answer
        self._seen, self._etag, self._due = stamp(place.folder), "", 0.0
        self._packed: tuple[str, bytes] = ("", b"")
        self._lock = asyncio.Lock()
        self._aside = Aside()
        self._loading: asyncio.Future[Loaded | None] | None = None
        self._ended = False

    def keep(self, kept: Kept) -> None:
        """Keep decisions from now on."""
        (self.opa or self.native).kept = kept

    async def look(self) -> None:
        """What is due: a changed folder, a new bundle, the health of an OPA. Never raises UserError: it is written down."""
        if self.due:
            self.due = False
            await self._try("signal")
        elif self.opa is not None and self._due_in(REFRESH_S if self.opa.count else 1.0):
            await asyncio.to_thread(self.opa.refresh)
        elif self.place.feed is not None and self._due_in(self.place.feed.every_s):
            await self._try("bundle")
        elif self.place.watch and self.place.feed is None and stamp(self.place.folder) != self._seen:
            await self._try("watch")

    def _due_in(self, every_s: float) -> bool:
        if self._mono() < self._due:
            return False
        self._due = self._mono() + every_s
        return True

    async def _try(self, by: str) -> None:
        try:
            await self.reload(f"service:{by}")
        except UserError:
            return  # it stands in the log already

    async def reload(self, by: str) -> dict[str, Any]:
        """Load the policies again. Raises PolicyError or another UserError where the ones that run stay."""
        async with self._lock:
            self._seen = await asyncio.to_thread(stamp, self.place.folder)
            was = self.native.digest
            try:
                loaded = await self._loaded(was)
            except UserError as fault:
                refused: Doc = {"what": fault.what, "why": fault.why, "runs": was}
                await self._note(Entry(name="policy.refused", who=by, body=refused))
                raise
            if loaded is not None:
                await self._swap(loaded)
                swapped: Doc = {"digest": self.native.digest, "rules": self.native.count, "was": was}
                await self._note(Entry(name="policy.loaded", who=by, body=swapped))
            return {"digest": self.native.digest, "rules": self.native.count, "changed": self.native.digest != was}

    async def _note(self, entry: Entry) -> None:
        if self.store is not None:
            await self.store.commit(Change(entries=(entry,)))

    async def _loaded(self, runs: str) -> Loaded | None:
        """Give the set that is there now, or None where it is the one that runs."""
        feed = self.place.feed
        if feed is None:
            return await self._load(Wanted(folder=self.place.folder, runs=runs))
        found = await asyncio.to_thread(fetch, feed, self._etag)
        if found is None:
            return None
        raw, etag = found
        loaded = await self._load(Wanted(folder=self.place.folder, bundle=raw, seal=feed.seal, runs=runs))
        self._etag = etag
        return loaded

    async def _load(self, wanted: Wanted) -> Loaded | None:
        """Load aside, unless the server ends meanwhile. Raises what `Aside.load` does."""
        ends = NotReady("the policies were not loaded again", "the server ends", "load them again once it runs")
        if self._ended:
            raise ends
        self._loading = asyncio.ensure_future(self._aside.load(wanted))
        try:
            return await self._loading
        except asyncio.CancelledError:
            if not self._ended:
                raise  # whoever wanted it called it off
            raise ends from None

    def end(self) -> None:
        """Call off what is being loaded: the server ends, and whoever waits for it is told."""
        self._ended = True
        if self._loading is not None:
            self._loading.cancel()

    async def _swap(self, loaded: Loaded) -> None:
        """Let a set answer from now on, and let go of what the old one looked things up in."""
        old: list[Any] = [self.native.loaded.folder.data] if self.native.loaded is not None else []
        self.native.swap(loaded)
        await let_go(old)

    def bundle(self, name: str) -> tuple[str, bytes]:
        """Give the ETag and the bytes of a bundle. Raises NotFound."""
        loaded = self.native.loaded
        if name != NAME or loaded is None:
            raise NotFound(f"there is no bundle {name!r}", "" if loaded else "no policies are loaded", f"the one that there is is {NAME}")
        if not loaded.folder.modules:
            raise NotFound(
                "there is no bundle to give away", "the policies came as a plan, without their source", "ask where they came from"
            )
        if self._packed[0] != loaded.folder.digest:
            data = dict(loaded.folder.data)
            roots = tuple(sorted({"flyball", *data}))
            packed = bundle.make(Bundle(loaded.folder.modules, data, loaded.folder.digest, roots), self.place.seal)
            self._packed = (loaded.folder.digest, packed)
        return f'"{self._packed[0]}"', self._packed[1]

    def close(self) -> None:
        """Let go of the engines."""
        self.native.close()
        if self.opa is not None:
            self.opa.close()


def stamp(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """What changes when a file of a folder does: names, sizes, times."""
    found = []
    for path in sorted((*folder.rglob("*.rego"), *folder.glob("*.yaml"), *folder.glob("*.json"), *folder.glob("cases/*.yaml"))):
        try:
            seen = path.stat()
        except OSError:
            continue  # it has just gone: the next look sees it gone
        found.append((str(path), seen.st_size, seen.st_mtime_ns))
    return tuple(found)


def fetch(feed: Feed, etag: str) -> tuple[bytes, str] | None:
    """Give a bundle's bytes and ETag, or None where it is the one that is known. Raises Unreachable or BadInput."""
    parts = urlsplit(feed.url)
    cls = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    headers = {**({"If-None-Match": etag} if etag else {}), **({"Authorization": f"Bearer {feed.token}"} if feed.token else {})}
    line = cls(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
    try:
        line.request("GET", parts.path + (f"?{parts.query}" if parts.query else ""), headers=headers)
        answer = line.getresponse()
        raw = answer.read(bundle.MOST_BYTES + 1)
    except (OSError, http.client.HTTPException) as fault:
        why = f"{type(fault).__name__} {fault}".strip()
        raise Unreachable(f"no bundle comes from {feed.url}", why, "mend policy.bundle, or the server that it names") from fault
    finally:
        line.close()
    if answer.status == SAME:
        return None
    if answer.status != OK or len(raw) > bundle.MOST_BYTES:
        why = f"it answered {answer.status}" if answer.status != OK else f"it has more than {bundle.MOST_BYTES} bytes"
        raise BadInput(f"no bundle comes from {feed.url}", why, "mend policy.bundle, or the server that it names")
    return raw, answer.headers.get("ETag", "")


__all__ = ["Feed", "Place", "PolicyError", "Shelf", "fetch", "stamp"]
