"""The parser on what OPA's compliance suite holds. The cases stand beside the repository, in `shared/conformance/rego/`."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flyball.rego.front import parse_body, parse_module

WHERE = Path("shared", "conformance", "rego", "cases.jsonl.gz")


def find_cases() -> Path | None:
    return next((up / WHERE for up in Path(__file__).resolve().parents if (up / WHERE).is_file()), None)


def load_cases() -> Iterator[dict[str, Any]]:
    found = find_cases()
    if found is None:
        pytest.skip(f"no {WHERE} beside the repository")
    with gzip.open(found, "rt") as lines:
        yield from map(json.loads, lines)


def test_every_module_and_query_of_the_suite_parses() -> None:
    count = 0
    for case in load_cases():
        parse_body("query", case["query"])
        for number, text in enumerate(case.get("modules", ())):
            parse_module(f"{case['note']}-{number}.rego", text)
        count += 1
    assert count == 1639
