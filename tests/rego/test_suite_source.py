"""OPA's compliance suite, from source: parsed, checked, planned and run by this engine, as `test_suite_plan` runs OPA's own plans."""

import pytest

from rego.suite import NOT_APPLICABLE, PASSED, find_archive, judged
from rego.test_suite_plan import APART, MISSED

pytestmark = pytest.mark.skipif(find_archive() is None, reason="OPA's cases are not beside this repository (shared/conformance/rego/)")


def test_the_whole_suite_is_judged() -> None:
    assert len(judged("source")) == 1639


def test_source_gives_what_opa_gives() -> None:
    found = {note: verdict for _, note, verdict in judged("source").values() if verdict not in {PASSED, NOT_APPLICABLE}}
    assert found.keys() == MISSED.keys(), found


def test_what_is_left_out_is_what_plans_leave_out() -> None:
    assert {note for _, note, verdict in judged("source").values() if verdict == NOT_APPLICABLE} == APART
