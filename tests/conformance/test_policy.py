"""Every plug of the policy port answers alike: what is not one well-formed answer in time denies, and what would fail open does not load.

The `opa` plug asks a small server that speaks OPA's REST API and evaluates with the engine of this package.
"""

import re
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import reduce
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import flyball
from flyball.backends import policy_native
from flyball.backends.policy_answer import ENTRYPOINT, PolicyError, fault_of
from flyball.backends.policy_native import Loaded, NativePolicy, load
from flyball.backends.policy_opa import OpaPolicy
from flyball.ports import Policy
from flyball.rego import cases
from flyball.rego.folder import read_folder
from flyball.rego.front import parse_module
from opaserver import MISSING, served

SHIPPED = Path(flyball.__file__).parent / "defaults" / "policies"
BASE = yaml.safe_load((SHIPPED / "cases" / "base.yaml").read_text())["base"]
HEAD = "package flyball\n\nimport rego.v1\n\n"
ANSWER = {
    "effect": "allow",
    "zone": "green",
    "reason": "as a test",
    "rule": "test.allow",
    "approvers": {"group": "sre", "quorum": 1, "factor": "none"},
    "obligations": [],
    "constraints": {},
}
GOOD = orjson.dumps(ANSWER).decode()
Make = Callable[..., Policy]


def changed(*path_and_value: Any) -> dict[str, Any]:
    """The base input with one value replaced."""
    *path, value = path_and_value
    return cases.merge(BASE, reduce(lambda under, key: {key: under}, reversed(path), value))


def folder_with(folder: Path, rules: str, data: str = "") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "rules.rego").write_text(HEAD + rules)
    if data:
        (folder / "data.yaml").write_text(data)
    return folder


def behind(loaded: Loaded) -> Callable[[str, Any], Any]:
    """What an OPA with this set would say: a fault in a rule is no answer."""

    def evaluate(path: str, question: Any) -> Any:
        return NativePolicy(loaded).query(path, {"input": question}).get("result", MISSING)

    return evaluate


@pytest.fixture(scope="module", params=["native", "opa"])
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    """A plug over a set that has passed the gate."""
    with ExitStack() as stack:

        def make(loaded: Loaded, path: str = ENTRYPOINT) -> Policy:
            if request.param == "native":
                return NativePolicy(loaded)
            server = stack.enter_context(served(behind(loaded)))
            policy = OpaPolicy(server.url, path=path, timeout_s=10)
            stack.callback(policy.close)
            policy.refresh()
            assert policy.fault == ""
            return policy

        yield make


@pytest.fixture(scope="module")
def shipped(make: Make) -> Policy:
    return make(policy_native.gated(policy_native.read(SHIPPED)))


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SHIPPED, tmp_path / "policies"))


def compiled(folder: Path) -> Loaded:
    """Everything of the gate but the cases."""
    return policy_native.compiled(policy_native.read(folder))


# What is asked


def test_the_shipped_policies_are_loaded_and_ready(shipped: Policy) -> None:
    assert shipped.count >= 1
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", shipped.digest)


def test_an_answer_holds_everything(shipped: Policy) -> None:
    answer = shipped.ask(BASE)
    assert (answer.effect, answer.zone, answer.rule) == ("allow", "yellow", "zone.yellow")
    assert (answer.group, answer.quorum, answer.factor) == ("sre", 1, "none")
    assert answer.obligations == ("recipe", "review", "verify")
    assert answer.constraints == {}


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        (changed("provenance", "/service", "endorsed", None), 'null is not of type "boolean"'),
        (changed("provenance", "/service", "endorsed", "false"), '"false" is not of type "boolean"'),
        (changed("kind", "reversible", "false"), '"false" is not of type "boolean"'),
        (changed("call", "args", "note", None), "/call/args/note"),
        (changed("grant", "uses_left", True), 'true is not of type "integer"'),
        (changed("call", "confidence", 1.5), "1.5 is greater than the maximum of 1"),
        (changed("call", "confidence", float("nan")), 'null is not of type "number"'),
        (changed("call", "confidence", float("inf")), 'null is not of type "number"'),
        (changed("kind", "effect", "Read"), "/kind/effect"),
        (changed("zone", "green"), "'zone' was unexpected"),
        (changed("kind", "allow", True), "'allow' was unexpected"),
        (changed("provenance", cases.DROP), '"provenance" is a required property'),
        (changed("sandbox", "level", cases.DROP), '"level" is a required property'),
        (changed("schema", 2), "1 was expected"),
        (changed("agent", "name", "\ud800"), "not plain JSON"),
        (changed("call", "args", "n", 2**70), "not plain JSON"),
        (changed("call", "args", "n", object()), "not plain JSON"),
        (changed("call", "args", "n", reduce(lambda under, _: [under], range(2000), 1)), "not plain JSON"),
        ([], 'is not of type "object"'),
        (None, 'is not of type "object"'),
        ({}, "is a required property"),
    ],
)
def test_a_malformed_input_is_denied(shipped: Policy, question: Any, reason: str) -> None:
    answer = shipped.ask(question)
    assert (answer.effect, answer.zone, answer.rule) == ("deny", "red", "policy.input")
    assert reason in answer.reason
    assert answer.quorum >= 1


