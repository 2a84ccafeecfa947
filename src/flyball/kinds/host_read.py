"""`host.read`: looks at a machine by a fixed catalogue of read-only programs and gives typed values. Called by the door; changes nothing.

Every entry says which arguments it takes, how they become one argv vector, and how the output becomes JSON. Paths must lie under the
prefixes that the target's catalogue entry names (`facts.paths`), and only those prefixes are mounted in the box.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from flyball.errors import BadInput, UserError
from flyball.model.action import Outcome, Reach, Recipe, Seen
from flyball.model.box import Mount, Net, Ran, Run
from flyball.model.ids import Doc, Json
from flyball.model.kind import KindSpec
from flyball.ports import Hands

_ENV = (("LC_ALL", "C.UTF-8"), ("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"), ("TZ", "UTC"))
_GIT_ENV = (
    *_ENV,
    ("GIT_CONFIG_GLOBAL", "/dev/null"),
    ("GIT_CONFIG_NOSYSTEM", "1"),
    ("GIT_OPTIONAL_LOCKS", "0"),
    ("GIT_TERMINAL_PROMPT", "0"),
)
_GIT_CONFIG = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.pager=cat",
    "protocol.allow=never",
    "log.showSignature=false",
)
_MAX_ITEMS = 500
_MAX_LINE = 2_000  # characters kept of one line
_MAX_DIFF = 200_000  # characters
_STATES = {"running", "starting", "stopping", "stopped", "crashed", "backoff", "crashlooping", "unknown"}
_SYSTEMD = {
    "active": "running",
    "reloading": "running",
    "activating": "starting",
    "deactivating": "stopping",
    "inactive": "stopped",
    "failed": "crashed",
}

_TEXT: Doc = {"type": "string"}
_COUNT: Doc = {"type": "integer", "minimum": 0}
_FLAG: Doc = {"type": "boolean"}
_PATH: Doc = {"type": "string", "pattern": r"^/[^\x00-\x1f\x7f]*$", "maxLength": 1024}
_LINES: Doc = {"type": "integer", "minimum": 1, "maximum": _MAX_ITEMS}
_HASH: Doc = {"type": "string", "pattern": "^[0-9a-f]{40}$"}
_SHA256: Doc = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_NAME: Doc = {"type": "string", "pattern": "^[A-Za-z0-9_][A-Za-z0-9_.@:-]{0,63}$"}


def _record(properties: Doc, required: tuple[str, ...] | None = None) -> Doc:
    """Give the schema of an object with exactly these members; all are required unless said otherwise."""
    names = tuple(properties) if required is None else required
    return {"type": "object", "properties": properties, "required": names, "additionalProperties": False}


def _listing(item: Doc) -> Doc:
    return {"type": "array", "items": item, "maxItems": _MAX_ITEMS}


def visible(text: str) -> str:
    """Escape what a terminal or a reader would not see as it is: control, zero-width, bidirectional and private characters."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode("ascii") for c in text)


@dataclass(frozen=True, slots=True)
class Ask:
    """One question: its arguments and the facts of the target."""

    args: Doc
    facts: Doc

    def path(self, default: str = "") -> str:
        """Give the path asked for, else the fact named `default`. Raises BadInput where it is not under `facts.paths`."""
        path = self.args.get("path") or self.fact(default)
        if not isinstance(path, str) or not self._prefix(path):
            raise BadInput(
                f"host.read may not look at {visible(str(path))}",
                "it is not under a path that the catalogue entry names",
                "add the path to the target's facts.paths, or ask for another one",
            )
        return path

    def mounts(self, path: str) -> tuple[Mount, ...]:
        """Give the read-only bind that shows `path`: its allowed prefix and nothing else."""
        return (Mount(self._prefix(path), self._prefix(path)),)

    def fact(self, name: str) -> str:
        """Give a text of the catalogue entry. Raises BadInput where it is not there."""
        value = self.facts.get(name)
        if not isinstance(value, str) or not value:
            raise BadInput(f"the catalogue entry names no {name}", "this look needs it", f"add facts.{name} to the target")
        return value

    def number(self, name: str, default: int) -> int:
        """Give a whole-number argument."""
        value = self.args.get(name, default)
        return value if isinstance(value, int) else default

    def _prefix(self, path: str) -> str:
        """Give the longest allowed prefix that holds `path`, or an empty string. By text alone: the mount does the rest."""
        parts = path.split("/")
        if not path.startswith("/") or ".." in parts or "." in parts or "" in parts[1:-1] or not path.isprintable():
            return ""
        allowed = self.facts.get("paths")
        known = [p.rstrip("/") for p in allowed if isinstance(p, str)] if isinstance(allowed, list | tuple) else []
        return max((p for p in known if p and (path == p or path.startswith(f"{p}/"))), key=len, default="")


