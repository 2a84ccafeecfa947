"""The only file that knows every plug: reads a project, builds what it names, serves it."""

from __future__ import annotations

import asyncio
import gc
import importlib
import pkgutil
import signal
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import orjson
import structlog

from flyball import kinds, sources
from flyball.backends import policy_native
from flyball.backends.bundle import Seal
from flyball.backends.caller_http import HttpCaller
from flyball.backends.clock import SystemClock
from flyball.backends.engine_asyncio import AsyncioEngine
from flyball.backends.freezer_file import FileFreezer
from flyball.backends.plain_file import open_plain
from flyball.backends.policy_kept import Kept
from flyball.backends.policy_native import NativePolicy
from flyball.backends.policy_opa import OpaPolicy
from flyball.backends.policy_shelf import Feed, Place, Shelf
from flyball.backends.sandbox import choose
from flyball.backends.sandbox.keep import Keep
from flyball.backends.sandbox.orphan import end_boxes_of
from flyball.backends.store.sqlite import SqliteStore
from flyball.backends.tail_file import FileTail
from flyball.backends.tracer_otel import OtelTracer
from flyball.backends.validator_jsonschema import JsonSchemaValidator
from flyball.brains.runbook import RunbookBrain
from flyball.brains.runbook import load as load_runbooks
from flyball.config import Sealing, Whole
from flyball.core.house import House
from flyball.core.inbox import MOST_BYTES
from flyball.core.keys import Who
from flyball.errors import BadInput, NotReady, StoreError, TooLarge, UserError
from flyball.faces.http import web
from flyball.faces.http.app import App, create
from flyball.model.box import Level
from flyball.model.grant import Key, Principal, Sort
from flyball.model.ids import KeyId, PrincipalId
from flyball.model.log import Change, Entry
from flyball.ports import Brain, Kind, Plugs, Source
from flyball.sources.schedule import check, last_tick, next_tick

log = structlog.get_logger("flyball.server")
ADMIN_SCOPES = ("read", "signal", "approve", "review", "operate", "admin")
ADMIN_S = 30 * 86_400.0
TICK_S = 1.0


def scan(package: ModuleType, attribute: str) -> dict[str, Any]:
    """Give every plug of a folder by name, in sorted order. Found is not enabled."""
    found = {}
    for one in sorted(pkgutil.iter_modules(package.__path__), key=lambda one: one.name):
        plug = getattr(importlib.import_module(f"{package.__name__}.{one.name}"), attribute, None)
        if plug is not None:
            found[plug.spec.name if attribute == "KIND" else plug.name] = plug
    return found


def enabled(found: Mapping[str, Any], names: Iterable[str], what: str) -> dict[str, Any]:
    """Give the plugs that the project names, exactly. Raises BadInput for a name that is not there."""
    for name in names:
        if name not in found:
            raise BadInput(f"there is no {what} {name!r}", f"known are {', '.join(sorted(found))}", "mend flyball.yaml")
    return {name: found[name] for name in names}