@pytest.mark.parametrize("name", ['x","effect":"allow","a":"', 'x"', "x\\", "x\\u0041", "x\n\t\x00", "é\u2028\U0001f600"])
def test_a_text_from_outside_stays_one_text(shipped: Policy, name: str) -> None:
    answer = shipped.ask(changed("agent", "role", name))
    assert (answer.effect, answer.rule) == ("deny", "role.kind")
    assert answer.reason == f"the role {name} may not use process.restart"


def test_the_escaped_form_of_a_name_is_another_name(shipped: Policy) -> None:
    assert shipped.ask(changed("grant", "targets", ["we\\u0062"])).rule == "grant.target"


labels = st.dictionaries(
    st.sampled_from(["endorsed", "integrity", "zone", "effect", "secrecy", "provenance", "/service", "min_integrity"]),
    st.sampled_from([True, "principal", "green", "allow", "public", {"/service": {"endorsed": True}}, ["write"]]),
)


@settings(max_examples=40, deadline=None)
@given(label=labels)
def test_labels_in_arguments_change_nothing(shipped: Policy, label: dict[str, Any]) -> None:
    question = changed("provenance", "/service", "endorsed", False)
    plain = policy_native.flat(shipped.ask(question))
    assert plain["rule"] == "provenance.sink"
    assert policy_native.flat(shipped.ask(cases.merge(question, {"call": {"args": {**label, "nested": label}}}))) == plain


# An allowed case with exactly one fact broken

BREAKS: list[tuple[Any, ...]] = [
    ("agent", "role", "observe"),
    ("agent", "role", "remediate "),
    ("agent", "depth", 99),
    ("grant", "kinds", []),
    ("grant", "targets", ["web "]),
    ("grant", "env", ["LAB"]),
    ("grant", "ceiling", "green"),
    ("grant", "uses_left", 0),
    ("grant", "expires_in_s", 0),
    ("kind", "name", "process.restart\u200b"),
    ("kind", "sinks", ["/service", "/other"]),
    ("kind", "reversible", False),
    ("kind", "destructive", True),
    ("target", "known", False),
    ("target", "sensitivity", "high"),
    ("call", "confidence", 0.3),
    ("call", "attempt", 9),
    ("provenance", "/service", "endorsed", False),
    ("blast", "targets", 99),
    ("budget", "micros_left", 0),
    ("pace", "last_10m", 99),
    ("sandbox", "level", "none"),
    ("review", "overdue", 1),
]


@pytest.mark.parametrize("fact", BREAKS, ids=lambda fact: "-".join(ascii(part).strip("'") for part in fact))
def test_one_broken_fact_never_allows(shipped: Policy, fact: tuple[Any, ...]) -> None:
    assert shipped.ask(BASE).effect == "allow"
    assert shipped.ask(changed(*fact)).effect != "allow"


# What the engine answers


def answering(**keys: object) -> str:
    """A policy that answers like `ANSWER`, with these keys merged over it."""
    return f"answer := {orjson.dumps(cases.merge(ANSWER, keys)).decode()}\n"


