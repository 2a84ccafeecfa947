"""The policy port on rego-cpp (`regopy`), gated. Called by `compose` and by the policy commands.

rego-cpp alone fails open: it takes an unknown builtin or an unsafe variable for undefined. So `load` runs a gate over
source, plan and cases, and `ask` answers deny for whatever is not one well-formed answer in time. Two more faults of
rego-cpp 1.5 are dealt with here: it copies texts into its output unescaped, so texts go in escaped; and it prints
errors to standard output, so its log is off. A third is for authors of rules: `sort`, `min` and `max` compare numbers
as text, so what they are given must have equally many digits.

Its wheel brings a C++ runtime of its own, which corrupts the heap when another extension with libstdc++ (greenlet, say) was
loaded before it: `compose` imports this file before anything else, and `load` refuses where that came too late.
"""

import json
import queue
import re
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema_rs
import orjson
import regopy

from flyball.errors import NotReady
from flyball.model.ids import Doc
from flyball.model.policy import PolicyAnswer
from flyball.rego import cases, plan, source
from flyball.rego.cases import CaseResult
from flyball.rego.folder import Folder, FolderError, read_folder
from flyball.rego.source import Finding

ENTRYPOINT = "flyball/answer"
TIMEOUT_MS = 500
STUCK_MAX = 4  # evaluations that overran and still run; beyond that nothing is asked
INPUT_SCHEMA = files("flyball").joinpath("defaults", "policies", "input.schema.json")
ANSWER_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["effect", "zone", "reason", "rule", "approvers", "obligations", "constraints"],
    "additionalProperties": False,
    "properties": {
        "effect": {"enum": ["allow", "deny", "ask"]},
        "zone": {"enum": ["green", "yellow", "red"]},
        "reason": {"type": "string", "minLength": 1, "maxLength": 4096},
        "rule": {"type": "string", "pattern": r"^[a-z0-9_]+(\.[a-z0-9_]+)+$", "maxLength": 128},
        "approvers": {
            "type": "object",
            "required": ["group", "quorum", "factor"],
            "additionalProperties": False,
            "properties": {
                "group": {"type": "string", "minLength": 1, "maxLength": 128},
                "quorum": {"type": "integer", "minimum": 1, "maximum": 9},
                "factor": {"enum": ["none", "totp", "webauthn"]},
            },
        },
        "obligations": {"type": "array", "items": {"type": "string", "minLength": 1, "maxLength": 64}, "maxItems": 32},
        "constraints": {
            "type": "object",
            "maxProperties": 32,
            "additionalProperties": {"type": ["string", "number", "boolean", "array"]},
        },
    },
    "allOf": [
        {
            "if": {"properties": {"effect": {"const": "ask"}}},
            "then": {"properties": {"zone": {"const": "red"}}},
        },
        {
            "if": {"properties": {"effect": {"const": "allow"}}},
            "then": {"properties": {"zone": {"enum": ["green", "yellow"]}}},
        },
    ],
}
_ANSWER = jsonschema_rs.Draft202012Validator(ANSWER_SCHEMA)
_PLACE = re.compile(r"\(error \d+:(?P<file>[^|\s]+)\|(?P<offset>\d+)\|\d+\s*\(errormsg \d+:(?P<text>[^\n]*)\)")
_MESSAGE = re.compile(r"\(errormsg \d+:([^\n)]*)")
_SPECIAL = re.compile(r'["\\\x00-\x1f]')


class PolicyError(NotReady):
    """A set of policies that must not be used: what (with file:line:column), why, and what to do next."""