@dataclass(frozen=True, slots=True)
class Look:
    """One entry of the catalogue."""

    args: Doc
    result: Doc
    build: Callable[[Ask], Run]
    parse: Callable[[str, Ask], Json]


# ---- files and file systems


def _on_path(*argv: str, default: str = "") -> Callable[[Ask], Run]:
    """Give a builder for a program that takes one path as its last argument."""

    def build(ask: Ask) -> Run:
        path = ask.path(default)
        return Run((*argv, "--", path), mounts=ask.mounts(path))

    return build


def _lines_of(program: str) -> Callable[[Ask], Run]:
    def build(ask: Ask) -> Run:
        path = ask.path("log")
        return Run((program, "-n", str(ask.number("lines", 50)), "--", path), mounts=ask.mounts(path))

    return build


def _read_df(text: str, _: Ask) -> Json:
    size, used, free, pct, place = text.splitlines()[1].split(None, 4)
    return {
        "size_bytes": int(size),
        "used_bytes": int(used),
        "free_bytes": int(free),
        "used_pct": int(pct.rstrip("%")) if pct != "-" else 0,
        "mountpoint": visible(place),
    }


def _build_du(ask: Ask) -> Run:
    path = ask.path("mountpoint")
    argv = ("du", "--block-size=1", "--one-file-system", "--all", "--null", f"--max-depth={ask.number('depth', 1)}", "--", path)
    return Run(argv, mounts=ask.mounts(path))


def _read_du(text: str, ask: Ask) -> Json:
    path = ask.path("mountpoint")
    sizes = {name: int(size) for size, _, name in (row.partition("\t") for row in text.split("\0") if row)}
    entries = sorted((kv for kv in sizes.items() if kv[0] != path), key=lambda kv: (-kv[1], kv[0]))
    return {
        "path": path,
        "total_bytes": sizes.get(path, 0),
        "entries": [{"path": visible(p), "bytes": n} for p, n in entries[:_MAX_ITEMS]],
        "truncated": len(entries) > _MAX_ITEMS,
    }


def _read_lines(text: str, ask: Ask) -> Json:
    rows = [row.removesuffix("\r") for row in text.split("\n")]
    rows = rows[:-1] if rows and not rows[-1] else rows
    kept = rows[: ask.number("lines", 50)]
    return {
        "path": ask.path("log"),
        "lines": [visible(row[:_MAX_LINE]) for row in kept],
        "truncated": any(len(row) > _MAX_LINE for row in kept),
    }


def _read_stat(text: str, ask: Ask) -> Json:
    sort, size, mode, user, group, changed, inode = text.split("\t")
    return {
        "path": ask.path("log"),
        "type": sort,
        "size_bytes": int(size),
        "mode": mode,
        "uid": int(user),
        "gid": int(group),
        "modified_at": float(changed),
        "inode": inode,
    }


def _ls_path(ask: Ask) -> str:
    """Give the folder to list: where the log lies, unless another is asked for."""
    return ask.path() if ask.args.get("path") else Ask({"path": ask.fact("log").rpartition("/")[0]}, ask.facts).path()


def _build_ls(ask: Ask) -> Run:
    path = _ls_path(ask)
    argv = ("find", path, "-mindepth", "1", "-maxdepth", "1", "-printf", r"%y\t%s\t%m\t%T@\t%f\0")
    return Run(argv, mounts=ask.mounts(path))