@pytest.mark.parametrize(
    ("rules", "rule", "reason"),
    [
        (f"answer := {GOOD} if input.shadow\n", "policy.error", "the answer is undefined"),
        (answering(more=1), "policy.answer", "/: `more` is not known"),
        (answering(constraints=cases.DROP), "policy.answer", "/: `constraints` is missing"),
        (answering(zone="red"), "policy.answer", "/zone: allow has the zone green or yellow"),
        (answering(effect="ask"), "policy.answer", "/zone: ask has the zone red"),
        (answering(effect="ALLOW"), "policy.answer", "/effect: "),
        (answering(effect=True), "policy.answer", "/effect: "),
        (answering(effect=["allow"]), "policy.answer", "/effect: "),
        (answering(zone={"a": 1}), "policy.answer", "/zone: "),
        (answering(reason=None), "policy.answer", "/reason: "),
        (answering(reason=""), "policy.answer", "/reason: "),
        (answering(rule="Not a name"), "policy.answer", "/rule: "),
        (answering(rule="a.b\n"), "policy.answer", "/rule: "),
        (answering(approvers={"quorum": 0}), "policy.answer", "/approvers/quorum: "),
        (answering(approvers={"quorum": "1"}), "policy.answer", "/approvers/quorum: "),
        (answering(approvers={"quorum": True}), "policy.answer", "/approvers/quorum: "),
        (answering(approvers={"quorum": 1.5}), "policy.answer", "/approvers/quorum: "),
        (answering(approvers={"group": ""}), "policy.answer", "/approvers/group: "),
        (answering(approvers={"factor": "sms"}), "policy.answer", "/approvers/factor: "),
        (answering(approvers={"more": 1}), "policy.answer", "/approvers: `more` is not known"),
        (answering(approvers=3), "policy.answer", "/approvers: it is not an object"),
        (answering(obligations=[1]), "policy.answer", "/obligations/0: "),
        (answering(obligations="all"), "policy.answer", "/obligations: "),
        (answering(obligations=["x"] * 33), "policy.answer", "/obligations: "),
        (answering(constraints=[]), "policy.answer", "/constraints: "),
        (answering(constraints={"a": None}), "policy.answer", "/constraints/a: "),
        (answering(constraints={"a": {}}), "policy.answer", "/constraints/a: "),
        ("answer := true\n", "policy.answer", "it is a bool, not an object"),
        ('answer := "allow"\n', "policy.answer", "it is a str, not an object"),
        ("answer contains 1\n", "policy.answer", "it is a list, not an object"),
        (
            f"answer := {GOOD} if input.now > 0\n\nanswer := {orjson.dumps({**ANSWER, 'zone': 'yellow'}).decode()} if input.now > 1\n",
            "policy.error",
            "the engine failed: ",
        ),
        (f"answer := {GOOD} if not to_number(input.agent.name) == 1\n", "policy.error", "the engine failed: "),
    ],
)
def test_a_malformed_answer_is_denied(make: Make, tmp_path: Path, rules: str, rule: str, reason: str) -> None:
    answer = make(compiled(folder_with(tmp_path, rules))).ask(BASE)
    assert (answer.effect, answer.zone, answer.rule) == ("deny", "red", rule)
    assert reason in answer.reason


def test_a_well_formed_answer_is_taken(make: Make, tmp_path: Path) -> None:
    rules = answering(obligations=["a"], constraints={"a": [1], "b": 1.5, "c": True}, approvers={"quorum": 2.0})
    answer = make(compiled(folder_with(tmp_path, rules))).ask(BASE)
    assert (answer.effect, answer.quorum, answer.obligations) == ("allow", 2, ("a",))
    assert answer.constraints == {"a": [1], "b": 1.5, "c": True}
    assert answer.asked


def test_a_set_in_an_answer_is_a_sorted_list(make: Make, tmp_path: Path) -> None:
    rules = GOOD.replace('"obligations":[]', '"obligations":{"b", "a"}').replace('"constraints":{}', '"constraints":{"of": {2, 1}}')
    answer = make(compiled(folder_with(tmp_path, f"answer := {rules}\n"))).ask(BASE)
    assert (answer.effect, answer.obligations, answer.constraints) == ("allow", ("a", "b"), {"of": [1, 2]})