@dataclass(slots=True)
class Server:
    """One running server: its house, its parts that need closing, its way in for the local admin."""

    whole: Whole
    house: House
    store: SqliteStore
    engine: AsyncioEngine
    shelf: Shelf
    app: App
    tail: FileTail

    async def work(self) -> None:
        """Run the engine, the schedules and the drop folder until cancelled."""
        await self.house.start()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.engine.run(self.house.advance), name="engine")
                group.create_task(self._tick(), name="clock")
        except* NotReady as faults:
            raise faults.exceptions[0] from None
        finally:
            self.shelf.end()

    def reload(self) -> None:
        """Load the policies again at the next look, as SIGHUP asks."""
        self.shelf.due = True

    async def _tick(self) -> None:
        """Look once a second: freezes made while nobody looked, schedules due, specs dropped."""
        due = {one.name: self._first_due(one.name, one.cron) for one in self.whole.project.schedules}
        while True:
            if not self.store.held():
                raise NotReady(
                    "another server has taken this state over", "it was started with --takeover", "nothing to do here: this server ends"
                )
            try:
                await self._look(due)
            except (
                StoreError,
                UserError,
                OSError,
            ) as fault:  # a full disk or a freeze that cannot be read must not end the server: it looks again
                log.warning("look failed", fault=str(fault))
            await self.house.plugs.clock.sleep(TICK_S)

    async def _look(self, due: dict[str, float]) -> None:
        await self.house.switch.notice()
        await self.shelf.look()
        now = self.house.plugs.clock.now()
        for one in self.whole.project.schedules:
            if now >= due[one.name]:
                await self._deliver("schedule", orjson.dumps({**one.model_dump(), "tick": due[one.name]}))
                due[one.name] = next_tick(one.cron, now)
        await self._dropped()
        await self._followed()

    def _first_due(self, name: str, cron: str) -> float:
        """Give the tick that was missed while the server was down, if one was and the schedule had run before; else the next one."""
        now = self.house.plugs.clock.now()
        ran = self.store.find("signal", f"schedule:schedule:{name}")
        missed = last_tick(cron, now)
        at = ran.body.get("at") if ran else None
        return missed if isinstance(at, int | float) and missed > at else next_tick(cron, now)

    async def _deliver(self, source: str, raw: bytes) -> None:
        await self.house.inbox.accept(source, raw, {}, self.insider(source))

    async def _dropped(self) -> None:
        """Take in task specs dropped into the watched folder; a file is removed once it is durable in the inbox."""
        if not self.whole.project.drop or "spec" not in self.house.plugs.sources:
            return
        for path in sorted((self.whole.folder / self.whole.project.drop).glob("*.yaml")):
            try:
                with open_plain(path) as dropped:
                    raw = dropped.read(MOST_BYTES + 1)  # no more of it than tells that it is too large
                await self._deliver("spec", raw)
                path.unlink()
            except (OSError, TooLarge) as fault:  # one that cannot be taken is put aside, and the next one is looked at
                log.warning("spec not taken", path=str(path), fault=str(fault))
                with suppress(OSError):
                    path.rename(path.with_suffix(".refused"))

    async def _followed(self) -> None:
        """Take in what the followed log files say; the places in them are kept once it is durable in the inbox."""
        if "tail" in self.house.plugs.sources:
            for raw in self.tail.read():
                await self._deliver("tail", raw)
            self.tail.save()

    def insider(self, name: str) -> Who:
        """Give the server's own service as a caller: it may bring signals in and nothing else."""
        principal = Principal(id=PrincipalId(f"service:{name}"), sort=Sort.SERVICE)
        key = Key(id=KeyId("server"), hash="", principal=principal.id, sort=Sort.SERVICE, scopes=("signal",))
        return Who(principal=principal, key=key, origin="server")

    async def close(self) -> None:
        """Let go of the state."""
        self.shelf.close()
        self.tail.close()
        self.store.close()


async def build(folder: Path, *, takeover: bool = False, accept: tuple[str, ...] = ()) -> Server:
    """Build a server from a project. Raises UserError with what is wrong and what to do; nothing is started yet."""
    whole = Whole(folder)
    project, clock = whole.project, SystemClock()
    for one in project.schedules:
        if fault := check(one.cron):
            raise BadInput(f"schedule {one.name!r}: {one.cron!r} is no cron line", fault, "mend flyball.yaml")
    chosen_kinds: dict[str, Kind] = enabled(scan(kinds, "KIND"), project.kinds, "kind")
    chosen_sources: dict[str, Source] = enabled(scan(sources, "SOURCE"), project.sources, "source")
    shelf = shelved(whole, clock.mono)
    box = await (choose(tuple(Level(name) for name in project.box)) if project.box else choose())
    chosen_brains: dict[str, Brain] = {"runbook": RunbookBrain(load_runbooks(whole.runbooks()))}
    for agent in whole.agents.values():
        if agent.brain not in (*chosen_brains, "remote"):
            raise BadInput(
                f"agent {agent.name}: there is no brain {agent.brain!r}", f"known are {', '.join(chosen_brains)}, remote", "mend it"
            )
    store = SqliteStore.open(whole.state, now=clock.now, takeover=takeover, accept=accept)
    if store.pushed:
        end_boxes_of(store.pushed)
    engine = AsyncioEngine(clock)
    plugs = Plugs(
        store=store,
        clock=clock,
        policy=shelf.opa or shelf.native,
        box=Keep(box, whole.state / "runs", store.held),
        caller=HttpCaller(held=store.held),
        engine=engine,
        freezer=FileFreezer(whole.state),
        tracer=OtelTracer(),
        validator=JsonSchemaValidator(),
        kinds=chosen_kinds,
        brains=chosen_brains,
        sources=chosen_sources,
        rules=whole.rules(),
    )
    house = House(plugs)
    shelf.store = store
    if project.policy.keep:
        shelf.keep(Kept(whole.state / "decisions"))
    app = create(house, store.checkpoint)
    app.state.shelf = shelf
    tail = FileTail(whole.state, project.tails, clock.now)
    return Server(whole=whole, house=house, store=store, engine=engine, shelf=shelf, app=app, tail=tail)


