"""The `opa` plug against a server that speaks OPA's REST API: what is not one well-formed answer in time denies."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
import yaml

import flyball
from flyball.backends.policy_answer import PolicyError
from flyball.backends.policy_opa import OpaPolicy
from live import until
from opaserver import MISSING, Opa, served

BASE = yaml.safe_load((Path(flyball.__file__).parent / "defaults" / "policies" / "cases" / "base.yaml").read_text())["base"]
ANSWER = {
    "effect": "allow",
    "zone": "green",
    "reason": "as a test",
    "rule": "test.allow",
    "approvers": {"group": "sre", "quorum": 1, "factor": "none"},
    "obligations": [],
    "constraints": {},
}


@pytest.fixture
def opa() -> Iterator[Opa]:
    with served(lambda _path, _input: ANSWER) as server:
        yield server


@pytest.fixture
def policy(opa: Opa) -> Iterator[OpaPolicy]:
    made = OpaPolicy(opa.url, token="t-1", timeout_s=5)
    made.refresh()
    assert made.fault == ""
    yield made
    made.close()


def test_a_decision_is_one_post_of_the_input(opa: Opa, policy: OpaPolicy) -> None:
    answer = policy.ask(BASE)
    method, path, body, headers = opa.seen[-1]
    assert (answer.effect, answer.rule, answer.asked) == ("allow", "test.allow", f"d-{len(opa.seen)}")
    assert (method, path, body) == ("POST", "/v1/data/flyball/answer?provenance=true", {"input": BASE})
    assert headers["Authorization"] == "Bearer t-1"


def test_the_connection_is_kept(opa: Opa, policy: OpaPolicy) -> None:
    for _ in range(20):
        assert policy.ask(BASE).effect == "allow"
    assert opa.lines == 1


def test_a_connection_that_was_closed_meanwhile_is_made_anew(opa: Opa, policy: OpaPolicy) -> None:
    def once(handler: BaseHTTPRequestHandler) -> bool:
        handler.close_connection = True
        return False

    opa.mood = once
    assert [policy.ask(BASE).effect for _ in range(5)] == ["allow"] * 5
    assert opa.lines > 3


def raw(text: str) -> Callable[[BaseHTTPRequestHandler], bool]:
    def say(handler: BaseHTTPRequestHandler) -> bool:
        handler.wfile.write(text.encode())
        handler.close_connection = True
        return True

    return say


def whole(status: str, body: str) -> Callable[[BaseHTTPRequestHandler], bool]:
    return raw(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n{body}")


@pytest.mark.parametrize(
    ("mood", "rule", "reason"),
    [
        (whole("200 OK", "{}"), "policy.error", "the answer is undefined"),
        (whole("200 OK", "[]"), "policy.error", "its answer is no object"),
        (whole("200 OK", "allow"), "policy.error", "its answer (200) is no JSON"),
        (whole("200 OK", '{"result": true}'), "policy.answer", "it is a bool, not an object"),
        (whole("200 OK", '{"result": {"effect": "allow"}}'), "policy.answer", "/: `approvers` is missing"),
        (whole("500 Error", '{"code": "internal_error", "message": "conflict"}'), "policy.error", "it answered 500: conflict"),
        (whole("401 No", '{"code": "unauthorized"}'), "policy.error", "it answered 401"),
        (whole("302 Found", '{"result": 1}'), "policy.error", "it answered 302"),
        (raw("HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{"), "policy.error", "its answer broke off"),
        (raw("SSH-2.0\r\n"), "policy.error", "BadStatusLine"),
        (raw(""), "policy.error", "RemoteDisconnected"),
        (whole("200 OK", " " * 4_194_305), "policy.error", "its answer has more than 4194304 bytes"),
    ],
)
def test_whatever_is_not_an_answer_denies(opa: Opa, policy: OpaPolicy, mood: Any, rule: str, reason: str) -> None:
    opa.mood = mood
    answer = policy.ask(BASE)
    assert (answer.effect, answer.zone, answer.rule) == ("deny", "red", rule)
    assert reason in answer.reason
    opa.mood = lambda _handler: False
    assert policy.ask(BASE).effect == "allow"


@pytest.mark.parametrize("begun", ["", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"])
def test_an_answer_that_does_not_come_denies_in_time(opa: Opa, begun: str) -> None:
    policy = OpaPolicy(opa.url, timeout_s=0.2)
    policy._line.timeout_s = 5.0
    policy.refresh()
    policy._line.timeout_s = 0.2

    def hang(handler: BaseHTTPRequestHandler) -> bool:
        handler.wfile.write(begun.encode())
        opa.gate.wait(30)
        handler.close_connection = True
        return True

    opa.mood = hang
    answer = policy.ask(BASE)
    assert (answer.effect, answer.rule, answer.reason) == ("deny", "policy.timeout", "no answer within 200 ms")
    opa.mood = lambda _handler: False
    policy._line.timeout_s = 5.0
    assert policy.ask(BASE).effect == "allow"
    policy.close()


DRIPS = {
    "a status line": b"HTTP/1.1 200 OK and then some",
    "headers": b"HTTP/1.1 200 OK\r\nX-Slow: " + b"a" * 60_000,
    "a body": b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n" + b" " * 60_000,
    "a body that ends with its connection": b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b" " * 60_000,
    "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * 20_000,
}


def workers() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name == "flyball-opa"]


@pytest.mark.parametrize("what", DRIPS)
def test_an_answer_that_drips_denies_in_time_and_nothing_goes_on_reading_it(opa: Opa, policy: OpaPolicy, what: str) -> None:
    hung_up = threading.Event()

    def drip(handler: BaseHTTPRequestHandler) -> bool:
        handler.close_connection = True
        try:
            for byte in DRIPS[what]:
                handler.wfile.write(bytes((byte,)))
                if opa.gate.wait(0.02):  # far below the limit: a limit on each read would never end it
                    return True
        except OSError:
            hung_up.set()
        return True

    opa.mood = drip
    policy._line.timeout_s = 0.3
    answer = policy.ask(BASE)
    assert (answer.effect, answer.rule, answer.reason) == ("deny", "policy.timeout", "no answer within 300 ms")
    assert hung_up.wait(10)
    until(lambda: not workers(), 10, "the end of the thread that read it")
    opa.mood = lambda _handler: False
    policy._line.timeout_s = 5.0
    assert policy.ask(BASE).effect == "allow"


def test_a_connection_that_is_never_taken_denies_in_time() -> None:
    with socket.socket() as full, socket.socket() as first:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        first.connect(full.getsockname())  # nobody takes it, so that the next one waits
        policy = OpaPolicy(f"http://127.0.0.1:{full.getsockname()[1]}", timeout_s=0.2)
        policy.count = 1
        assert policy.ask(BASE).reason == "no answer within 200 ms"
        policy.close()


def test_three_answers_too_late_in_a_row_deny_without_asking_until_opa_is_well(opa: Opa, policy: OpaPolicy) -> None:
    def hang(_handler: BaseHTTPRequestHandler) -> bool:
        opa.gate.wait(30)
        return True

    def late() -> str:
        opa.mood, policy._line.timeout_s = hang, 0.1
        return policy.ask(BASE).rule

    def well() -> str:
        opa.mood, policy._line.timeout_s = (lambda _handler: False), 5.0
        return policy.ask(BASE).effect

    assert [late(), late(), well(), late(), late(), late()] == ["policy.timeout"] * 2 + ["allow"] + ["policy.timeout"] * 3
    assert (policy.count, policy.fault) == (0, "no answer within 100 ms, 3 times in a row")
    asked = len(opa.seen)
    assert policy.ask(BASE).rule == "policy.missing"
    assert len(opa.seen) == asked
    opa.mood, policy._line.timeout_s = (lambda _handler: False), 5.0
    policy.refresh()
    assert policy.ask(BASE).effect == "allow"


def test_nobody_there_is_not_ready_and_denies() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: a connection is refused
        policy = OpaPolicy(f"http://127.0.0.1:{taken.getsockname()[1]}", timeout_s=5)
        policy.refresh()
    assert policy.count == 0
    assert "Connection refused" in policy.fault
    assert policy.ask(BASE).rule == "policy.missing"


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [({"modules": {}}, "0 policies are loaded in OPA"), ({"healthy": False}, "it answered 500")],
)
def test_an_opa_that_is_not_ready_makes_us_not_ready(opa: Opa, policy: OpaPolicy, spoil: dict[str, Any], fault: str) -> None:
    assert policy.count == 1
    for name, value in spoil.items():
        setattr(opa, name, value)
    policy.refresh()
    assert (policy.count, policy.fault) == (0, fault)
    assert policy.ask(BASE).rule == "policy.missing"


def test_the_digest_is_that_of_the_revisions_and_every_answer_may_change_it(opa: Opa, policy: OpaPolicy) -> None:
    first = policy.digest
    policy.ask(BASE)
    assert policy.digest == first
    opa.revisions = {"flyball": "r2"}
    policy.ask(BASE)
    assert policy.digest != first
    opa.revisions = {"flyball": "r1"}
    policy.refresh()
    assert policy.digest == first


def test_without_bundles_the_digest_is_that_of_the_modules(opa: Opa, policy: OpaPolicy) -> None:
    opa.revisions = {}
    policy.refresh()
    first = policy.digest
    assert policy.ask(BASE).effect == "allow"
    assert policy.digest == first
    opa.modules = {"rules.rego": "package flyball\n\ndeny := 1"}
    policy.refresh()
    assert policy.digest != first


def test_another_path_is_another_digest(opa: Opa, policy: OpaPolicy) -> None:
    other = OpaPolicy(opa.url, path="own/answer", timeout_s=5)
    other.refresh()
    assert other.digest != policy.digest
    assert other.ask(BASE).effect == "allow"
    assert opa.seen[-1][1] == "/v1/data/own/answer?provenance=true"
    other.close()


def test_an_undefined_answer_denies(opa: Opa, policy: OpaPolicy) -> None:
    opa.answers = lambda _path, _input: MISSING
    assert policy.ask(BASE).reason == "the engine failed: the answer is undefined"


@pytest.mark.parametrize("url", ["localhost:8181", "ftp://opa", "http://", ""])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(PolicyError, match="is no address of an OPA"):
        OpaPolicy(url)