values = (
    st.none() | st.booleans() | st.integers(-1, 40) | st.floats() | st.text(max_size=4) | st.sampled_from(["allow", "red", "ask", "totp"])
)
nested = st.recursive(values, lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=3), below, max_size=3))


@settings(max_examples=300, deadline=None)
@given(doc=nested | st.fixed_dictionaries({key: st.just(value) | nested for key, value in ANSWER.items()}))
def test_nothing_makes_the_look_at_an_answer_fail(doc: Any) -> None:
    if fault_of(doc) == "":
        assert doc["effect"] in {"allow", "ask", "deny"}
        assert isinstance(doc["approvers"]["group"], str)
        assert int(doc["approvers"]["quorum"]) in range(1, 10)


def test_no_rules_deny() -> None:
    assert (NativePolicy().ask(BASE).effect, NativePolicy().ask(BASE).rule) == ("deny", "policy.missing")


def test_an_incomplete_table_is_denied_by_default(make: Make, copy: Path) -> None:
    data = (copy / "data.yaml").read_text()
    (copy / "data.yaml").write_text(data.replace("group: {prod: sre, other: sre}", "group: {prod: sre}"))
    (copy / "data.schema.json").unlink()
    policy = make(compiled(copy))
    question = cases.merge(BASE, {"target": {"env": "dev"}, "grant": {"env": ["dev"]}})
    assert (policy.ask(question).effect, policy.ask(question).rule) == ("deny", "default.deny")
    assert policy.ask(BASE).effect == "allow"


def test_a_kind_without_a_zone_asks(make: Make, copy: Path) -> None:
    data = (copy / "data.yaml").read_text()
    (copy / "data.yaml").write_text(data.replace("  remediate:\n", "  remediate:\n    - ticket.open\n"))
    policy = make(compiled(copy))
    answer = policy.ask(cases.merge(BASE, {"kind": {"name": "ticket.open"}, "grant": {"kinds": ["ticket.open"]}}))
    assert (answer.effect, answer.zone, answer.rule) == ("ask", "red", "zone.missing")


# An engine that fails


class Broken:
    """An engine whose evaluation raises."""

    entrypoints = ("flyball/answer",)

    def __init__(self, fault: BaseException) -> None:
        self.fault = fault

    def eval(self, *_: object) -> object:
        raise self.fault


@pytest.mark.parametrize("fault", [ValueError("no"), TypeError("no"), MemoryError("no"), RecursionError("no")])
def test_an_engine_that_raises_denies(tmp_path: Path, fault: Exception) -> None:
    engine: Any = Broken(fault)
    policy = NativePolicy(Loaded(read_folder(folder_with(tmp_path, f"answer := {GOOD}\n")), engine, 1))
    for _ in range(3):
        answer = policy.ask(BASE)
        assert (answer.effect, answer.rule) == ("deny", "policy.error")
        assert answer.reason == f"the engine failed: {type(fault).__name__}: no"


def test_rules_that_take_too_long_deny(tmp_path: Path) -> None:
    rules = f"""answer := {GOOD} if count(found) == 0

found contains a if {{
	some a in data.many
	some b in data.many
	some c in data.many
	a + b == c + 1000
}}
"""
    policy = NativePolicy(compiled(folder_with(tmp_path, rules, f"many: {list(range(400))}\n")))
    answer = policy.ask(BASE)
    assert (answer.effect, answer.rule) == ("deny", "policy.timeout")
    assert answer.reason.startswith("no answer within the limits: the evaluation took ")


