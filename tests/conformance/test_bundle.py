"""Bundles: what is packed is what is read, and what is not signed whole is refused."""

from __future__ import annotations

import base64
import gzip
import hashlib
import hmac
import io
import json
import tarfile
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from flyball.backends import bundle
from flyball.backends.bundle import Bundle, Seal
from flyball.errors import BadInput
from flyball.rego import Refused, compile_bundle, compile_plan
from flyball.rego import bundle as rego_bundle
from planned import bundle as planned
from planned import packed, plan
from rego.suite import find_archive, read_cases

SECRET = Seal("HS256", b"a secret of some length")
RULES = 'package flyball\n\nimport rego.v1\n\nok := "é"\n'
BUNDLE = Bundle({"a/rules.rego": RULES}, {"roles": {"b": [1, 2.5, True]}, "line": "\u2028"}, "r-1", ("flyball", "line", "roles"))


def unpacked(raw: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(raw), mode="r:gz") as held:
        return {info.name: found.read() for info in held if (found := held.extractfile(info))}


@pytest.fixture(scope="module")
def keys() -> tuple[Seal, Seal]:
    key = rsa.generate_private_key(65537, 2048)
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return Seal("RS256", private), Seal("RS256", public)


def test_what_is_packed_is_what_is_read() -> None:
    raw = bundle.make(BUNDLE)
    assert bundle.read(raw) == BUNDLE
    assert bundle.make(BUNDLE) == raw
    assert json.loads(unpacked(raw)["/.manifest"]) == {"revision": "r-1", "roots": ["flyball", "line", "roles"], "rego_version": 1}


def test_a_signed_bundle_is_verified(keys: tuple[Seal, Seal]) -> None:
    assert bundle.read(bundle.make(BUNDLE, SECRET), SECRET) == BUNDLE
    assert bundle.read(bundle.make(BUNDLE, keys[0]), keys[1]) == BUNDLE
    assert bundle.read(bundle.make(BUNDLE, SECRET)) == BUNDLE  # whoever has no key does not look at signatures


def test_the_signature_is_the_jwt_that_opa_makes() -> None:
    (token,) = json.loads(unpacked(bundle.make(BUNDLE, SECRET))["/.signatures.json"])["signatures"]
    head, body, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    assert json.loads(base64.urlsafe_b64decode(head + "==")) == {"alg": "HS256", "kid": "flyball", "typ": "JWT"}
    wanted = hmac.digest(SECRET.key, f"{head}.{body}".encode(), "sha256")
    assert signature == base64.urlsafe_b64encode(wanted).decode().rstrip("=")
    hashes = {one["name"]: one["hash"] for one in claims["files"]}
    assert hashes["a/rules.rego"] == hashlib.sha256(RULES.encode()).hexdigest()
    assert hashes["data.json"] == hashlib.sha256(rb'{"line":"\u2028","roles":{"b":[1,2.5,true]}}').hexdigest()
    assert {one["algorithm"] for one in claims["files"]} == {"SHA-256"}


def change(name: str, edit: Callable[[bytes], bytes]) -> Callable[[dict[str, bytes]], None]:
    def apply(files: dict[str, bytes]) -> None:
        files[name] = edit(files[name])

    return apply


def signatures(edit: Callable[[Any], Any]) -> Callable[[dict[str, bytes]], None]:
    return change("/.signatures.json", lambda raw: json.dumps(edit(json.loads(raw))).encode())


