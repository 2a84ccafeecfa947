"""OPA's compliance suite, from the plans that OPA itself made of it: every case, results compared exactly, errors by their code."""

from typing import Any

import pytest
from rego.suite import NOT_APPLICABLE, PASSED, find_archive, judge, read_cases

# Cases that are not passed, by name, with the reason. A line too many fails as a line too few does.
MISSED: dict[str, str] = {
    "reachable_paths/cycle_1022_3": "gives every path; OPA gives one that it cut short, and leaves out the one that it cut",
}

ARCHIVE = find_archive()
needs_archive = pytest.mark.skipif(ARCHIVE is None, reason="OPA's cases are not beside this repository (shared/conformance/rego/)")


def cases() -> list[Any]:
    return list(read_cases(ARCHIVE)) if ARCHIVE else []


@needs_archive
def test_the_whole_suite_is_there() -> None:
    assert len(cases()) == 1639


@needs_archive
@pytest.mark.parametrize("category", sorted({case["category"] for case in cases()}))
def test_plans_give_what_opa_gives(category: str) -> None:
    found = {case["note"]: judge(case, "plan") for case in cases_of(category)}
    missed = {note: verdict for note, verdict in found.items() if verdict not in {PASSED, NOT_APPLICABLE}}
    assert missed.keys() == {note for note in MISSED if note in found}, missed


def cases_of(category: str) -> list[Any]:
    return BY_CATEGORY[category]


BY_CATEGORY: dict[str, list[Any]] = {}
for _case in cases():
    BY_CATEGORY.setdefault(_case["category"], []).append(_case)