def test_threads_may_ask_at_once(shipped: Policy) -> None:
    wrong: list[object] = []

    def asks(role: str, effect: str) -> None:
        for _ in range(20):
            answer = shipped.ask(changed("agent", "role", role))
            if answer.effect != effect:
                wrong.append(answer)

    threads = [threading.Thread(target=asks, args=it) for it in [("remediate", "allow"), ("observe", "deny")] * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert wrong == []


def test_the_same_question_has_the_same_answer_and_name(shipped: Policy) -> None:
    first, again = shipped.ask(BASE), shipped.ask(changed("now", BASE["now"]))
    assert {**policy_native.flat(first)} == {**policy_native.flat(again)}


# What does not load

UNSAFE = "rego_unsafe_var_error"
LOST = "it is undefined: correct its name, or add it to the tables"
VAIN = "it changes no answer: correct its name, or remove it"


def gives(name: str) -> str:
    return f"give {name} a value: {name} := ..., some {name} in ..."


@pytest.mark.parametrize(
    ("rules", "what", "why", "fix"),
    [
        (
            'ok if startwith(input.target.name, "w")\n',
            "5:7: undefined function startwith",
            "rego_type_error",
            "did you mean startswith?",
        ),
        (
            'ok if http.send({"url": "x"})\n',
            "5:7: unsafe built-in function calls in expression: http.send",
            "rego_type_error",
            "http.send is refused: a policy that asks the network can be slow, wrong or different the next time",
        ),
        ("ok if y > 3\n", "5:7: var y is unsafe", UNSAFE, gives("y")),
        ("ok if not y > 3\n", "5:7: var y is unsafe", UNSAFE, gives("y")),
        ("ok if not input.agent.chain[i] == 3\n", "5:7: var i is unsafe", UNSAFE, gives("i")),
        ("ok if inptu.shadow\n", "5:7: var inptu is unsafe", UNSAFE, gives("inptu")),
        ("ok if count([z | z > 3]) > 0\n", "5:18: var z is unsafe", UNSAFE, gives("z")),
        ("ok if {\n\tcount([a | a := input.now]) > 0\n\ta > 1\n}\n", "7:2: var a is unsafe", UNSAFE, gives("a")),
        ("ok := 3 if {\n\tx := 1\n} else := 4 if {\n\tx > 2\n}\n", "8:2: var x is unsafe", UNSAFE, gives("x")),
        ("ok if {\n\tsome y\n\ty > input.now\n}\n", "7:2: var y is unsafe", UNSAFE, gives("y")),
        (
            "ok if {\n\tnot a := input.now\n\ta > 1\n}\n",
            "6:2: cannot assign vars inside negated expression",
            "rego_compile_error",
            "use == to compare",
        ),
        (
            "ok if input.kind.nmae == 1\n",
            "5:7: undefined ref: input.kind.nmae",
            "rego_type_error",
            "did you mean name? input.kind has destructive, digest, effect, egress, min_integrity, name, reversible, sinks",
        ),
        (
            "ok if {\n\tsome s in input.kind.sinks\n\tinput.provenance[s].trusted\n}\n",
            "7:2: undefined ref: input.provenance[s].trusted",
            "rego_type_error",
            "input.provenance[s] has endorsed, endorser, integrity, origin, secrecy",
        ),
        (
            'ok if input.shadow == "yes"\n',
            "5:7: match error: left: boolean, right: string",
            "rego_type_error",
            "the two sides are never equal: compare values of one type",
        ),
        ('ok if input.kind.effect == "wirte"\n', "5:28: it is never `wirte`", "rego_compile_error", "it is one of read, write"),
        (
            'ok if "Green" != input.grant.ceiling\n',
            "5:7: it is never `Green`",
            "rego_compile_error",
            "it is one of green, yellow, red",
        ),
        ("ok if data.rolse[input.agent.role]\n", "5:7: there is no `data.rolse`", "rego_compile_error", LOST),
        ("ok if data.flyball.denny\n", "5:7: there is no `data.flyball.denny`", "rego_compile_error", LOST),
        ('ok if startswith("a")\n', "5:7: function startswith has arity 2, got 1 argument", "rego_type_error", "give it 2 arguments"),
        (
            "f(a) := a\nok if f(1, 2) == 3\n",
            "6:7: function data.flyball.f has arity 1, got 2 arguments",
            "rego_type_error",
            "give it 1 argument",
        ),
        (
            "f(a) := f(a - 1)\n",
            "5:1: rule data.flyball.f is recursive: data.flyball.f -> data.flyball.f",
            "rego_recursion_error",
            "compute it without asking for itself; graph.reachable and walk go through structures",
        ),
        ("ok { input.shadow }\n", "5:1: `if` keyword is required before rule body", "rego_parse_error", "in Rego v1 it is ok if {"),
        (
            "f(a) = b { b := a }\n",
            "5:1: `if` keyword is required before function body",
            "rego_parse_error",
            "in Rego v1 it is f(a) = b if {",
        ),
        ("ok := `a\n", "5:7: non-terminated string", "rego_parse_error", "close it with `"),
        (
            "default a := 1\n\ndefault a := 2\n",
            "7:1: multiple default rules data.flyball.a found at rules.rego:5, rules.rego:7",
            "rego_type_error",
            "keep one of them",
        ),
        ('deney contains "x" if input.shadow\n', "5:1: no rule reads `deney`", "rego_compile_error", VAIN),
        (
            "count := 3\n\nok if count == 3\n",
            "5:1: a rule named `count`",
            "rego_compile_error",
            "it hides the builtin of that name: choose another name",
        ),
    ],
)
def test_a_bad_policy_does_not_load(tmp_path: Path, rules: str, what: str, why: str, fix: str) -> None:
    folder = folder_with(tmp_path, rules, "roles: {a: [b]}\n")
    reads = " if not ok" if re.search(r"^ok\b", rules, re.MULTILINE) else ""
    (folder / "answer.rego").write_text(f"{HEAD}answer := {GOOD}{reads}\n")
    with pytest.raises(PolicyError) as refused:
        load(folder)
    assert (refused.value.what, refused.value.why, refused.value.fix) == (f"rules.rego:{what}", why, fix)


def test_every_mistake_is_shown_with_its_line_and_a_caret(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, f"answer := {GOOD} if startwith(input.agent.name, 3)\n\nok if nothing > 3\n\nx := f(1)\n")
    with pytest.raises(PolicyError) as refused:
        load(folder)
    assert refused.value.what.endswith("(and 1 more)")
    assert len(refused.value.shown) == 2
    text, caret = refused.value.shown[1].splitlines()[1:3]
    assert text.lstrip() == "x := f(1)"
    assert caret.index("^") == text.index("f(1)")


def test_the_import_must_be_there(tmp_path: Path) -> None:
    (tmp_path / "a.rego").write_text(f"package flyball\n\nanswer := {GOOD}\n")
    with pytest.raises(PolicyError, match=r"^a\.rego:1:1: `import rego\.v1` is missing$"):
        load(tmp_path)


def test_another_package_does_not_load(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, f"answer := {GOOD}\n")
    (folder / "own.rego").write_text("package flybal\n\nimport rego.v1\n\ndeny := 1\n")
    with pytest.raises(PolicyError, match=r"^own\.rego:1:1: package `flybal`: nothing asks it"):
        load(folder)


def test_the_entrypoint_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"^policies: entrypoint flyball/answer is no rule and no package$"):
        load(folder_with(tmp_path, "ok := true\n"))