class RegopyPolicy:
    """A gated set of policies; meets the port `Policy`. Calls from several threads take turns.

    Attributes:
        digest: `sha256:` and 64 hexadecimal digits over every byte of modules, tables, cases and the input's schema.
        count: how many rules are loaded; never 0 when it came from `load`.
    """

    def __init__(self, folder: Folder, count: int, evaluate: "Callable[[], Evaluate]", timeout_ms: int) -> None:
        self.digest = folder.digest
        self.count = count
        self._make = evaluate
        self._timeout_s = timeout_ms / 1000
        self._schema = jsonschema_rs.Draft202012Validator(orjson.loads(INPUT_SCHEMA.read_bytes()))
        self._lock = threading.Lock()
        self._worker: _Worker | None = None
        self._stuck: list[_Worker] = []

    def ask(self, question: Doc) -> PolicyAnswer:
        """One decision on one input (`input.schema.json`). Never raises: any fault is a deny that says which."""
        if self.count < 1:
            return _denied("policy.missing", "no policies are loaded")
        try:
            plain = orjson.loads(orjson.dumps(question, default=_as_dict))
        except (TypeError, ValueError, RecursionError) as fault:
            return _denied("policy.input", f"the input is not plain JSON: {fault}")
        wrong = _first_error(self._schema, plain)
        if wrong:
            return _denied("policy.input", f"the input is malformed: {wrong}")
        with self._lock:
            return self._ask_worker(plain)

    def close(self) -> None:
        """Ends the evaluating thread once it is idle. A later `ask` starts a new one."""
        with self._lock:
            if self._worker:
                self._worker.todo.put(None)
            self._worker = None

    def _ask_worker(self, plain: object) -> PolicyAnswer:
        self._stuck = [worker for worker in self._stuck if worker.is_alive()]
        if len(self._stuck) >= STUCK_MAX:
            return _denied("policy.stuck", f"{STUCK_MAX} evaluations have overrun and still run")
        if self._worker is None:
            self._worker = _Worker(self._make)
            self._worker.start()
        future: Future[object] = Future()
        self._worker.todo.put((plain, future))
        try:
            fault = future.exception(self._timeout_s)
        except TimeoutError:
            self._worker.todo.put(None)
            self._stuck.append(self._worker)
            self._worker = None
            return _denied("policy.timeout", f"no answer within {self._timeout_s * 1000:.0f} ms")
        if fault is not None:
            return _denied("policy.error", f"the engine failed: {type(fault).__name__}: {fault}")
        return _parse(future.result())


Evaluate = Callable[[Any], object]
_Todo = tuple[Any, "Future[object]"] | None


class _Worker(threading.Thread):
    """Evaluates in a thread of its own, because a call into the engine cannot be broken off: it can only be left behind."""

    def __init__(self, make: Callable[[], Evaluate]) -> None:
        super().__init__(name="flyball-policy", daemon=True)
        self.todo: queue.SimpleQueue[_Todo] = queue.SimpleQueue()
        self._make = make

    def run(self) -> None:
        """Answers until it is told to end."""
        evaluate: Evaluate | None = None
        while (asked := self.todo.get()) is not None:
            plain, future = asked
            try:
                evaluate = evaluate or self._make()
                future.set_result(evaluate(plain))
            except Exception as fault:  # noqa: BLE001 - loop boundary: whatever the engine raises is the caller's deny
                future.set_exception(fault)


class EngineFault(Exception):
    """The engine gave an error, or not exactly one answer."""


class _Evaluator:
    """One prepared bundle and the interpreter of one thread."""

    def __init__(self, bundle: regopy.Bundle) -> None:
        self._bundle = bundle
        self._engine = _engine()

    def __call__(self, plain: Any) -> object:
        """Gives the value of the entrypoint for one input of plain JSON values."""
        self._engine.set_input(regopy.Input(_escaped(plain)))
        try:
            output = self._engine.query_bundle_entrypoint(self._bundle, ENTRYPOINT)
        except json.JSONDecodeError as fault:  # what should be JSON is then the engine's own message
            message = _MESSAGE.search(fault.doc)
            raise EngineFault(message[1] if message else "its answer is no JSON") from fault
        if not output.ok():
            raise EngineFault("it reports an error in a rule or a builtin")
        values = [value for result in output.results for value in result.expressions]
        if len(values) != 1:
            raise EngineFault("the answer is undefined" if not values else "there are several answers")
        return values[0]