def _read_ls(text: str, ask: Ask) -> Json:
    path, pattern = _ls_path(ask), ask.fact("rotated") if ask.args.get("only") == "rotated" else "*"
    found: list[tuple[str, dict[str, Json]]] = []
    for row in filter(None, text.split("\0")):
        sort, size, mode, changed, name = row.split("\t", 4)
        if fnmatchcase(name, pattern):
            entry: dict[str, Json] = {
                "name": visible(name),
                "type": sort,
                "size_bytes": int(size),
                "mode": mode,
                "modified_at": float(changed),
            }
            found.append((name, entry))
    found.sort(key=lambda pair: pair[0])
    files = [name for name, entry in found if entry["type"] == "f" and name.isprintable()]
    return {
        "path": path,
        "entries": [entry for _, entry in found[:_MAX_ITEMS]],
        "paths": [f"{path.rstrip('/')}/{name}" for name in files[:_MAX_ITEMS]],
        "truncated": len(found) > _MAX_ITEMS,
    }


def _read_sha256(text: str, ask: Ask) -> Json:
    return {"path": ask.path("log"), "sha256": text.lstrip("\\")[:64]}


# ---- the machine


def _plain(*argv: str, net: Net = Net.NONE, host_pids: bool = False) -> Callable[[Ask], Run]:
    """Give a builder for a program without arguments."""
    return lambda _: Run(argv, net=net, host_pids=host_pids)


def _read_ps(text: str, ask: Ask) -> Json:
    name, pid = ask.args.get("name"), ask.args.get("pid")
    found: list[Json] = []
    for row in text.splitlines():
        number, state, rss = (row[a:b].strip() for a, b in ((0, 10), (11, 19), (20, 32)))
        short, args = row[33:65].strip(), row[66:].strip()
        if number.isdigit() and name in {None, short} and pid in {None, int(number)}:
            size = int(rss) * 1024 if rss.isdigit() else 0
            found.append({"pid": int(number), "name": visible(short), "state": state, "rss_bytes": size, "args": visible(args[:_MAX_LINE])})
    return found[:_MAX_ITEMS]


def _read_ss(text: str, _: Ask) -> Json:
    pairs = []
    for row in text.splitlines():
        columns = row.split()
        address, _colon, port = columns[3].rpartition(":") if len(columns) > 3 else ("", "", "")  # noqa: PLR2004 -- fourth column: local address
        if port.isdigit():
            pairs.append((int(port), visible(address.strip("[]"))))
    pairs.sort()
    return {
        "listening": [{"address": address, "port": port} for port, address in pairs[:_MAX_ITEMS]],
        "ports": sorted({port for port, _ in pairs})[:_MAX_ITEMS],
    }


def _read_uptime(text: str, _: Ask) -> Json:
    up, load = text.splitlines()[:2]
    one, five, fifteen = load.split()[:3]
    return {"uptime_s": float(up.split()[0]), "load_1": float(one), "load_5": float(five), "load_15": float(fifteen)}


def _read_free(text: str, _: Ask) -> Json:
    rows = {row.split(":")[0]: int(row.split()[1]) * 1024 for row in text.splitlines() if ":" in row}
    names = {"total_bytes": "MemTotal", "available_bytes": "MemAvailable", "swap_total_bytes": "SwapTotal", "swap_free_bytes": "SwapFree"}
    return {ours: rows.get(theirs, 0) for ours, theirs in names.items()}


# ---- the service


def _build_unit(ask: Ask) -> Run:
    control = ask.facts.get("control")
    argv = control.get("status") if isinstance(control, Mapping) else None
    if not isinstance(argv, list | tuple) or not argv:
        why = "the service's state is asked through it"
        raise BadInput("the catalogue entry names no control.status", why, "add facts.control.status to the target")
    binds = ask.facts.get("control_mounts")
    mounts = [m for m in binds if isinstance(m, Mapping)] if isinstance(binds, list | tuple) else []
    return Run(
        tuple(str(part) for part in argv),
        mounts=tuple(Mount(str(m["source"]), str(m.get("target") or m["source"]), write=m.get("write") is True) for m in mounts),
    )


def _read_unit(text: str, _: Ask) -> Json:
    """Read what control.status prints: one JSON object, or the KEY=VALUE lines of `systemctl show`.

    The object has `state`, `pid`, `restarts`, `started_at`, and how the last process ended: `exit_code` and `signal`, or the same two
    as `code` and `signal` of `last_exit`.
    """
    said = _said_by_systemd(text) if not text.lstrip().startswith("{") else json.loads(text)
    last = said.get("last_exit") or {"code": said.get("exit_code"), "signal": said.get("signal")}
    state, pid, number = said.get("state"), said.get("pid"), last.get("signal")
    found: dict[str, Json] = {
        "state": state if state in _STATES else "unknown",
        "pid": pid if isinstance(pid, int) and pid > 0 else None,
        "exit_code": last.get("code") if isinstance(last.get("code"), int) else None,
        "signal": _signal_name(number) if number else None,
        "restarts": said.get("restarts") if isinstance(said.get("restarts"), int) else None,
    }
    if isinstance(said.get("started_at"), int | float):
        found["started_at"] = float(said["started_at"])
    return found