@pytest.mark.parametrize("name", ["missing", "empty"])
def test_no_policies_do_not_load(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(PolicyError) as refused:
        load(tmp_path / name)
    assert refused.value.what == f"{tmp_path / name}: no policies"
    assert "without a policy every action is denied" in refused.value.fix


@pytest.mark.parametrize(
    ("data", "what"),
    [
        ("a: [1\n", "2:1: malformed YAML: did not find expected ',' or ']'"),
        ("a: b\na: c\n", "2:1: malformed YAML: the key `a` stands twice"),
        ("a: null\n", "1:1: a value that policies cannot read: None"),
        ("a:\n", "1:1: a value that policies cannot read: None"),
        ("1: a\n", "1:1: a value that policies cannot read: {1: 'a'}"),
        ("a: .nan\n", "1:1: a value that policies cannot read: nan"),
        ("a: 2026-01-01\n", "1:1: a value that policies cannot read: datetime.date(2026, 1, 1)"),
        ("- a\n", "1:1: no tables: the file is no mapping of names to tables"),
        (f"a: &a [1]\nb: [{'*a, ' * 33}]\n", "2:133: malformed YAML: more than 32 aliases"),
    ],
)
def test_bad_tables_do_not_load(tmp_path: Path, data: str, what: str) -> None:
    with pytest.raises(PolicyError) as refused:
        load(folder_with(tmp_path, f"answer := {GOOD}\n", data))
    assert refused.value.what == f"data.yaml:{what}"


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("    from: 2025", "    form: 2025", "/freezes/0: "),
        ("{quorum: 2, factor: totp}", "{quorum: 0, factor: totp}", "/approvals/destructive/quorum: 0 is less than the minimum of 1"),
        ("  attempts: 3", "  atempts: 3", "/limits: "),
        ("normal: red", "normal: rde", "/zones/git.revert/prod/normal: "),
        ("lab: prod", "lab: production", "/environments/lab: "),
        ("Monday", "monday", "/hours/banking/days/0: "),
        ("Europe/Berlin", "Europe/Berln", '/hours/banking/time_zone: "Europe/Berln" is not a "time-zone"'),
        ("Europe/Berlin", "Europe", "/hours/banking/time_zone: "),
        ("Europe/Berlin", "../Berlin", "/hours/banking/time_zone: "),
        ("Europe/Berlin", '""', "/hours/banking/time_zone: "),
    ],
)
def test_a_misspelt_table_does_not_load(copy: Path, old: str, new: str, why: str) -> None:
    data = (copy / "data.yaml").read_text()
    assert old in data
    (copy / "data.yaml").write_text(data.replace(old, new, 1))
    with pytest.raises(PolicyError) as refused:
        load(copy)
    assert refused.value.what.startswith(f"data.yaml:1:1: a table is malformed: {why}")


