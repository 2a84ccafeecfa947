"""The policy port on the engine of this package (`flyball.rego`), in process. Made by `compose`, and by the commands that check policies.

A decision is evaluated inline, within limits. `load` runs the gate: the source, the tables against their schema, what is said in vain, then
every case. A set that fails is refused whole; `swap` puts a set that has passed in the place of the one that runs, between two decisions.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import jsonschema_rs
import orjson

from flyball import rego
from flyball.backends import bundle
from flyball.backends.policy_answer import ENTRYPOINT, INPUT_SCHEMA, Asked, PolicyError, Questions, denied, fault_of, parse
from flyball.backends.policy_kept import Kept, document
from flyball.errors import FlyballError
from flyball.model.ids import Doc
from flyball.model.policy import PolicyAnswer
from flyball.rego import Limits, Mistake, OverLimit, Refused, World, cases
from flyball.rego.cases import CaseResult
from flyball.rego.error import Fault, Place
from flyball.rego.folder import Folder, of_bundle, read_folder
from flyball.rego.lint import lint, lint_words
from flyball.rego.policy import parse as parse_all
from flyball.rego.tree import Module
from flyball.rego.value import plain

CHANGE: Final = "flyball/change/answer"
LIMITS: Final = Limits(steps=2_000_000, wall_ms=500)
_SCHEMA: Final = INPUT_SCHEMA.read_bytes()


@dataclass(frozen=True, slots=True)
class Loaded:
    """A set of policies that has passed the gate. `count`: its rules."""

    folder: Folder
    engine: rego.Policy
    count: int


class QueryFault(FlyballError):
    """A query that has no answer; the text says why."""


class NativePolicy:
    """A gated set of policies; meets the port `Policy`.

    Attributes:
        digest: `sha256:` and 64 hexadecimal digits over every byte of modules, tables, cases and the input's schema.
        count: how many rules are loaded; 0 = none are, and everything is denied.
    """

    def __init__(self, loaded: Loaded | None = None, kept: Kept | None = None) -> None:
        """Begin with a set, or with none."""
        self.digest, self.count = "", 0
        self.loaded: Loaded | None = None
        self.kept = kept
        self._questions = Questions()
        if loaded is not None:
            self.swap(loaded)

    def swap(self, loaded: Loaded) -> None:
        """Let another set answer from now on."""
        self.loaded, self.digest, self.count = loaded, loaded.folder.digest, loaded.count

    def ask(self, question: Doc) -> PolicyAnswer:
        """One decision on one input (`input.schema.json`). Never raises: any fault is a denial that says which."""
        if self.loaded is None or self.count < 1:
            return denied("policy.missing", "no policies are loaded")
        asked = self._questions.check(question)
        if isinstance(asked, PolicyAnswer):
            return asked
        answer = _answered(self.loaded, ENTRYPOINT, asked)
        if self.kept is not None:
            self.kept.add(asked, answer, self.digest)
        return answer

    def judge(self, change: Mapping[str, Any]) -> PolicyAnswer:
        """What the rules about changes say of a file (`change`: an input that holds only target, kind and call)."""
        if self.loaded is None or CHANGE not in self.loaded.engine.entrypoints:
            return denied("policy.missing", "no rules about changes are loaded: there is no package flyball.change")
        return _answered(self.loaded, CHANGE, Asked(change, orjson.dumps(change)))

    def query(self, path: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """`{"result": value}` for `{"input": value}` at an entrypoint, as OPA answers; empty where it is undefined. Raises QueryFault."""
        if self.loaded is None or path not in self.loaded.engine.entrypoints:
            return {}
        try:
            found = self.loaded.engine.eval(path, given.get("input", rego.UNDEFINED), self.loaded.folder.data)
        except Fault as fault:
            raise QueryFault(f"{fault.code}: {fault.what}") from fault
        return {} if found is rego.UNDEFINED else {"result": plain(found)}

    def close(self) -> None:
        """Let go of what was kept."""
        if self.kept is not None:
            self.kept.close()


def _answered(loaded: Loaded, entrypoint: str, asked: Asked) -> PolicyAnswer:
    try:
        found = loaded.engine.eval(entrypoint, asked.doc, loaded.folder.data, world_of(asked))
    except OverLimit as fault:
        return denied("policy.timeout", f"no answer within the limits: {fault.what}")
    except Fault as fault:
        return denied("policy.error", f"the engine failed: {fault.code}: {fault.what}{_at(fault.place)}")
    except Exception as fault:  # noqa: BLE001 - loop boundary: whatever is wrong with the engine is a denial
        return denied("policy.error", f"the engine failed: {type(fault).__name__}: {fault}")
    if found is rego.UNDEFINED:
        return denied("policy.error", "the engine failed: the answer is undefined")
    return parse(found if not fault_of(found) else plain(found), asked.id)


def world_of(asked: Asked) -> World:
    """Time and chance of a question come from the question: asked again, it is answered alike."""
    now = asked.doc.get("now", 0)
    return World(now_ns=int(now * 1_000_000_000), seed=int(asked.id[:16], 16))


def _at(place: Place) -> str:
    return f" at {place.file}:{place.row}:{place.col}" if place.row else ""


# ---- the gate


def load(folder: Path, kept: Kept | None = None) -> NativePolicy:
    """Reads a folder of policies and runs the whole gate.

    Raises:
        PolicyError: what is wrong, with file, line and column where they are known.
    """
    return NativePolicy(gated(read(folder)), kept)


def read(folder: Path) -> Folder:
    """Reads a folder, or a bundle where the path is a file. Raises PolicyError, for a bundle BadInput too."""
    try:
        if folder.is_file():
            return of_bundle(bundle.read(folder.read_bytes()), _SCHEMA)
        return read_folder(folder, _SCHEMA)
    except Refused as fault:
        raise refused(fault.mistakes, {}) from fault


def gated(held: Folder) -> Loaded:
    """Compiles a set and runs its cases. Raises PolicyError."""
    loaded = compiled(held)
    for result in cases.run(held.cases, _asks(loaded)):
        if not result.passed:
            what = f"{result.file}: case `{result.name}` fails"
            why = f"expected {_brief(result.expected)}, got {_brief(result.got)}"
            raise PolicyError(what, why, "correct the policy, or the case if it is no longer wanted")
    return loaded


def compiled(held: Folder) -> Loaded:
    """Everything of the gate but the cases. Raises PolicyError."""
    if held.plan:
        return _planned(held)
    try:
        parsed = parse_all(held.modules)
        entrypoints = [ENTRYPOINT, *([CHANGE] if any(one.package == ("flyball", "change") for one in parsed) else [])]
        engine = rego.compile(held.modules, entrypoints=entrypoints, schema=orjson.loads(_SCHEMA), strict=True, limits=LIMITS)
    except Refused as fault:
        raise refused(fault.mistakes, held.modules) from fault
    words = lint_words(parsed, orjson.loads(_SCHEMA))
    found = [*_lint_data(held), *_lint_form(parsed), *lint(parsed, entrypoints, held.data), *words]
    if found:
        raise refused(sorted(found, key=lambda one: one.place), held.modules)
    return Loaded(held, engine, sum(len(module.rules) for module in parsed))


def _planned(held: Folder) -> Loaded:
    """A plan that OPA made: it is checked statement by statement, and names its entrypoints; there is no source to look for slips in."""
    try:
        engine = rego.compile_plan(held.plan, strict=True, limits=LIMITS)
    except Refused as fault:
        raise refused(fault.mistakes, {}) from fault
    if ENTRYPOINT not in engine.entrypoints:
        what = f"the plan has no entrypoint {ENTRYPOINT}"
        raise PolicyError(what, f"it has {', '.join(engine.entrypoints) or 'none'}", f"opa build -t plan -e {ENTRYPOINT}")
    funcs = engine.program.funcs if engine.program else ()
    return Loaded(held, engine, len(funcs) or 1)  # OPA may have written the one rule into its entrypoint


def run_cases(loaded: Loaded) -> list[CaseResult]:
    """Asks every case of a set and tells how each went, in order."""
    return list(cases.run(loaded.folder.cases, _asks(loaded)))


def _asks(loaded: Loaded) -> cases.Ask:
    policy = NativePolicy(loaded)
    return lambda question, of: flat(policy.judge(question) if of else policy.ask(question))


def flat(answer: PolicyAnswer) -> dict[str, Any]:
    """An answer as cases expect it: approvers beside the rest."""
    doc = document(answer)
    return {**doc, **doc.pop("approvers")}


def _lint_data(held: Folder) -> Iterator[Mistake]:
    """A table with a misspelt key would leave the rule that reads it silent."""
    try:
        schema = jsonschema_rs.Draft202012Validator(dict(held.data_schema), validate_formats=True, formats={"time-zone": _is_time_zone})
    except ValueError as fault:
        yield Mistake(
            Place("data.schema.json", 1, 1), "rego_load_error", f"no JSON Schema: {str(fault).splitlines()[0]}", "correct the file"
        )
        return
    if not schema.is_valid(held.data):
        first = next(iter(schema.iter_errors(held.data)))
        at = "/".join(str(step) for step in first.instance_path)
        what = f"a table is malformed: /{at}: {first.message[:200]}"
        yield Mistake(Place("data.yaml", 1, 1), "rego_load_error", what, "see data.schema.json")


def _is_time_zone(name: str) -> bool:
    try:
        return bool(name) and bool(ZoneInfo(name))
    except (ZoneInfoNotFoundError, ValueError, OSError):  # as flyball.rego.builtin.time does: a folder of the database is an OSError
        return False


def _lint_form(modules: Iterable[Module]) -> Iterator[Mistake]:
    """What Flyball asks of its own policies beyond Rego: they say `import rego.v1`, and stand where they are asked."""
    for module in modules:
        at = Place(module.file, 1, 1)
        if not any(one.path == ("rego", "v1") for one in module.imports):
            yield Mistake(at, "rego_compile_error", "`import rego.v1` is missing", "an older OPA reads the file as old Rego: add it")
        if module.package[:1] not in {("flyball",), ("flyball_test",)}:
            what = f"package `{'.'.join(module.package)}`: nothing asks it"
            yield Mistake(at, "rego_compile_error", what, "write `package flyball`, or a package below it")


def refused(mistakes: Iterable[Mistake], sources: Mapping[str, str]) -> PolicyError:
    """All mistakes as one error. `shown` holds each with its line and a caret."""
    found = list(mistakes)
    first = found[0]
    where = f"{first.place.file}:{first.place.row}:{first.place.col}" if first.place.row else first.place.file or "policies"
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    error = PolicyError(f"{where}: {first.what}{more}", first.code, first.fix)
    error.shown = tuple(one.shown(sources) for one in found)
    return error


def _brief(value: Mapping[str, object]) -> str:
    return ", ".join(f"{key} {held}" for key, held in sorted(value.items()))