def _said_by_systemd(text: str) -> dict[str, Any]:
    rows = dict(row.split("=", 1) for row in text.splitlines() if "=" in row)
    killed = rows.get("ExecMainCode") in {"2", "3"}  # CLD_KILLED and CLD_DUMPED of waitid(2)
    status = int(rows.get("ExecMainStatus") or 0)
    return {
        "state": _SYSTEMD.get(rows.get("ActiveState", "")),
        "pid": int(rows.get("MainPID") or 0),
        "restarts": int(rows.get("NRestarts") or 0),
        "last_exit": {"code": None if killed else status, "signal": status if killed else None},
    }


def _signal_name(said: object) -> str:
    """Give `SIGKILL` for 9 and for itself."""
    try:
        return signal.Signals(said).name if isinstance(said, int) else visible(str(said)[:16])
    except ValueError:
        return f"SIG{said}"


def _build_systemd(ask: Ask) -> Run:
    names = "ActiveState,SubState,MainPID,ExecMainCode,ExecMainStatus,NRestarts"
    place = Mount("/run/systemd", "/run/systemd"), Mount("/run/dbus", "/run/dbus")
    return Run(("systemctl", "show", "--no-pager", f"--property={names}", "--", ask.fact("unit")), mounts=place)


# ---- the configuration's history


def _git(ask: Ask, *argv: str) -> Run:
    repo = ask.fact("repo")
    config = tuple(part for pair in (*_GIT_CONFIG, f"safe.directory={repo}") for part in ("-c", pair))
    return Run(("git", *config, "-C", repo, *argv), mounts=(Mount(repo, repo),), env=_GIT_ENV, cwd=repo)


def _build_log(ask: Ask) -> Run:
    return _git(ask, "log", f"--max-count={ask.number('limit', 10)}", "--no-color", "--format=%H%x00%ct%x00%an%x00%s%x00%x1e", "HEAD")


def _read_log(text: str, _: Ask) -> Json:
    rows = [row.strip("\n").split("\0") for row in text.split("\x1e") if row.strip("\n")]
    return [{"commit": row[0], "at": float(row[1]), "author": visible(row[2][:200]), "subject": visible(row[3][:500])} for row in rows]


def _build_diff(ask: Ask) -> Run:
    plain = ("--no-color", "--no-ext-diff", "--no-textconv", "--no-renames")
    commit = ask.args.get("commit")
    return _git(ask, "show", "--format=", *plain, commit, "--") if isinstance(commit, str) else _git(ask, "diff", *plain, "HEAD", "--")


def _read_diff(text: str, _: Ask) -> Json:
    rows = text.split("\n")
    files = {row[6:] for row in rows if row.startswith(("--- a/", "+++ b/"))}
    shown = "\n".join(visible(row) if row.isprintable() else visible(row.replace("\t", "    ")) for row in rows)
    return {"diff": shown[:_MAX_DIFF], "files": sorted(visible(name) for name in files)[:_MAX_ITEMS], "truncated": len(shown) > _MAX_DIFF}


_MAYBE_INT: Doc = {"type": ["integer", "null"]}
_FILE_LINES = _record({"path": _TEXT, "lines": _listing(_TEXT), "truncated": _FLAG})
_UNIT = _record(
    {
        "state": {"enum": sorted(_STATES)},
        "pid": _MAYBE_INT,
        "exit_code": _MAYBE_INT,
        "signal": {"type": ["string", "null"]},
        "restarts": _MAYBE_INT,
        "started_at": {"type": "number"},
    },
    ("state", "pid", "exit_code", "signal", "restarts"),
)
_ENTRY = _record({"name": _TEXT, "type": _TEXT, "size_bytes": _COUNT, "mode": _TEXT, "modified_at": {"type": "number"}})
_PATH_ONLY = _record({"path": _PATH}, ())
_NOTHING = _record({})

