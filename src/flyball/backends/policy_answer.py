"""What policy plugs share: how a question is checked before it is asked, and an answer before it is believed. Called by `policy_*`."""

import hashlib
import re
from collections.abc import Mapping
from importlib.resources import files
from typing import Any, Final, NamedTuple

import jsonschema_rs
import orjson

from flyball.errors import NotReady
from flyball.model.policy import PolicyAnswer

ENTRYPOINT: Final = "flyball/answer"
INPUT_SCHEMA: Final = files("flyball").joinpath("defaults", "policies", "input.schema.json")
_ZONES: Final = {"allow": ("green", "yellow"), "ask": ("red",), "deny": ("green", "yellow", "red")}
_FACTORS: Final = ("none", "totp", "webauthn")
_KEYS: Final = {"effect", "zone", "reason", "rule", "approvers", "obligations", "constraints"}
_APPROVERS: Final = {"group", "quorum", "factor"}
_MOST: Final = 32
_RULE: Final = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)+")
_STRICT: Final = orjson.OPT_PASSTHROUGH_SUBCLASS | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME


class PolicyError(NotReady):
    """A set of policies that must not be used: what (with file:line:column), why, and what to do next.

    `shown`: every mistake found, each with its line of source and a caret; several lines each.
    """

    shown: tuple[str, ...] = ()


class Asked(NamedTuple):
    """A question that may be asked: as plain values, and as the JSON text of them. `id` names the text: its SHA-256, cut to 32 digits."""

    doc: Any
    raw: bytes

    @property
    def id(self) -> str:
        """A name for exactly this question."""
        return hashlib.sha256(self.raw).hexdigest()[:32]


class Questions:
    """Checks questions against `input.schema.json`."""

    def __init__(self) -> None:
        """Compile the schema."""
        self._schema = jsonschema_rs.Draft202012Validator(orjson.loads(INPUT_SCHEMA.read_bytes()))

    def check(self, question: Any) -> Asked | PolicyAnswer:
        """Give what may be asked, or the denial that says what is wrong with it."""
        try:
            asked = _plain(question)
        except (TypeError, ValueError, RecursionError) as fault:
            return denied("policy.input", f"the input is not plain JSON: {fault}")
        if self._schema.is_valid(asked.doc):
            return asked
        first = next(iter(self._schema.iter_errors(asked.doc)))
        at = "/".join(str(step) for step in first.instance_path)
        return denied("policy.input", f"the input is malformed: /{at}: {first.message[:200]}")


def _plain(question: Any) -> Asked:
    """The question itself where it is plain already; else what its JSON text says, in which NaN has become null."""
    try:
        raw = orjson.dumps(question, option=_STRICT)
        if b"null" not in raw:
            return Asked(question, raw)
    except TypeError:
        raw = orjson.dumps(question, default=_as_dict)
    return Asked(orjson.loads(raw), raw)


def _as_dict(value: object) -> dict[str, object]:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is no JSON value")


def denied(rule: str, reason: str) -> PolicyAnswer:
    """The answer that stands in for one that is missing, late, wrong or malformed."""
    return PolicyAnswer(effect="deny", zone="red", reason=reason[:400], rule=rule)


def parse(answer: Any, asked: str = "") -> PolicyAnswer:
    """Takes an answer only if it is well formed to the last key; else it is a denial that names the first fault."""
    if wrong := fault_of(answer):
        return denied("policy.answer", f"the policy's answer is malformed: {wrong}")
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
        asked=asked,
    )


def fault_of(answer: Any) -> str:
    """What is wrong with an answer, or nothing. By hand, since it runs on every decision."""
    if not isinstance(answer, dict):
        return f"/: it is a {type(answer).__name__}, not an object"
    if answer.keys() != _KEYS:
        return _keys(answer, _KEYS, "/")
    return _verdict_fault(answer) or _approvers_fault(answer["approvers"]) or _rest_fault(answer["obligations"], answer["constraints"])


def _verdict_fault(answer: Mapping[str, Any]) -> str:
    effect, zone = answer["effect"], answer["zone"]
    if not isinstance(effect, str) or effect not in _ZONES:
        return "/effect: it is not allow, deny or ask"
    if zone not in _ZONES[effect]:
        return f"/zone: {effect} has the zone {' or '.join(_ZONES[effect])}"
    if not _text(answer["reason"], 4096):
        return "/reason: it is not a text of 1 to 4096 characters"
    if not _text(answer["rule"], 128) or not _RULE.fullmatch(answer["rule"]):
        return "/rule: it is not a dotted name in small letters"
    return ""


def _approvers_fault(approvers: Any) -> str:
    if not isinstance(approvers, dict):
        return "/approvers: it is not an object"
    if approvers.keys() != _APPROVERS:
        return _keys(approvers, _APPROVERS, "/approvers")
    if not _text(approvers["group"], 128):
        return "/approvers/group: it is not a text of 1 to 128 characters"
    if type(approvers["quorum"]) not in {int, float} or approvers["quorum"] not in range(1, 10):
        return "/approvers/quorum: it is not a whole number from 1 to 9"
    return "" if approvers["factor"] in _FACTORS else f"/approvers/factor: it is not {', '.join(_FACTORS)}"


def _rest_fault(obligations: Any, constraints: Any) -> str:
    if not isinstance(obligations, list) or len(obligations) > _MOST:
        return f"/obligations: it is not a list of at most {_MOST}"
    for place, one in enumerate(obligations):
        if not _text(one, 64):
            return f"/obligations/{place}: it is not a text of 1 to 64 characters"
    if not isinstance(constraints, dict) or len(constraints) > _MOST:
        return f"/constraints: it is not an object of at most {_MOST}"
    for name, value in constraints.items():
        if type(name) is not str or not isinstance(value, str | int | float | list):
            return f"/constraints/{name}: it is not a text, number, boolean or list"
    return ""


def _text(value: Any, longest: int) -> bool:
    return type(value) is str and 0 < len(value) <= longest


def _keys(found: Mapping[Any, Any], wanted: set[str], at: str) -> str:
    missing = sorted(wanted - found.keys())
    if missing:
        return f"{at}: `{missing[0]}` is missing"
    return f"{at}: `{min(str(name) for name in found.keys() - wanted)}` is not known"
