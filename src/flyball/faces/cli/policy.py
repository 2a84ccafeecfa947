"""The commands about policy: check, test, eval, explain, coverage, simulate, bench, reload. All but the last need no server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flyball.errors import BadInput, Denied, UserError, Waits
from flyball.faces.cli import reason, show
from flyball.faces.cli.check import folder_, folder_of
from flyball.faces.cli.desk import Desk, pass_desk
from flyball.faces.cli.lazy import Nouns
from flyball.faces.cli.reason import json_file, loaded

if TYPE_CHECKING:
    from flyball.backends.policy_native import Loaded
    from flyball.model.policy import PolicyAnswer
    from flyball.rego.folder import Folder

with_ = click.option("--with", "folder", type=click.Path(path_type=Path), metavar="DIR", help="The policies; else the project's.")


@click.group(cls=Nouns)
def policy() -> None:
    """Check, test, explain and replay policies."""


def _place(desk: Desk, folder: Path | None) -> Path:
    """Give the folder that was named, the project's, or outside of a project the one that is shipped."""
    if folder is None and not (desk.project / "flyball.yaml").is_file():
        from importlib.resources import files

        return Path(str(files("flyball.defaults").joinpath("policies")))
    return folder_of(desk, folder, "policies")


# ---- check


@policy.command("check")
@click.argument("paths", type=click.Path(path_type=Path), nargs=-1, metavar="[PATH]...")
@click.option("--input-format", "form", type=click.Choice(("terraform", "yaml", "json")), help="Judge files instead: - is standard input.")
@with_
@click.option("--env", default="unknown", show_default=True, help="With --input-format: the environment of the change.")
@click.option("--region", default="", help="With --input-format: its region.")
@pass_desk
def policy_check(desk: Desk, paths: tuple[Path, ...], form: str | None, folder: Path | None, env: str, region: str) -> None:
    """Load policies as the server would, or judge files by their rules about changes.

    Without --input-format PATH is a folder of policies (source, gate, tables, cases) or a bundle that OPA made. With it each PATH is a
    file, such as what `terraform show -json` prints; the exit code is 5 where one is denied, else 6 where one needs a person.
    """
    if form is None:
        if len(paths) > 1:
            raise BadInput("one folder is checked at a time", f"{len(paths)} were named", "name one, or say --input-format to judge files")
        named = paths[0] if paths else folder
        place = named if named is not None and named.is_file() else folder_of(desk, named, "policies")
        if place.is_file() and not place.name.endswith(".tar.gz"):
            why = "policies are a folder or a bundle (.tar.gz); any other file is judged by them"
            raise BadInput(f"{place} holds no policies", why, "add --input-format terraform, yaml or json")
        policies = loaded(place, cases=True)
        doc = {"folder": str(place), "rules": policies.count, "digest": policies.folder.digest}
        if not show.dumped(desk, doc):
            click.echo(f"ok\t{doc['rules']} rules\t{doc['digest']}")
        return
    if not paths:
        raise BadInput("no file to judge", "--input-format judges files", "name one, or - for standard input")
    _judge(desk, paths, form, _place(desk, folder), (env, region))


def _judge(desk: Desk, paths: Iterable[Path], form: str, place: Path, where: tuple[str, str]) -> None:
    from flyball.backends.policy_native import NativePolicy
    from flyball.faces.cli import change

    judge = NativePolicy(loaded(place, cases=False))
    answers = [(path, judge.judge(change.read(path, form, change.Where(env=where[0], region=where[1])))) for path in paths]
    rows = [{"effect": one.effect, "file": str(path), "rule": one.rule, "reason": one.reason} for path, one in answers]
    show.table(desk, [("", "effect"), ("file", "file"), ("rule", "rule"), ("why", "reason")], rows)
    for effect, cls in (("deny", Denied), ("ask", Waits)):
        _stop(effect, cls, answers)