CATALOGUE: Mapping[str, Look] = {
    "df": Look(
        _PATH_ONLY,
        _record({"size_bytes": _COUNT, "used_bytes": _COUNT, "free_bytes": _COUNT, "used_pct": _COUNT, "mountpoint": _TEXT}),
        _on_path("df", "--block-size=1", "--output=size,used,avail,pcent,target", default="mountpoint"),
        _read_df,
    ),
    "du": Look(
        _record({"path": _PATH, "depth": {"type": "integer", "minimum": 0, "maximum": 3}}, ()),
        _record({"path": _TEXT, "total_bytes": _COUNT, "entries": _listing(_record({"path": _TEXT, "bytes": _COUNT})), "truncated": _FLAG}),
        _build_du,
        _read_du,
    ),
    "ps": Look(
        _record({"name": _NAME, "pid": {"type": "integer", "minimum": 1, "maximum": 4_194_304}}, ()),
        _listing(_record({"pid": _COUNT, "name": _TEXT, "state": _TEXT, "rss_bytes": _COUNT, "args": _TEXT})),
        _plain("ps", "-ww", "-e", "-o", "pid:10=,stat:8=,rss:12=,comm:32=,args=", host_pids=True),
        _read_ps,
    ),
    "ss": Look(
        _NOTHING,
        _record({"listening": _listing(_record({"address": _TEXT, "port": _COUNT})), "ports": _listing(_COUNT)}),
        _plain("ss", "-H", "-l", "-t", "-n", net=Net.HOST),
        _read_ss,
    ),
    "tail": Look(_record({"path": _PATH, "lines": _LINES}, ()), _FILE_LINES, _lines_of("tail"), _read_lines),
    "head": Look(_record({"path": _PATH, "lines": _LINES}, ()), _FILE_LINES, _lines_of("head"), _read_lines),
    "stat": Look(
        _PATH_ONLY,
        _record(
            {
                "path": _TEXT,
                "type": _TEXT,
                "size_bytes": _COUNT,
                "mode": _TEXT,
                "uid": _COUNT,
                "gid": _COUNT,
                "modified_at": {"type": "number"},
                "inode": _TEXT,  # may pass 2**53
            }
        ),
        _on_path("stat", r"--printf=%F\t%s\t%a\t%u\t%g\t%Y\t%i", default="log"),
        _read_stat,
    ),
    "ls": Look(
        _record({"path": _PATH, "only": {"const": "rotated"}}, ()),
        _record(
            {
                "path": _TEXT,
                "entries": _listing(
                    _record({"name": _TEXT, "type": _TEXT, "size_bytes": _COUNT, "mode": _TEXT, "modified_at": {"type": "number"}})
                ),
                "paths": _listing(_TEXT),
                "truncated": _FLAG,
            }
        ),
        _build_ls,
        _read_ls,
    ),
    "sha256sum": Look(
        _PATH_ONLY,
        _record({"path": _TEXT, "sha256": _SHA256}),
        _on_path("sha256sum", default="log"),
        _read_sha256,
    ),
    "uptime": Look(
        _NOTHING,
        _record({name: {"type": "number"} for name in ("uptime_s", "load_1", "load_5", "load_15")}),
        _plain("cat", "/proc/uptime", "/proc/loadavg"),
        _read_uptime,
    ),
    "free": Look(
        _NOTHING,
        _record(dict.fromkeys(("total_bytes", "available_bytes", "swap_total_bytes", "swap_free_bytes"), _COUNT)),
        _plain("cat", "/proc/meminfo"),
        _read_free,
    ),
    "unit-status": Look(_NOTHING, _UNIT, _build_unit, _read_unit),
    "systemctl-status": Look(_NOTHING, _UNIT, _build_systemd, _read_unit),
    "git-log": Look(
        _record({"limit": {"type": "integer", "minimum": 1, "maximum": 50}}, ()),
        _listing(_record({"commit": _HASH, "at": {"type": "number"}, "author": _TEXT, "subject": _TEXT})),
        _build_log,
        _read_log,
    ),
    "git-diff": Look(
        _record({"commit": _HASH}, ()), _record({"diff": _TEXT, "files": _listing(_TEXT), "truncated": _FLAG}), _build_diff, _read_diff
    ),
}