def unsigned(doc: Any) -> Any:
    """The same claims with `alg: none`, as a forger would have them."""
    head = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    return {"signatures": [f"{head}.{doc['signatures'][0].split('.')[1]}."]}


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (change("/a/rules.rego", lambda raw: raw + b"\n"), "a/rules.rego was changed"),
        (change("/data.json", lambda raw: raw.replace(b"2.5", b"2.6")), "data.json was changed"),
        (change("/.manifest", lambda raw: raw.replace(b"r-1", b"r-2")), ".manifest was changed"),
        (lambda files: files.pop("/a/rules.rego"), "a/rules.rego is missing"),
        (lambda files: files.update({"/more.rego": b"package a"}), "more.rego is not signed"),
        (lambda files: files.pop("/.signatures.json"), "it has no .signatures.json"),
        (signatures(lambda _: {}), "it holds not exactly one token"),
        (signatures(lambda doc: {"signatures": doc["signatures"] * 2}), "it holds not exactly one token"),
        (signatures(lambda _: {"signatures": ["a.b.c"]}), "it is no JWT"),
        (signatures(lambda doc: {"signatures": [doc["signatures"][0][:-4] + "AAAA"]}), "it was made with another key"),
        (signatures(unsigned), "it is not made with HS256"),
    ],
)
def test_what_is_not_signed_whole_is_refused(spoil: Callable[[dict[str, bytes]], None], why: str) -> None:
    files = unpacked(bundle.make(BUNDLE, SECRET))
    spoil(files)
    with pytest.raises(BadInput) as refused:
        bundle.read(packed(files), SECRET)
    assert refused.value.why == why


@pytest.mark.parametrize("seal", [Seal("HS256", b"another secret"), Seal("HS256", SECRET.key, scope="read")])
def test_another_key_and_another_scope_are_refused(seal: Seal) -> None:
    with pytest.raises(BadInput, match="signature does not count"):
        bundle.read(bundle.make(BUNDLE, SECRET), seal)


def test_a_public_key_is_no_secret(keys: tuple[Seal, Seal]) -> None:
    """The old trick: what RS256 verifies with is public, so it must not count as the secret of HS256."""
    forged = bundle.make(BUNDLE, Seal("HS256", keys[1].key))
    with pytest.raises(BadInput, match="signature does not count"):
        bundle.read(forged, keys[1])


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", ""),
        (b"plain", ""),
        (gzip.compress(b"plain"), ""),
        (packed({"../a.rego": b""}), "'../a.rego' is no path within it"),
        (packed({"/a.rego": b"", "a.rego": b""}), "`a.rego` stands in it twice"),
        (packed({"a.rego": b"\xff"}), "a.rego is not UTF-8"),
        (packed({"data.json": b"[]"}), "data.json is no object"),
        (packed({"data.json": b"{"}), "data.json is no JSON"),
        (packed({".manifest": b'{"roots": "a"}'}), "roots is no list of texts"),
        (packed({"data.json": b'{"a": 1}', "a/data.json": b'{"b": 1}'}), "two of its documents disagree at `a`"),
    ],
    ids=lambda given: given if isinstance(given, str) else "",  # what is packed holds the time
)
def test_what_is_no_bundle_is_refused(raw: bytes, why: str) -> None:
    with pytest.raises(BadInput) as refused:
        bundle.read(raw)
    assert why in refused.value.why


def test_a_bundle_that_unpacks_into_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rego_bundle, "MOST_BYTES", 1_000_000)
    with pytest.raises(BadInput, match="cannot be used"):
        bundle.read(packed({"a.rego": b"#" * 1_000_001}))


def test_documents_lie_where_their_path_says() -> None:
    held = bundle.read(packed({"data.json": b'{"a": {"x": 1}}', "a/b/data.json": b'{"c": 2}'}))
    assert held.data == {"a": {"x": 1, "b": {"c": 2}}}


@pytest.mark.parametrize("seal", [Seal("RS256", b"no key"), Seal("RS256", SECRET.key)])
def test_a_key_that_is_none_is_one_clear_line(seal: Seal) -> None:
    with pytest.raises(BadInput, match="the key for signing bundles cannot be used"):
        bundle.make(BUNDLE, seal)


# Plans


ANSWERS = plan("own/answer", {"yes": True, "why": "data.own.why", "all": [1, "two", {"three": 3}]})


def test_a_bundle_with_a_plan_is_compiled_from_it_with_its_data() -> None:
    policy, data = compile_bundle(planned(ANSWERS, {"own": {"why": "it is said so"}}))
    assert policy.entrypoints == ("own/answer",)
    assert policy.eval("data.own.answer", None, data) == {"yes": True, "why": "it is said so", "all": [1, "two", {"three": 3}]}
    assert policy.digest == compile_plan(ANSWERS).digest


