"""What the pages show as files is accepted by what reads such files: configuration, receivers, runbooks, policies, the verifier."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from docs.page import ROOT, Block, Page, blocks, page, pages
from flyball import compose, config, defaults, kinds
from flyball.backends import policy_native
from flyball.backends.policy_answer import PolicyError
from flyball.backends.store import audit
from flyball.backends.store.sqlite import SqliteStore
from flyball.brains.runbook import check, load
from flyball.faces.cli.serve import RECEIVER
from flyball.model.log import Change, Entry
from flyball.sources.spec import Spec

POLICIES = Path(defaults.__file__).parent / "policies"
MODELS = {"Project": config.Project, "Agent": config.Manifest, "Catalogue": config.Catalogue}
_PATH = re.compile(
    r"(?:core|model|rules|kinds|brains|sources|views|backends|faces|rego|lab|defaults|tests|docs|tools|bench|src|deploy)/[\w./-]*"
)
_FILE = re.compile(r"[\w-]+\.py")
_TEST = re.compile(r"`(tests/[\w/]+\.py)?::(\w+)`")


def parsed() -> list[tuple[Block, Any]]:
    return [(block, yaml.safe_load(block.text)) for block in blocks("yaml")]


def said(block: Block, doc: Any) -> str:
    """Hold a YAML block against its reader; gives what kind of file it was taken for, or "" for none."""
    if isinstance(doc, list):
        return "cases" if all({"name", "like", "expect"} <= set(one) for one in doc) else ""
    if doc.get("apiVersion") == "flyball/v1":
        if doc["kind"] == "Task":
            Spec().read(block.text.encode(), {})
        else:
            MODELS[doc["kind"]].model_validate(doc)
        return str(doc["kind"])
    if "hypotheses" in doc:
        specs = {name: kind.spec for name, kind in compose.scan(kinds, "KIND").items()}
        (runbook,) = load({"shown.yaml": block.text.encode()})
        assert not check(runbook, specs)
        return "runbook"
    if "receivers" in doc:
        wanted = yaml.safe_load(RECEIVER.format(url="http://127.0.0.1:7070", key="k"))["receivers"]
        shown = doc["receivers"]
        shown[0]["webhook_configs"][0]["http_config"]["authorization"]["credentials"] = "k"
        assert shown == wanted
        return "receiver"
    if "zones" in doc:
        return "tables"
    config.Project.model_validate(doc)
    return "part of flyball.yaml"


def test_every_yaml_block_is_what_its_reader_takes() -> None:
    found = {said(block, doc) for block, doc in parsed()}
    assert found == {"Catalogue", "Task", "cases", "part of flyball.yaml", "receiver", "runbook", "tables"}


@pytest.mark.parametrize("text", ["shadwo: true\n", "apiVersion: flyball/v1\nkind: Agent\nname: a\n"])
def test_a_block_that_its_reader_refuses_is_seen(text: str) -> None:
    with pytest.raises(ValueError, match="validation error"):
        said(Block("a.md", "yaml", text), yaml.safe_load(text))


def test_the_policy_that_is_shown_loads_with_its_case_and_tables(tmp_path: Path) -> None:
    shown = page("docs/how-to/policy.md")
    (rule,) = shown.blocks("rego")
    cases = next(block for block in shown.blocks("yaml") if block.text.startswith("- name"))
    tables = next(block for block in shown.blocks("yaml") if block.text.startswith("zones"))
    folder = tmp_path / "policies"
    shutil.copytree(POLICIES, folder)
    (folder / "own.rego").write_text(rule.text)
    (folder / "cases" / "own.yaml").write_text(cases.text)
    policy_native.load(folder).close()
    known = yaml.safe_load((POLICIES / "data.yaml").read_text())["zones"]
    for kind, table in yaml.safe_load(tables.text)["zones"].items():
        assert table.keys() <= known[kind].keys()
    (folder / "own.rego").unlink()
    with pytest.raises(PolicyError):  # without the rule its case does not hold
        policy_native.load(folder)


async def filled(state: Path) -> None:
    store = SqliteStore.open(state, now=lambda: 1_800_000_000.0)
    for number in range(11):
        await store.commit(Change(entries=(Entry(name="signal.received", who="service:a", body={"n": number}),)))
    store.close()


def test_the_verifier_that_is_shown_verifies_an_export(tmp_path: Path) -> None:
    out, script = tmp_path / "log", tmp_path / "verify.py"
    (block,) = page("docs/how-to/verify.md").blocks("python")
    script.write_text(block.text)
    asyncio.run(filled(tmp_path / "state"))
    audit.export(tmp_path / "state", out)
    run = subprocess.run([sys.executable, str(script), str(out)], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    assert "11 entries, as signed" in run.stdout
    (bundle,) = (out / "tile" / "entries" / "000.p").iterdir()
    bundle.write_bytes(bundle.read_bytes().replace(b'"n":7', b'"n":8'))
    assert subprocess.run([sys.executable, str(script), str(out)], capture_output=True, check=False).returncode != 0


def missing_paths(one: Page) -> list[str]:
    """Paths and file names that a page names and that are not there."""
    found = []
    for code in one.code():
        path = code.partition("::")[0]
        if _PATH.fullmatch(path) or _FILE.fullmatch(path):
            places = (ROOT / path, ROOT / "src/flyball" / path, ROOT / "src/flyball/kinds" / path, (ROOT / one.path).parent / path)
            if not any(place.exists() for place in places):
                found.append(f"{one.path}: {code}")
    return found


@pytest.mark.parametrize("one", pages(), ids=lambda one: one.path)
def test_every_path_that_a_page_names_is_there(one: Page) -> None:
    assert not missing_paths(one)


def test_a_path_that_is_not_there_is_seen() -> None:
    assert missing_paths(Page("docs/a.md", "`core/door.py` `core/window.py` `rules/checks/` `http_probe.py` `http_prob.py`")) == [
        "docs/a.md: core/window.py",
        "docs/a.md: http_prob.py",
    ]


def test_the_drawing_of_the_path_names_files_that_are_there() -> None:
    names = re.findall(r">((?:core|rules)/[a-z]+\.py)<", (ROOT / "docs/explanation/path.svg").read_text())
    assert len(names) > 8
    assert not [name for name in names if not (ROOT / "src/flyball" / name).exists()]


def unheld(text: str) -> list[str]:
    """Rows of the table of threats that neither name tests that are there nor say "not yet"."""
    found = []
    for row in text.splitlines():
        cells = [cell.strip() for cell in row.strip("|").split(" | ")]
        if not row.startswith("| ") or len(cells) != 3 or cells[0] == "threat":
            continue
        last = ""
        for path, name in _TEST.findall(cells[2]):
            last = path or last
            place = ROOT / last
            if not place.exists() or not re.search(rf"^(async )?def {name}\(", place.read_text(), re.MULTILINE):
                found.append(f"{cells[0]}: {last}::{name}")
        if not _TEST.search(cells[2]) and cells[2] != "not yet":
            found.append(f"{cells[0]}: names no test")
    return found


def test_every_threat_names_tests_that_are_there_or_says_not_yet() -> None:
    text = page("SECURITY.md").text
    assert text.count("\n| ") > 20
    assert not unheld(text)


def test_a_threat_whose_test_is_gone_is_seen() -> None:
    rows = "| a | b | `tests/docs/test_examples.py::test_of_old` |\n| c | d | trust us |\n| e | f | not yet |\n"
    assert unheld(rows) == ["a: tests/docs/test_examples.py::test_of_old", "c: names no test"]


def test_every_check_is_on_the_picture_of_the_door() -> None:
    from flyball.rules.decide import CHECKS

    assert f"{len(CHECKS)} checks" in (ROOT / "docs/door.svg").read_text()


def test_statuses_on_the_page_are_those_of_the_table() -> None:
    from flyball.rules.lifecycle import MOVES

    rows = re.findall(r"^\| ([a-z]+) \| [^|]* \| ([a-z, ]+) \|$", page("docs/explanation/architecture.md").text, re.MULTILINE)
    shown = {name: tuple(to.split(", ")) for name, to in rows}
    moving = {status.value: {one.value for one in to} for status, to in MOVES.items() if to}
    assert {name: set(to) for name, to in shown.items() if name in moving} == moving