_ARGS: Doc = {
    "type": "object",
    "properties": {"command": {"enum": sorted(CATALOGUE)}, "args": {"type": "object"}},
    "required": ["command"],
    "additionalProperties": False,
    "allOf": [
        {"if": {"properties": {"command": {"const": name}}, "required": ["command"]}, "then": {"properties": {"args": look.args}}}
        for name, look in sorted(CATALOGUE.items())
    ],
}


class HostRead:
    """Read-only looks: df, du, ps, ss, tail, head, stat, ls, sha256sum, uptime, free, unit-status, systemctl-status, git-log, git-diff."""

    spec = KindSpec(
        name="host.read",
        title="Look at the machine or the service by one read-only program",
        reach=Reach.READ,
        args=_ARGS,
        result={"anyOf": [look.result for _, look in sorted(CATALOGUE.items())]},
        reversible=True,
        idempotent=True,
        timeout_s=15.0,
        errors=(
            "path not allowed: outside facts.paths",
            "fact missing: the catalogue entry lacks what the look needs",
            "the program failed, is not installed or took too long",
            "output not understood",
        ),
    )

    async def plan(self, hands: Hands) -> Recipe:
        """Write down the exact argv. Raises BadInput where the arguments reach outside what the catalogue entry allows."""
        run = _build(hands)[1]
        return Recipe(before={}, undo={}, argv=(run.argv,))

    async def do(self, hands: Hands, recipe: Recipe) -> Outcome:  # noqa: ARG002 -- the port's shape; a look needs no recipe
        """Run it and parse what came back."""
        try:
            look, run, ask = _build(hands)
            ran = await hands.box.run(run)
        except UserError as e:
            return Outcome(ok=False, error=f"{e.what}: {e.why}", level=hands.box.level)
        fault = _fault(ran, run)
        if fault:
            return Outcome(ok=False, error=fault, transient=ran.timed_out, took_s=ran.took_s, level=ran.level)
        try:
            result = look.parse(ran.out.decode("utf-8", "backslashreplace"), ask)
        except (ValueError, IndexError, KeyError, AttributeError):
            return Outcome(ok=False, error=f"{run.argv[0]} printed something that is not understood", took_s=ran.took_s, level=ran.level)
        return Outcome(ok=True, result=result, took_s=ran.took_s, level=ran.level)

    async def probe(self, hands: Hands, recipe: Recipe) -> Seen:  # noqa: ARG002 -- the port's shape
        """A look leaves nothing behind: what was lost may simply be asked again."""
        return Seen.ABSENT

    async def undo(self, hands: Hands, recipe: Recipe) -> Outcome:  # noqa: ARG002 -- the port's shape
        """Nothing was changed, so nothing is put back."""
        return Outcome(ok=True)

    async def undone(self, hands: Hands, recipe: Recipe) -> Seen:  # noqa: ARG002 -- the port's shape
        """The pre-state was never left."""
        return Seen.HAPPENED


def _build(hands: Hands) -> tuple[Look, Run, Ask]:
    """Give the catalogue entry, the run and the question. Raises BadInput."""
    name, args = hands.action.args.get("command"), hands.action.args.get("args", {})
    look = CATALOGUE.get(name) if isinstance(name, str) else None
    if look is None or not isinstance(args, Mapping):
        raise BadInput(
            f"host.read knows no {visible(str(name))}", "only the fixed catalogue may run", f"use one of {', '.join(sorted(CATALOGUE))}"
        )
    ask = Ask(args, hands.target.facts)
    run = look.build(ask)
    return look, (run if run.env else _with_env(run)), ask


def _with_env(run: Run) -> Run:
    return Run(run.argv, cwd=run.cwd, mounts=run.mounts, net=run.net, host_pids=run.host_pids, env=_ENV)


def _fault(ran: Ran, run: Run) -> str:
    """Say in one line why a run gives no result, or nothing."""
    if ran.timed_out:
        return f"{run.argv[0]} took longer than {run.timeout_s:g} s"
    if ran.code != 0:
        said = ran.err.decode("utf-8", "backslashreplace").strip().split("\n")[0]
        return f"{run.argv[0]} ended with {ran.code if ran.code is not None else f'signal {ran.signal}'}: {visible(said[:300])}"
    return f"{run.argv[0]} printed more than {run.max_output} bytes" if ran.out_truncated else ""


KIND = HostRead()
