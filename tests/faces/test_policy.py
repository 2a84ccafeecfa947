"""The commands about policy: what they print, and with which exit code they end."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml

import flyball
from flyball import project
from flyball.backends import bundle, policy_kept, policy_native
from flyball.backends.policy_answer import Questions
from flyball.faces.cli.main import main
from flyball.rego import cases
from planned import bundle as planned
from planned import plan as plan_of

SHIPPED = Path(flyball.__file__).parent / "defaults" / "policies"
BASE: dict[str, Any] = yaml.safe_load((SHIPPED / "cases" / "base.yaml").read_text())["base"]
FINANCE = """package finance

import rego.v1

allow if { input.agent.role == "FinanceAgent"; input.action == "allocate_budget"; input.confidence > 0.85 }
"""
GPU = {
    "address": "aws_instance.train",
    "type": "aws_instance",
    "change": {"actions": ["create"], "before": None, "after": {"instance_type": "p4d.24xlarge", "tags": None}},
}
NODES = {
    "address": "aws_autoscaling_group.web",
    "type": "aws_autoscaling_group",
    "change": {"actions": ["update"], "before": {"desired_capacity": 3}, "after": {"desired_capacity": 9, "instance_type": "m5.large"}},
}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SHIPPED, tmp_path / "policies"))


Ran = tuple[int, str, str]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)

    def run(*argv: str | Path) -> Ran:
        code = main([str(one) for one in argv])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


# check


def test_a_good_folder(run: Any, copy: Path) -> None:
    code, out, _ = run("policy", "check", copy, "-o", "json")
    assert code == 0
    assert json.loads(out)["rules"] > 100


def test_every_mistake_is_shown(run: Any, copy: Path) -> None:
    (copy / "own.rego").write_text(
        "package flyball\n\nimport rego.v1\n\ndeny contains x if startwith(x, 3)\n\nred contains 1 if nothing > 3\n"
    )
    code, out, err = run("policy", "check", copy)
    assert (code, out) == (2, "")
    lines = err.splitlines()
    assert lines[0] == "own.rego:5:20: rego_type_error: undefined function startwith"
    assert lines[1:4] == ["  deny contains x if startwith(x, 3)", "                     ^^^^^^^^^", "  did you mean startswith?"]
    assert lines[-3].startswith("own.rego:5:20: undefined function startwith")


def plan(folder: Path, *changes: Any) -> Path:
    path = folder / "plan.json"
    path.write_text(json.dumps({"format_version": "1.2", "resource_changes": list(changes), "applyable": None}))
    return path


@pytest.mark.parametrize(
    ("changes", "env", "wanted"),
    [
        ([], "prod", (0, "change.fine")),
        ([GPU], "dev", (5, "gpu.environment")),
        ([GPU], "prod", (6, "gpu.ask")),
        ([GPU], "unknown", (5, "gpu.environment")),
        ([NODES], "dev", (6, "scale.jump")),
    ],
)
def test_a_plan_of_terraform(run: Any, tmp_path: Path, changes: list[Any], env: str, wanted: tuple[int, str]) -> None:
    code, rule = wanted
    ended, out, err = run("policy", "check", "--input-format", "terraform", plan(tmp_path, *changes), "--env", env)
    assert ended == code
    assert out.split("\t")[2] == rule
    assert (code == 0) == (err == "")


def test_the_predicted_cost_is_shown(run: Any, tmp_path: Path) -> None:
    code, _, err = run("policy", "check", "--input-format", "terraform", plan(tmp_path, NODES), "--env", "dev")
    assert code == 6
    assert err.splitlines() == [
        f"{tmp_path / 'plan.json'}: scale.jump",
        "why: aws_autoscaling_group.web goes from 3 to 9 nodes: predicted cost 0.58 USD an hour more",
        "next: 1 of sre may approve it",
    ]


BALANCER = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {type: LoadBalancer}\n"


@pytest.mark.parametrize("kinds", [("List",), ("ServiceList",), ("List", "List")])
def test_what_a_list_holds_is_judged(run: Any, tmp_path: Path, kinds: tuple[str, ...]) -> None:
    doc: Any = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"type": "LoadBalancer"}}
    for kind in kinds:
        doc = {"apiVersion": "v1", "kind": kind, "items": [doc]}
    (tmp_path / "list.json").write_text(json.dumps(doc))
    code, out, _ = run("policy", "check", "--input-format", "json", tmp_path / "list.json", "--env", "dev")
    assert (code, out.split("\t")[2]) == (6, "ingress.balancer")


@pytest.mark.parametrize(("other", "wanted"), [("a: 1\n", 2), ("", 6), ("# nothing\n", 6)])
def test_another_document_hides_no_object(run: Any, tmp_path: Path, other: str, wanted: int) -> None:
    (tmp_path / "two.yaml").write_text(f"{BALANCER}---\n{other}")
    code, _, err = run("policy", "check", "--input-format", "yaml", tmp_path / "two.yaml", "--env", "dev")
    assert code == wanted
    assert ("two.yaml is mixed" in err) == (wanted == 2)


def test_a_state_is_no_plan(run: Any, tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text(json.dumps({"format_version": "1.0", "values": {"root_module": {}}}))
    code, _, err = run("policy", "check", "--input-format", "terraform", tmp_path / "state.json")
    assert (code, "it is a state" in err) == (2, True)


def test_files_of_yaml(run: Any, tmp_path: Path) -> None:
    (tmp_path / "open.yaml").write_text(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: web, creationTimestamp: null}\n"
        "spec: {ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0}}]}]}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
    )
    (tmp_path / "index.yaml").write_text("index: {name: help, region: us-east-1, datasets: [tickets-eu]}\nmade: 2026-01-01\n")
    (tmp_path / "fine.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n")
    code, out, err = run(
        "policy", "check", "--input-format", "yaml", *(tmp_path / name for name in ("fine.yaml", "index.yaml", "open.yaml"))
    )
    assert code == 5
    assert [line.split("\t")[:3:2] for line in out.splitlines()] == [
        ["allow", "change.fine"],
        ["deny", "retrieval.region"],
        ["deny", "ingress.open"],
    ]
    assert err.startswith(f"{tmp_path / 'index.yaml'}: retrieval.region\n")


@pytest.mark.parametrize(
    ("form", "text", "what"),
    [
        ("terraform", "{}", "is no plan"),
        ("terraform", '{"format_version": "1.2", "resource_changes": {}}', "is no plan"),
        ("terraform", "resource {", "is no JSON"),
        ("json", "[1", "is no JSON"),
        ("yaml", "a: [1\n", ":2:1: malformed YAML"),
        ("yaml", "a: 1\na: 2\n", ":2:1: malformed YAML: the key `a` stands twice"),
        ("yaml", "a: &a [*a]\n", ": nested too deeply"),
        ("yaml", f"a: &a [1]\nb: [{'*a, ' * 40}]\n", "more than 32 aliases"),
    ],
)
def test_a_file_that_cannot_be_read(run: Any, tmp_path: Path, form: str, text: str, what: str) -> None:
    (tmp_path / "x").write_text(text)
    code, out, err = run("policy", "check", "--input-format", form, tmp_path / "x")
    assert (code, out) == (2, "")
    assert what in err.splitlines()[0]


def test_the_policies_of_the_project_judge_its_files(run: Any, tmp_path: Path) -> None:
    project.write(tmp_path / "p")
    data = tmp_path / "p" / "policies" / "data.yaml"
    data.write_text(data.read_text().replace("production: [prod,", "production: [dev, prod,"))
    path = plan(tmp_path, GPU)
    assert run("policy", "check", "--project", tmp_path / "p", "--input-format", "terraform", path, "--env", "dev")[0] == 6
    assert run("policy", "check", "--with", SHIPPED, "--input-format", "terraform", path, "--env", "dev")[0] == 5


# test


def test_cases_and_rules_are_run(run: Any, copy: Path, tmp_path: Path) -> None:
    (copy / "own_test.rego").write_text(
        "package flyball_test\n\nimport rego.v1\n\nimport data.flyball\n\n"
        'test_it_works if flyball.undoing with input.call.purpose as "undo"\n\n'
        'test_it_fails if {\n\tprint("seen", 3)\n\tflyball.undoing with input.call.purpose as "fix"\n}\n\n'
        "todo_test_later if false\n"
    )
    code, out, err = run("policy", "test", copy, "--junit", tmp_path / "out.xml")
    assert code == 2
    found = {line.split("\t")[2]: line.split("\t")[0] for line in out.splitlines()}
    assert found["flyball_test.test_it_works"] == "ok"
    assert found["flyball_test.test_it_fails"] == "FAIL"
    assert found["flyball_test.todo_test_later"] == "skip"
    assert found["a killed service is restarted and reviewed"] == "ok"
    assert "own_test.rego:9: flyball_test.test_it_fails: it is undefined\n  seen 3\n" in err
    suite = ET.fromstring((tmp_path / "out.xml").read_text())  # noqa: S314 - written above
    assert (suite.get("failures"), suite.get("skipped"), int(suite.get("tests", 0))) == ("1", "1", len(found))
    assert suite.findall(".//failure")[0].text == "it is undefined\nseen 3"


def test_a_case_that_fails_is_told(run: Any, copy: Path) -> None:
    (copy / "data.yaml").write_text((copy / "data.yaml").read_text().replace("attempts: 3", "attempts: 9"))
    code, out, err = run("policy", "test", copy, "-o", "json")
    assert code == 2
    bad = [one for one in json.loads(out) if not one["passed"]]
    assert [one["name"] for one in bad] == ["the fourth attempt asks"]
    assert err.splitlines()[-3] == f"1 of {len(json.loads(out))} tests fail"


# eval


@pytest.mark.parametrize(
    ("given", "code", "out"),
    [
        ({"agent": {"role": "FinanceAgent"}, "action": "allocate_budget", "confidence": 0.86}, 0, "true\n"),
        ({"agent": {"role": "FinanceAgent"}, "action": "allocate_budget", "confidence": 0.85}, 3, ""),
        ({"agent": {"role": "Financeagent"}, "action": "allocate_budget", "confidence": 0.86}, 3, ""),
        ({"action": "allocate_budget", "confidence": 0.86}, 3, ""),
    ],
)
def test_a_rule_of_a_users_own(run: Any, tmp_path: Path, given: Any, code: int, out: str) -> None:
    (tmp_path / "finance.rego").write_text(FINANCE)
    (tmp_path / "input.json").write_text(json.dumps(given))
    ended = run("policy", "eval", "data.finance.allow", "--with", tmp_path / "finance.rego", "--input", tmp_path / "input.json")
    assert ended[:2] == (code, out)


def test_a_query_gives_its_variables(run: Any, tmp_path: Path) -> None:
    (tmp_path / "roles.yaml").write_text("roles: {a: [x, y]}\n")
    code, out, _ = run("policy", "eval", "some x in data.roles.a", "--with", tmp_path / "roles.yaml")
    assert code == 0
    assert sorted(one["x"] for one in json.loads(out)) == ["x", "y"]


def test_a_query_with_a_mistake_is_shown(run: Any) -> None:
    code, _, err = run("policy", "eval", "startwith(1)")
    assert code == 2
    assert "undefined function startwith" in err


def test_a_bundle_that_holds_a_plan_is_asked_for_its_entrypoints(run: Any, tmp_path: Path) -> None:
    (tmp_path / "own.tar.gz").write_bytes(planned(plan_of("own/answer", {"why": "data.own.why"}), {"own": {"why": "said"}}))
    assert run("policy", "eval", "data.own.answer", "--with", tmp_path / "own.tar.gz")[:2] == (0, '{\n  "why": "said"\n}\n')
    (tmp_path / "more.yaml").write_text("own: {why: other}\n")
    assert '"other"' in run("policy", "eval", "data.own.answer", "--with", tmp_path / "own.tar.gz", "--with", tmp_path / "more.yaml")[1]
    code, _, err = run("policy", "eval", "data.own.other", "--with", tmp_path / "own.tar.gz")
    assert (code, err.splitlines()[:2]) == (3, ["the plan has no entrypoint data.own.other", "why: it has data.own.answer"])
    (tmp_path / "bad.tar.gz").write_bytes(b"plain")
    assert run("policy", "eval", "data.own.answer", "--with", tmp_path / "bad.tar.gz")[0] == 2


def test_a_file_that_is_no_bundle_is_told_how_to_be_judged(run: Any, tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text("{}")
    code, _, err = run("policy", "check", plan)
    assert code == 2
    assert err.splitlines() == [
        f"{plan} holds no policies",
        "why: policies are a folder or a bundle (.tar.gz); any other file is judged by them",
        "next: add --input-format terraform, yaml or json",
    ]


def test_a_bundle_is_checked_as_the_server_would_load_it(run: Any, tmp_path: Path) -> None:
    held = policy_native.read(SHIPPED)
    (tmp_path / "source.tar.gz").write_bytes(bundle.make(bundle.Bundle(held.modules, held.data, "r", ("flyball",))))
    code, out, _ = run("policy", "check", tmp_path / "source.tar.gz")
    assert (code, out.split("\t")[0]) == (0, "ok")
    (tmp_path / "plan.tar.gz").write_bytes(planned(plan_of("flyball/answer", {"effect": "allow"}), {}))
    assert run("policy", "check", tmp_path / "plan.tar.gz")[0] == 0
    (tmp_path / "other.tar.gz").write_bytes(planned(plan_of("own/answer", True), {}))
    code, _, err = run("policy", "check", tmp_path / "other.tar.gz")
    assert (code, err.splitlines()[0]) == (2, "the plan has no entrypoint flyball/answer")


# explain, coverage, bench


def test_why_a_rule_fired_and_why_one_did_not(run: Any, copy: Path, tmp_path: Path) -> None:
    question = tmp_path / "question.json"
    question.write_text(json.dumps(cases.merge(BASE, {"pace": {"last_10m": 99}})))
    code, out, _ = run("policy", "explain", copy, "--input", question, "--rule", "slow_enough")
    assert code == 0
    rule, at, came, because = out.splitlines()[0].split("\t")
    assert (rule, at.split(":")[0], came) == ("flyball.slow_enough", "zone.rego", "not")
    assert "99, 20" in because
    assert '"rule": "pace.fast"' in out.splitlines()[-1]
    fired = run("policy", "explain", copy, "--rule", "slow_enough")[1]
    assert fired.splitlines()[0].split("\t")[2] == "fired"


def test_a_record_replays(run: Any, copy: Path) -> None:
    first = json.loads(run("policy", "explain", copy, "-o", "json")[1])
    assert first == json.loads(run("policy", "explain", copy, "-o", "json")[1])
    assert first["result"]["rule"] == "zone.yellow"


def test_a_question_that_is_none(run: Any, copy: Path, tmp_path: Path) -> None:
    (tmp_path / "q.json").write_text("{}")
    assert run("policy", "explain", copy, "--input", tmp_path / "q.json")[0] == 2


def test_lines_that_no_test_reaches(run: Any, copy: Path) -> None:
    assert run("policy", "coverage", copy, "--least", "100")[0] == 0
    (copy / "own.rego").write_text(
        "package flyball\n\nimport rego.v1\n\n"
        'deny contains [59, "own.never", "never", 0, "none"] if {\n\tinput.now < 3\n\tinput.shadow\n}\n'
    )
    code, out, err = run("policy", "coverage", copy, "--least", "100")
    assert code == 2
    assert next(line for line in out.splitlines() if line.startswith("own.rego")).split("\t")[3] == "5, 7"
    assert "at least 100 % are wanted" in err


def test_the_time_of_a_decision(run: Any, copy: Path) -> None:
    code, out, _ = run("policy", "bench", copy, "-n", "20", "-o", "json")
    doc = json.loads(out)
    assert (code, doc["answer"], doc["times"]) == (0, "allow", 20)
    assert 0 < doc["p50_ms"] <= doc["p99_ms"]


# simulate


def test_decisions_are_asked_again_under_other_policies(run: Any, copy: Path, tmp_path: Path) -> None:
    project.write(tmp_path / "p")
    policy = policy_native.load(SHIPPED)
    from flyball.backends.clock import SystemClock

    now = SystemClock().now()
    policy.kept = policy_kept.Kept(tmp_path / "p" / "state" / "decisions")
    for ago, change in [(86_400.0 * 40, {}), (60.0, {}), (30.0, {"call": {"attempt": 3}}), (20.0, {"agent": {"role": "observe"}})]:
        policy.ask(cases.merge(BASE, {"now": now - ago, **change}))
    policy.close()
    same = run("policy", "simulate", "--project", tmp_path / "p", "--with", copy, "-o", "json")
    assert json.loads(same[1]) == {"asked": 3, "changed": 0, "counts": {}, "changes": []}
    data = copy / "data.yaml"
    data.write_text(data.read_text().replace("attempts: 3", "attempts: 2").replace("  observe:\n", "  observe:\n    - process.restart\n"))
    code, out, err = run("policy", "simulate", "--project", tmp_path / "p", "--with", copy, "--since", "1h", "-o", "json")
    doc = json.loads(out)
    assert code == 0
    assert doc["counts"] == {"allow -> hold": 1, "deny -> allow": 1}
    assert [(one["session"], one["rule"]) for one in doc["changes"]] == [
        ("s-00000001", "zone.yellow -> attempt.many"),
        ("s-00000001", "role.kind -> zone.yellow"),
    ]
    assert err == "3 decisions asked again, 2 change: 1 allow -> hold, 1 deny -> allow\n"
    kept = run("policy", "explain", copy, "--project", tmp_path / "p", "--decision", "s-00000001")
    assert kept[0] == 0
    assert run("policy", "explain", copy, "--project", tmp_path / "p", "--decision", "nobody")[0] == 3


def test_a_kept_question_is_whole() -> None:
    asked = Questions().check(BASE)
    assert isinstance(asked, tuple)
    assert json.loads(asked.raw) == BASE
