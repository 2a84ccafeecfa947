"""`# METADATA` blocks: what they hold, which rule or package they speak of, and what is wrong with them, at its place."""

import gzip
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flyball.rego.error import Refused
from flyball.rego.front import parse_module
from flyball.rego.metadata import metadata_chain, own_metadata, redeclared
from flyball.rego.tree import Annotation, Module

WHERE = Path("shared", "conformance", "rego", "cases.jsonl.gz")


def module(text: str, file: str = "a.rego") -> Module:
    return parse_module(file, text)


def fields(yaml: str) -> dict[str, Any]:
    block = "".join(f"# {row}\n" for row in yaml.splitlines())
    [rule] = module(f"package a\n# METADATA\n{block}p := 1").rules
    return dict(rule.metadata)


def test_the_suite_agrees_on_chains_and_rules() -> None:
    archive = next((up / WHERE for up in Path(__file__).resolve().parents if (up / WHERE).is_file()), None)
    if archive is None:
        pytest.skip(f"no {WHERE} beside the repository")
    count = 0
    with gzip.open(archive, "rt") as lines:
        for case in map(json.loads, lines):
            if not case["category"].startswith("regometadata"):
                continue
            modules = [module(text, f"{number}.rego") for number, text in enumerate(case["modules"])]
            rule = modules[-1].rules[-1]
            found = metadata_chain(rule, modules[-1], modules) if case["category"] == "regometadatachain" else own_metadata(rule)
            assert [{"x": found}] == case["want_result"], case["note"]
            count += 1
    assert count == 4


@pytest.mark.parametrize(
    ("yaml", "held"),
    [
        ("title: A", {"title": "A"}),
        ("title: 5", {"title": "5"}),
        ("description: |\n  one\n  two", {"description": "one\ntwo\n"}),
        ("title:\nunknown: x", {}),
        ("organizations: [a, b]", {"organizations": ["a", "b"]}),
        (
            "authors:\n- A B <a@b>\n- <c@d>\n- E\n- name: F\n- {name: G, email: g@h}",
            {
                "authors": [
                    {"name": "A B", "email": "a@b"},
                    {"email": "c@d"},
                    {"name": "E"},
                    {"name": "F"},
                    {"name": "G", "email": "g@h"},
                ]
            },
        ),
        (
            "related_resources:\n- https://a\n- {ref: b, description: c}",
            {"related_resources": [{"ref": "https://a"}, {"ref": "b", "description": "c"}]},
        ),
        (
            "schemas:\n- input: schema\n- input.x: schema.y.z\n- data.a: {type: string}",
            {
                "schemas": [
                    {"path": ["input"], "schema": ["schema"]},
                    {"path": ["input", "x"], "schema": ["schema", "y", "z"]},
                    {"path": ["data", "a"], "definition": {"type": "string"}},
                ]
            },
        ),
        (
            "custom: {a: [1, -2, 0x1f, 010, 1_000, 1.5, 1e3, .5], b: {c: true, d: null, e: ~, f: no, g: 'true'}, h: 2020-01-02,i: !!str 5}",
            {
                "custom": {
                    "a": [1, -2, 31, 8, 1000, 1.5, 1000.0, 0.5],
                    "b": {"c": True, "d": None, "e": None, "f": "no", "g": "true"},
                    "h": "2020-01-02T00:00:00Z",
                    "i": "5",
                }
            },
        ),
    ],
)
def test_fields_are_what_opa_makes_of_them(yaml: str, held: dict[str, Any]) -> None:
    assert fields(yaml) == {"scope": "rule", **held}


def test_a_block_belongs_to_the_statement_that_follows() -> None:
    text = (
        "# METADATA\n# scope: subpackages\n# title: around\n\n# METADATA\n# title: head\npackage a.b\n\n"
        "# METADATA\n# scope: document\n# title: document\n\n# METADATA\n# title: far\n\n# METADATA\n#title: near\n\np := 1\n\n"
        "p := 1\n\n# METADATA\n# entrypoint: true\nq := 2\n"
    )
    found = module(text)
    assert [(one.scope, one.fields["title"], one.place.row) for one in found.annotations] == [
        ("subpackages", "around", 1),
        ("package", "head", 5),
    ]
    first, second, third = found.rules
    assert [(one.scope, one.fields["title"]) for one in first.annotations] == [("rule", "near"), ("rule", "far"), ("document", "document")]
    assert first.metadata["title"] == "near"
    assert second.annotations == ()
    assert second.metadata == {}
    assert third.annotations == (Annotation("document", {"entrypoint": True, "scope": "document"}),)
    titles = [entry.get("annotations", {}).get("title") for entry in metadata_chain(second, found, [found])]
    assert titles == [None, "document", "head", "around"]


def test_a_chain_ends_at_the_packages_around() -> None:
    around = module("# METADATA\n# scope: subpackages\n# title: a\npackage a", "around.rego")
    aside = module("# METADATA\n# title: aside\npackage a", "aside.rego")
    inner = module("package a.b\np.q[x].r := 1 if { x = 1 }", "inner.rego")
    chain = metadata_chain(inner.rules[0], inner, [aside, around, inner])
    assert chain == [{"path": ["a", "b", "p", "q"]}, {"path": ["a"], "annotations": {"scope": "subpackages", "title": "a"}}]