def load(folder: Path, timeout_ms: int = TIMEOUT_MS) -> RegopyPolicy:
    """Reads a folder of policies and runs the gate: source, compiler, plan, then every case.

    Raises:
        PolicyError: the first thing that is wrong, with file, line and column where they are known.
    """
    if _too_late(list(sys.modules)):
        what, why = "the policy engine cannot run in this process", "greenlet was imported before regopy, which corrupts memory"
        raise PolicyError(what, why, "import flyball.compose before whatever brings greenlet")
    policy, held = _compiled(folder, timeout_ms)
    for result in cases.run(held.cases, partial(_ask_case, policy)):
        if not result.passed:
            policy.close()
            what = f"{result.file}: case `{result.name}` fails"
            why = f"expected {_brief(result.expected)}, got {_brief(result.got)}"
            raise PolicyError(what, why, "correct the policy, or the case if it is no longer wanted")
    return policy


def _too_late(imported: list[str]) -> bool:
    """Whether greenlet stands before regopy in the order of imports."""
    return "greenlet" in imported and imported.index("greenlet") < imported.index("regopy")


def run_cases(policy: RegopyPolicy, folder: Path) -> list[CaseResult]:
    """Asks every case of `folder/cases` of a loaded policy and tells how each went, in order.

    Raises:
        PolicyError: the folder cannot be read.
    """
    return list(cases.run(_read(folder).cases, partial(_ask_case, policy)))


def _read(folder: Path) -> Folder:
    try:
        return read_folder(folder, INPUT_SCHEMA.read_bytes())
    except FolderError as fault:
        raise _refused([fault.finding]) from fault


def _compiled(folder: Path, timeout_ms: int) -> tuple[RegopyPolicy, Folder]:
    """Everything of the gate but the cases."""
    held = _read(folder)
    modules = [source.read(name, text) for name, text in held.modules.items()]
    _refuse(_lint_data(held))
    _refuse(finding for module in modules for finding in source.lint_form(module))
    _refuse(source.lint_set(modules, ENTRYPOINT))
    engine = _engine()
    try:
        for name, text in held.modules.items():
            engine.add_module(name, text)
    except regopy.RegoError as fault:
        raise _refused([_syntax(str(fault), held.modules)]) from fault
    _refuse(source.lint_names(modules))
    try:
        engine.add_data_json(json.dumps(held.data))
        bundle = engine.build(None, [ENTRYPOINT])
        with tempfile.TemporaryDirectory(prefix="flyball-policy-") as scratch:
            engine.save_bundle(scratch, bundle)
            planned = json.loads(Path(scratch, "plan.json").read_bytes())
    except (regopy.RegoError, ValueError, OSError) as fault:
        raise _refused([_syntax(str(fault), held.modules)]) from fault
    _refuse(plan.lint(planned, orjson.loads(INPUT_SCHEMA.read_bytes()), held.data))
    _refuse(source.lint_unused(modules, ENTRYPOINT))
    _refuse(_lint_bundle(bundle))
    count = sum(len(module.statements) for module in modules)
    return RegopyPolicy(held, count, lambda: _Evaluator(bundle), timeout_ms), held


def _lint_data(held: Folder) -> Iterable[Finding]:
    """A table with a misspelt key would leave the rule that reads it silent."""
    try:
        wrong = _first_error(jsonschema_rs.Draft202012Validator(dict(held.data_schema)), held.data)
    except ValueError as fault:
        why = str(fault).splitlines()[0]
        yield Finding("data.schema.json", 1, 1, "no JSON Schema", why, "correct the file")
        return
    if wrong:
        yield Finding("data.yaml", 1, 1, "a table is malformed", wrong, "see data.schema.json")