def _stop(effect: str, cls: type[UserError], answers: list[tuple[Path, PolicyAnswer]]) -> None:
    first = next(((path, one) for path, one in answers if one.effect == effect), None)
    if first is not None:
        path, one = first
        people = (
            f"{one.quorum} of {one.group} may approve it" if effect == "ask" else "change the file, or the policy in a change of its own"
        )
        raise cls(f"{path}: {one.rule}", one.reason, people)


# ---- test


@policy.command("test")
@folder_
@click.option("--junit", type=click.Path(path_type=Path), metavar="FILE", help="Write the results as JUnit XML too.")
@pass_desk
def policy_test(desk: Desk, folder: Path | None, junit: Path | None) -> None:
    """Run the cases and the `test_*` rules of policies and list them; what a failing test prints is shown."""
    policies = loaded(folder_of(desk, folder, "policies"), cases=False)
    rows = [*_case_rows(policies), *_rule_rows(policies.folder)]
    columns: list[show.Column] = [
        ("", lambda row: {True: "ok", None: "skip"}.get(row["passed"], "FAIL")),
        ("file", "file"),
        ("test", "name"),
    ]
    show.table(desk, columns, rows, "no tests")
    bad = [row for row in rows if row["passed"] is False]
    for row in bad:
        show.say(show.plain(f"{row['file']}: {row['name']}: {row['why']}"))
        for line in row["printed"]:
            show.say(show.plain(f"  {line}"))
    if junit is not None:
        junit.write_text(_junit(rows))
    show.say(f"{len(rows)} tests, {len(bad)} failed")
    if bad:
        raise BadInput(f"{len(bad)} of {len(rows)} tests fail", f"{bad[0]['name']}: {bad[0]['why']}", "correct the policy, or the test")


def _case_rows(policies: Loaded) -> list[dict[str, Any]]:
    from flyball.backends import policy_native

    rows = []
    for one in policy_native.run_cases(policies):
        why = "" if one.passed else f"expected {dict(one.expected)}, got {dict(one.got)}"
        rows.append({"file": one.file, "name": one.name, "passed": one.passed, "why": why, "printed": [], "took_s": 0.0})
    return rows


def _rule_rows(held: Folder) -> list[dict[str, Any]]:
    from flyball.backends import policy_study

    return [
        {
            "file": f"{one.place.file}:{one.place.row}",
            "name": one.name.replace("/", "."),
            "passed": None if one.skipped else one.passed,
            "why": one.why,
            "printed": list(one.printed),
            "took_s": one.took_s,
        }
        for one in policy_study.rule_results(held)
    ]


def _junit(rows: Iterable[Mapping[str, Any]]) -> str:
    """The results as the XML that CI systems read."""
    from xml.sax.saxutils import escape, quoteattr

    lines, failed, skipped = [], 0, 0
    for row in rows:
        head = f'  <testcase classname={quoteattr(row["file"])} name={quoteattr(row["name"])} time="{row["took_s"]:.6f}"'
        if row["passed"] is False:
            failed += 1
            said = escape("\n".join([row["why"], *row["printed"]]))
            lines.append(f"{head}><failure message={quoteattr(row['why'])}>{said}</failure></testcase>")
        else:
            skipped += row["passed"] is None
            lines.append(f"{head}/>" if row["passed"] else f"{head}><skipped/></testcase>")
    begin = f'<testsuite name="policy" tests="{len(lines)}" failures="{failed}" skipped="{skipped}">'
    return "\n".join(['<?xml version="1.0" encoding="utf-8"?>', begin, *lines, "</testsuite>", ""])


# ---- simulate, bench, reload