def test_the_plan_counts_and_not_the_modules_beside_it() -> None:
    """`opa build -t plan` leaves the source in the bundle."""
    raw = planned(ANSWERS, {"own": {"why": "b"}}, **{"/own.rego": b"package own\n\nimport rego.v1\n\nanswer := 7\n"})
    policy, data = compile_bundle(raw)
    assert policy.eval("own/answer", None, data)["why"] == "b"
    assert bundle.read(raw).modules.keys() == {"own.rego"}


def test_a_bundle_without_a_plan_is_compiled_from_its_modules() -> None:
    policy, data = compile_bundle(bundle.make(BUNDLE), entrypoints=["flyball/ok"])
    assert (policy.eval("flyball/ok", None, data), data) == ("é", BUNDLE.data)


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (planned({"plans": 3}, {}), "plans is no object"),
        (planned({"plans": {"plans": [{"name": "a", "blocks": [{"stmts": [{"type": "NewStmt"}]}]}]}}, {}), "NewStmt is no statement"),
        (packed({"/plan.json": b"{"}), "the plan is no JSON"),
        (packed({"/plan.json": b"[]"}), "the plan is no object"),
        (packed({"/data.json": b"{}"}), "the bundle holds neither a plan nor a module"),
        (packed({"/data.json": b'{"a": NaN}', "/plan.json": b"{}"}), "data.json is no JSON"),
        (packed({"/data.json": b'{"a":' * 5_000 + b"1" + b"}" * 5_000, "/plan.json": b"{}"}), "data.json is no JSON"),
        (packed({"/a/../../plan.json": b"{}"}), "is no path within it"),
        (planned(ANSWERS, {})[:-20], "it is cut off"),
        (packed({f"{number}.txt": b"" for number in range(rego_bundle.MOST_FILES + 1)}), "it holds more than 10000 files"),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_a_bundle_that_cannot_be_compiled_is_refused(raw: bytes, why: str) -> None:
    with pytest.raises(Refused) as refused:
        compile_bundle(raw)
    assert why in str(refused.value)


def test_a_tar_that_hides_its_size_in_its_headers_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rego_bundle, "MOST_BYTES", 100_000)
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.PAX_FORMAT) as made:
        info = tarfile.TarInfo("a.rego")
        info.pax_headers = {"comment": "x" * 200_000}
        made.addfile(info, io.BytesIO(b""))
    with pytest.raises(Refused, match="it unpacks into more than 100000 bytes"):
        compile_bundle(gzip.compress(tar.getvalue()))


CATEGORIES = {"objectgetcases", "withkeyword", "defaultkeyword", "virtualdocs", "baseandvirtualdocs", "partialobjectdoc"}


@pytest.mark.skipif(find_archive() is None, reason="OPA's cases are not beside this repository (shared/conformance/rego/)")
def test_plans_of_the_suite_give_the_same_out_of_a_bundle() -> None:
    archive, count = find_archive(), 0
    assert archive is not None
    for case in read_cases(archive):
        if case["category"] not in CATEGORIES:
            continue
        data = case.get("data") or {}
        raw = packed(
            {"/plan.json": json.dumps(case["plan"]).encode()}
            | {f"/{name}/data.json": json.dumps(held).encode() for name, held in data.items() if isinstance(held, dict)}
            | {"/data.json": json.dumps({name: held for name, held in data.items() if not isinstance(held, dict)}).encode()}
        )
        policy, found = compile_bundle(raw)
        assert found == data, case["note"]
        if "want_plan_result" in case and not {"want_error", "want_error_code", "input_term"} & case.keys():
            count += 1
            whole = compile_plan(case["plan"])
            given = {} if "input" not in case else {"input": case["input"]}
            assert policy.results("eval", data=found, **given) == whole.results("eval", data=data, **given), case["note"]
    assert count > 100