def test_the_same_document_or_package_annotated_twice_is_found() -> None:
    one = module("# METADATA\n# title: one\npackage a\n# METADATA\n# scope: document\np := 1\n", "one.rego")
    two = module("# METADATA\n# title: two\npackage a\n# METADATA\n# scope: document\np := 1\n# METADATA\n# title: x\nq := 1", "two.rego")
    assert redeclared([one]) == []
    found = [(one.place.file, one.place.row, one.code, one.what) for one in redeclared([one, two])]
    assert found == [
        ("two.rego", 1, "rego_type_error", "package annotation redeclared: one.rego:1"),
        ("two.rego", 4, "rego_type_error", "document annotation redeclared: one.rego:4"),
    ]


WRONG = {
    "# METADATA\np := 1": (2, 1, "expected METADATA block, found whitespace"),
    "# METADATA\n# title: [x\np := 1": (3, 3, "METADATA: did not find expected ',' or ']'"),
    "# METADATA\n#title: 'x\np := 1": (3, 2, "METADATA: found unexpected end of stream"),
    "# METADATA\n# - a\np := 1": (3, 3, "METADATA: expected fields, as in title: My rule"),
    "# METADATA\n# title: *x\np := 1": (3, 10, "METADATA: anchors and aliases are not read here"),
    "# METADATA\n# custom: &a {b: *a}\np := 1": (3, 11, "METADATA: anchors and aliases are not read here"),
    "# METADATA\n# title: !x 5\np := 1": (3, 10, "METADATA: tags are not read here"),
    "# METADATA\n# title: a\n# title: b\np := 1": (4, 3, "METADATA: key 'title' is given twice"),
    "# METADATA\n# 5: a\np := 1": (3, 3, "METADATA: a key that is no string"),
    "# METADATA\n# title: [a]\np := 1": (3, 10, "METADATA: expected a string"),
    "# METADATA\n# entrypoint: 'yes'\np := 1": (3, 15, "METADATA: expected true or false"),
    "# METADATA\n# authors: a\np := 1": (3, 12, "METADATA: expected a list"),
    "# METADATA\n# custom: a\np := 1": (3, 11, "METADATA: expected fields"),
    "# METADATA\n# authors:\n#  - {age: 5}\np := 1": (4, 6, "METADATA: an author has name or email"),
    "# METADATA\n# authors: ['']\np := 1": (3, 13, "METADATA: an author is an empty string"),
    "# METADATA\n# related_resources: [{description: x}]\np := 1": (3, 23, "METADATA: a related resource has a ref, its address"),
    "# METADATA\n# schemas: [{a: schema.x}]\np := 1": (3, 13, "METADATA: invalid document reference 'a', begin with input or data"),
    "# METADATA\n# schemas: [{input: foo}]\np := 1": (3, 21, "METADATA: invalid schema reference, begin with schema."),
    "# METADATA\n# schemas: [{input.: schema}]\np := 1": (3, 13, "METADATA: invalid document reference 'input.', begin with input or data"),
    "# METADATA\n# schemas: [{}]\np := 1": (3, 13, "METADATA: a schema is one pair of path and schema"),
    "# METADATA\n# --- a\n# --- b\np := 1": (4, 7, "METADATA: expected one document"),
    "# METADATA\n# scope: rules\np := 1": (2, 1, "invalid annotation scope 'rules'"),
    "# METADATA\n# scope: package\np := 1": (2, 1, "annotation scope 'package' must be applied to package (have rule)"),
    "# METADATA\n# title: x\nimport data.b": (2, 1, "annotation scope 'rule' must be applied to rule (have import)"),
    "p := 1\n# METADATA\n# title: x": (3, 1, "annotation scope 'rule' must be applied to rule (have nothing)"),
    "# METADATA\n# scope: rule\n# entrypoint: true\np := 1": (
        2,
        1,
        "annotation entrypoint applied to non-document or package scope 'rule'",
    ),
    "# METADATA\n# custom: " + "[" * 60 + "\np := 1": (3, 59, "METADATA: nested deeper than 50 levels"),
    "# METADATA\n# title: a\u0080b\np := 1": (3, 3, "METADATA: a character that YAML does not know"),
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_is_told_at_its_place(text: str) -> None:
    with pytest.raises(Refused) as caught:
        module(f"package a\n{text}\n")
    [one] = caught.value.mistakes
    assert (one.place.row, one.place.col, one.what) == WRONG[text]


@given(st.text(alphabet=st.sampled_from("ab:-[]{}&*!|>'\"\n #?,01.~%@`\té\u2028")))
def test_any_block_is_read_or_refused(text: str) -> None:
    rows = "".join(f"# {row}\n" for row in text.split("\n"))
    with suppress(Refused):
        module(f"package a\n# METADATA\n{rows}p := 1")
