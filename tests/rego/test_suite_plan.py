"""OPA's compliance suite, from the plans that OPA itself made of it: every case, results compared exactly, errors by their code."""

import pytest

from rego.suite import NOT_APPLICABLE, PAGE, PASSED, find_archive, judged, paged, table

pytestmark = pytest.mark.skipif(find_archive() is None, reason="OPA's cases are not beside this repository (shared/conformance/rego/)")

# Cases that are not passed, by name, with the reason. A line too many fails as a line too few does.
MISSED = {
    "reachable_paths/cycle_1022_3": "in the suite one path cuts another short; OPA has mended that since, and gives what is given here",
}
# Cases that make no sense here: they ask the network, or a builtin that only OPA's own tests have.
APART = {
    "invalidkeyerror/missing keys",
    "net.lookup_ip_addr/localhost",
    "net.lookup_ip_addr/simple ip4 returns that ip4",
    "net.lookup_ip_addr/simple ip6 returns that ip6",
    "time/time caching",
}


def test_the_whole_suite_is_judged() -> None:
    assert len(judged("plan")) == 1639


def test_plans_give_what_opa_gives() -> None:
    found = {note: verdict for _, note, verdict in judged("plan").values() if verdict not in {PASSED, NOT_APPLICABLE}}
    assert found.keys() == MISSED.keys(), found


def test_nothing_else_is_left_out() -> None:
    assert {note for _, note, verdict in judged("plan").values() if verdict == NOT_APPLICABLE} == APART


def test_the_page_has_the_table() -> None:
    assert PAGE.read_text() == paged(PAGE.read_text(), table()), "run tools/conformance --write"