def test_text_that_is_no_text_does_not_load(tmp_path: Path) -> None:
    (tmp_path / "a.rego").write_bytes(b"package flyball\n\xff\n")
    with pytest.raises(PolicyError, match=r"^a\.rego:2:1: not UTF-8"):
        load(tmp_path)


def test_a_time_in_the_tables_is_unix_seconds(tmp_path: Path) -> None:
    held = read_folder(folder_with(tmp_path, "ok := 1\n", "a: 2026-01-01T00:00:00Z\n"))
    assert held.data == {"a": 1767225600.0}


# Cases


SHIPPED_CASES = read_folder(SHIPPED).cases


def test_the_shipped_cases(make: Make, shipped: Policy) -> None:
    judge = shipped.judge if isinstance(shipped, NativePolicy) else make(compiled(SHIPPED), policy_native.CHANGE).ask

    def ask(question: Any, of: str) -> dict[str, Any]:
        return policy_native.flat(judge(question) if of else shipped.ask(question))

    results = list(cases.run(SHIPPED_CASES, ask))
    assert [(one.name, one.expected, one.got) for one in results if not one.passed] == []
    assert len(results) > 130


def test_a_person_meets_the_same_rules_as_an_agent(shipped: Policy) -> None:
    person = {
        "principal": {"id": "person:emma", "kind": "person", "groups": ["sre", "admin"], "auth": {"amr": ["pwd", "hwk"], "age_s": 1.0}}
    }
    questions: list[Any] = []

    def ask(question: Any, of: str) -> dict[str, Any]:
        questions.append(question)
        return policy_native.flat(shipped.ask(question))

    list(cases.run(SHIPPED_CASES, ask))
    for question in questions:
        assert policy_native.flat(shipped.ask(cases.merge(question, person))) == policy_native.flat(shipped.ask(question))


def test_a_case_that_fails_keeps_the_set_out(copy: Path) -> None:
    data = (copy / "data.yaml").read_text()
    (copy / "data.yaml").write_text(data.replace("attempts: 3", "attempts: 9"))
    with pytest.raises(PolicyError) as refused:
        load(copy)
    assert refused.value.what == "cases/raise.yaml: case `the fourth attempt asks` fails"
    assert refused.value.why == (
        "expected effect ask, reason this is attempt 4 of the same call, rule attempt.many, "
        "got effect allow, reason process.restart on a normal target in lab is yellow, rule zone.yellow"
    )


@pytest.mark.parametrize(
    "case",
    [
        "- name: x\n",
        "- 3\n",
        "- {name: x, like: base, expect: {}}\n",
        "- {name: x, like: base, expect: {efect: deny}}\n",
        "- {name: x, like: nobody, expect: {effect: allow}}\n",
        "- {name: x, like: base, chnge: {}, expect: {effect: allow}}\n",
        "name: x\n",
    ],
)
def test_a_malformed_case_fails(copy: Path, case: str) -> None:
    (copy / "cases" / "zz.yaml").write_text(case)
    with pytest.raises(PolicyError, match=r"^cases/zz\.yaml: case `.*` fails$"):
        load(copy)