@policy.command("simulate")
@click.option("--with", "folder", required=True, type=click.Path(path_type=Path), metavar="DIR", help="The policies of tomorrow.")
@click.option("--since", default="30d", show_default=True, metavar="TIME", help="How far back: 12h, 30d.")
@pass_desk
def policy_simulate(desk: Desk, folder: Path, since: str) -> None:
    """Ask the decisions that the server has kept again, under other policies, and list what would change."""
    from collections import Counter

    from flyball.backends import policy_kept
    from flyball.backends.clock import SystemClock
    from flyball.backends.policy_answer import ENTRYPOINT
    from flyball.backends.policy_native import NativePolicy

    back = show.seconds(since)
    tomorrow = NativePolicy(loaded(folder_of(desk, folder, "policies"), cases=False))
    kept = policy_kept.read(desk.state / "decisions", SystemClock().now() - back)
    asked = [one for one in kept if str(one.get("path")).strip("/") == ENTRYPOINT]
    rows = [row for one in asked if (row := _changed(one, tomorrow.ask(one["input"])))]
    counts = Counter(f"{row['was']} -> {row['becomes']}" for row in rows)
    doc = {"asked": len(asked), "changed": len(rows), "counts": dict(sorted(counts.items())), "changes": rows}
    if not show.dumped(desk, doc):
        columns: list[show.Column] = [(name, name) for name in ("was", "becomes", "agent", "kind", "target", "session", "rule", "why")]
        show.table(desk, columns, rows, "nothing changes")
    show.say(
        f"{len(asked)} decisions asked again, {len(rows)} change: {', '.join(f'{many} {how}' for how, many in sorted(counts.items()))}"
    )


def _changed(event: Mapping[str, Any], answer: PolicyAnswer) -> dict[str, Any] | None:
    """What is different about a decision, or None. `hold` is how the door calls an `ask`."""
    was, question = event["result"], event["input"]
    words = {"ask": "hold"}
    if (was.get("effect"), was.get("zone"), was.get("rule")) == (answer.effect, answer.zone, answer.rule):
        return None
    return {
        "was": words.get(was.get("effect"), was.get("effect")),
        "becomes": words.get(answer.effect, answer.effect),
        "zone": f"{was.get('zone')} -> {answer.zone}",
        "agent": question["agent"]["name"],
        "kind": question["kind"]["name"],
        "target": question["target"]["name"],
        "session": question["session"]["id"],
        "digest": question["call"]["digest"],
        "at": question["now"],
        "rule": f"{was.get('rule')} -> {answer.rule}",
        "why": answer.reason,
    }


@policy.command("bench")
@folder_
@click.option("-n", "times", default=2000, show_default=True, type=click.IntRange(10, 1_000_000), help="How many decisions.")
@click.option("--input", "file", type=click.Path(path_type=Path), metavar="FILE", help="The question, as JSON; else the base of the cases.")
@pass_desk
def policy_bench(desk: Desk, folder: Path | None, times: int, file: Path | None) -> None:
    """Measure the CPU time of one decision, from the question to the checked answer."""
    from time import thread_time_ns

    from flyball.backends.policy_native import NativePolicy

    policies = loaded(folder_of(desk, folder, "policies"), cases=False)
    asks = NativePolicy(policies)
    question = json_file(file) if file else policies.folder.cases.get("cases/base.yaml", {}).get("base", {})
    took = []
    for _ in range(times):
        began = thread_time_ns()
        answer = asks.ask(question)
        took.append((thread_time_ns() - began) / 1e6)
    took.sort()
    doc = {
        "answer": answer.effect,
        "rule": answer.rule,
        "times": times,
        "p50_ms": round(took[len(took) // 2], 4),
        "p99_ms": round(took[len(took) * 99 // 100], 4),
        "per_cpu_s": round(1000 * len(took) / sum(took)),
    }
    show.fields(desk, doc, [(name, name) for name in doc])


@policy.command("reload")
@pass_desk
def policy_reload(desk: Desk) -> None:
    """Let the running server load its policies again. A set that fails the gate is refused, and the one that runs stays."""
    doc = desk.api.post("/v1/policy/reload")
    if not show.dumped(desk, doc):
        click.echo(f"{'loaded' if doc['changed'] else 'unchanged'}\t{doc['rules']} rules\t{doc['digest']}")


for _command in (reason.evaluate, reason.explain, reason.coverage):
    policy.add_command(_command)