def _lint_bundle(bundle: regopy.Bundle) -> Iterable[Finding]:
    """rego-cpp 1.5 refuses some bundles of its own making, but only when they are asked."""
    try:
        _Evaluator(bundle)({})
    except EngineFault as fault:
        if str(fault).startswith("bundle verify"):
            fix = "write a constant answer as a variable first (`answer := x if { x := {...} }`)"
            yield Finding("policies", 0, 0, "the engine cannot run them", str(fault), fix)


def _engine() -> regopy.Interpreter:
    engine = regopy.Interpreter()
    engine.log_level = regopy.LogLevel.NONE
    engine.strict_built_in_errors = True
    return engine


def _refuse(findings: Iterable[Finding]) -> None:
    found = list(findings)
    if found:
        raise _refused(found)


def _refused(found: list[Finding]) -> PolicyError:
    first = min(found, key=lambda finding: (finding.file, finding.line, finding.col))
    where = f"{first.file}:{first.line}:{first.col}" if first.line else first.file
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return PolicyError(f"{where}: {first.what}{more}", first.why, first.fix)


def _syntax(text: str, modules: Mapping[str, str]) -> Finding:
    """What the compiler reports, with its byte offset turned into line and column."""
    match = _PLACE.search(text)
    if match is None or match["file"] not in modules:
        message = _MESSAGE.search(text)
        why = message[1] if message else "the compiler gives no reason"
        return Finding("policies", 0, 0, "they do not compile", why, "undo the last change and try again")
    before = modules[match["file"]].encode()[: int(match["offset"])]
    line, col = before.count(b"\n") + 1, len(before) - before.rfind(b"\n")
    return Finding(match["file"], line, col, "syntax error", match["text"], "correct the line")


def _parse(answer: object) -> PolicyAnswer:
    """Takes an answer only if it is well formed to the last key."""
    wrong = _first_error(_ANSWER, answer)
    if wrong or not isinstance(answer, dict):
        return _denied("policy.answer", f"the policy's answer is malformed: {wrong}")
    approvers = answer["approvers"]
    return PolicyAnswer(
        effect=answer["effect"],
        zone=answer["zone"],
        reason=answer["reason"],
        rule=answer["rule"],
        group=approvers["group"],
        quorum=int(approvers["quorum"]),
        factor=approvers["factor"],
        obligations=tuple(answer["obligations"]),
        constraints=answer["constraints"],
    )


def _denied(rule: str, reason: str) -> PolicyAnswer:
    return PolicyAnswer(effect="deny", zone="red", reason=reason[:400], rule=rule)


def _first_error(validator: jsonschema_rs.Draft202012Validator, value: Any) -> str:
    """Where and why `value` is invalid; empty = it is valid."""
    if validator.is_valid(value):
        return ""
    fault = next(iter(validator.iter_errors(value)))
    return f"/{'/'.join(str(step) for step in fault.instance_path)}: {fault.message[:200]}"


def _as_dict(value: object) -> dict[str, object]:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is no JSON value")


def _ask_case(policy: RegopyPolicy, question: Mapping[str, Any]) -> dict[str, object]:
    answer = policy.ask(question)
    names = ("effect", "zone", "reason", "rule", "group", "quorum", "factor", "constraints")
    return {name: getattr(answer, name) for name in names} | {"obligations": list(answer.obligations)}


def _escaped(value: Any) -> Any:
    """Texts as they stand between the quotes of JSON, which is how rego-cpp keeps them."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)[1:-1] if _SPECIAL.search(value) else value
    if isinstance(value, dict):
        return {_escaped(key): _escaped(held) for key, held in value.items()}
    if isinstance(value, list):
        return [_escaped(held) for held in value]
    return value


def _brief(value: Mapping[str, object]) -> str:
    return ", ".join(f"{key} {held}" for key, held in sorted(value.items()))