def test_every_rule_name_is_expected_by_some_case() -> None:
    text = "".join(path.read_text() for path in SHIPPED.glob("*.rego"))
    named = set(re.findall(r'contains \[\d\d, "([a-z.]+)"', text))
    ranks = set(re.findall(r"contains \[(\d+),", text))
    expected = {
        case["expect"].get("rule")
        for path in SHIPPED.glob("cases/*.yaml")
        if path.name != "base.yaml"
        for case in yaml.safe_load(path.read_text())
    }
    assert len(named) > 25
    assert named - expected == {"zone.missing"}  # a test above: it needs another table
    assert {len(rank) for rank in ranks} == {2}


# Without these the answer is the same by a second way; each has a test of its own above.
HELD_TWICE = {("answer.rego", "default answer"), ("zone.rego", 'red contains [91, "zone.missing"')}


def losses(file: str) -> Iterator[tuple[str, str]]:
    """A shipped file with each of its rules taken out in turn: the rule's first line, what is left."""
    lines = (SHIPPED / file).read_text().splitlines(keepends=True)
    starts = [rule.place.row - 1 for rule in parse_module(file, "".join(lines)).rules]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        if not any(file == name and lines[start].startswith(head) for name, head in HELD_TWICE):
            yield lines[start], "".join(lines[:start] + lines[end:])


@pytest.mark.parametrize("file", sorted(path.name for path in SHIPPED.glob("*.rego")))
def test_the_loss_of_any_rule_is_noticed(copy: Path, file: str) -> None:
    unnoticed = []
    for first, left in losses(file):
        (copy / file).write_text(left)
        try:
            load(copy).close()
        except PolicyError:
            continue
        unnoticed.append(first)
    assert unnoticed == []
    assert list(losses(file))


# Digest and schema


def test_any_byte_changes_the_digest(copy: Path) -> None:
    before = read_folder(copy, b"{}").digest
    files = sorted(path for path in copy.rglob("*") if path.suffix in {".rego", ".yaml"} or path.name == "data.schema.json")
    seen = {before, read_folder(copy, b"{ }").digest}
    for path in files:
        whole = path.read_bytes()
        path.write_bytes(whole + b"\n")
        seen.add(read_folder(copy, b"{}").digest)
        path.write_bytes(whole)
    (copy / "zone.rego").rename(copy / "zones.rego")
    seen.add(read_folder(copy, b"{}").digest)
    (copy / "zones.rego").rename(copy / "zone.rego")
    assert len(seen) == len(files) + 3
    assert read_folder(copy, b"{}").digest == before


def test_a_policy_in_a_folder_below_is_loaded_too(copy: Path) -> None:
    (copy / "more").mkdir()
    rule = 'deny contains [99, "more.deny", "as a test", 0, "none"] if input.call.purpose == "fix"\n'
    (copy / "more" / "own.rego").write_text(HEAD + rule)
    assert NativePolicy(compiled(copy)).ask(BASE).rule == "more.deny"


def test_the_input_schema_is_closed_documented_and_without_null() -> None:
    schema = orjson.loads((SHIPPED / "input.schema.json").read_bytes())
    open_objects: list[str] = []

    def walk(shape: dict[str, Any], where: str) -> None:
        assert shape.get("description"), where
        assert "null" not in str(shape.get("type")), where
        if shape.get("type") == "object" and shape.get("additionalProperties") is not False:
            open_objects.append(where)
        elif shape.get("type") == "object":
            assert sorted(shape["required"]) == sorted(shape["properties"]), where
        for name, held in shape.get("properties", {}).items():
            walk(held, f"{where}.{name}")
        if "items" in shape:
            walk(shape["items"], f"{where}[]")

    walk(schema, "input")
    for name, held in schema["$defs"].items():
        walk(held, name)
    assert open_objects == ["input.call.args", "input.provenance"]