def shelved(whole: Whole, mono: Callable[[], float]) -> Shelf:
    """Give the policies that a project names. Raises PolicyError or BadInput where its own folder must not be used."""
    said, folder = whole.project.policy, whole.folder / whole.project.policies
    place = Place(folder=folder, watch=said.watch, feed=_feed(whole), seal=_seal(whole, said.sign))
    if said.engine == "native":
        return Shelf(place, NativePolicy() if place.feed else policy_native.load(folder), None, mono)
    own = policy_native.load(folder) if folder.is_dir() else NativePolicy()
    token = _secret(whole, said.token_file)
    return Shelf(place, own, OpaPolicy(said.url, path=said.path, token=token, timeout_s=said.timeout_s), mono)


def _feed(whole: Whole) -> Feed | None:
    said = whole.project.policy.bundle
    if said is None:
        return None
    return Feed(url=said.url, token=_secret(whole, said.token_file), every_s=said.every_s, seal=_seal(whole, said.verify))


def _secret(whole: Whole, name: str) -> str:
    if not name:
        return ""
    try:
        return (whole.folder / name).read_text().strip()
    except (OSError, UnicodeDecodeError) as fault:
        raise BadInput(f"{name} cannot be read", str(fault), "mend `policy` in flyball.yaml") from fault


def _seal(whole: Whole, said: Sealing | None) -> Seal | None:
    return Seal(said.alg, _secret(whole, said.key_file).encode(), said.kid, said.scope) if said else None


async def people(server: Server) -> str:
    """Write the project's people down and give the local admin a fresh key in `<state>/keys/admin` (mode 0600). Gives its text."""
    keys, rules = server.house.keys, server.house.plugs.rules
    admin = Principal(id=PrincipalId("person:admin"), sort=Sort.PERSON, groups=("admin", "sre"), owner="person:admin")
    for one in (admin, *(_person(name, groups) for name, groups in rules.groups.items())):
        if keys.find_principal(one.id) != one:
            await keys.add(one, by="service:compose")
    for row in server.store.rows("key", state="live", limit=5000):
        if row.body.get("principal") == admin.id and row.body.get("session") == "":
            await keys.revoke(row.id, by="service:compose", reason="a new one at every start")
    text, _ = await keys.mint(admin, ADMIN_SCOPES, ttl_s=ADMIN_S, by="service:compose")
    folder = server.whole.state / "keys"
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / "admin"
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(text + "\n")
    (server.whole.state / "address").write_text(server.whole.project.listen + "\n")
    return text


def _person(name: str, groups: tuple[str, ...]) -> Principal:
    return Principal(id=PrincipalId(f"person:{name}"), sort=Sort.PERSON, groups=groups, owner=f"person:{name}")


async def serve(server: Server, listen: str, ready: asyncio.Event | None = None) -> None:
    """Serve until SIGINT or SIGTERM. Raises NotReady where the address is taken; `ready` is set once it listens."""
    try:
        with web.listening(listen) as listener:
            await server.store.commit(Change(entries=(Entry(name="server.started", who="service:compose", body=_started(server)),)))
            gc.collect()
            gc.freeze()  # what is there now stays: looking through all of it for garbage would hold up every decision for its length
            if ready is not None:
                ready.set()  # who connects now is answered as soon as the server runs
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, server.reload)
            await web.serve(server.app, listener, server.work)
    finally:
        await server.close()


def _started(server: Server) -> dict[str, Any]:
    plugs = server.house.plugs
    return {
        "policy": plugs.policy.digest,
        "rules": plugs.policy.count,
        "level": plugs.box.level.value,
        "kinds": dict(server.house.door.pins),
        "shadow": plugs.rules.shadow,
    }


def explain(fault: UserError) -> str:
    """Give what a person is shown of an error."""
    return fault.lines()
