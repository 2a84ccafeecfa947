"""Tokens: what the conformance suite does not ask. Keys are made here; nothing is taken from outside."""

import base64
import copy
import hashlib
import hmac
import json
import time
from contextlib import suppress
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from flyball.rego.builtin import TABLE, World
from flyball.rego.error import BuiltinFault, OperandFault, OverLimit

SECOND = 1_000_000_000
RSA = rsa.generate_private_key(65537, 2048)
CURVE = {"ES256": ec.generate_private_key(ec.SECP256R1()), "ES384": ec.generate_private_key(ec.SECP384R1())}
CURVE["ES512"] = ec.generate_private_key(ec.SECP521R1())
EDWARDS = ed25519.Ed25519PrivateKey.generate()


def call(name: Any, *operands: Any, world: Any = None) -> Any:
    one = TABLE[name]
    return one.call(*([world or World(seed=7)] if one.worldly else []), *operands)


def b64(data: Any) -> Any:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value: Any, size: Any = None) -> Any:
    return b64(value.to_bytes(size or (value.bit_length() + 7) // 8))


def token(header: Any, payload: Any, sign: Any) -> Any:
    message = f"{b64(json.dumps(header).encode())}.{b64(json.dumps(payload).encode())}"
    return f"{message}.{b64(sign(message.encode()))}"


def shared(secret: Any, payload: Any, header: Any = None) -> Any:
    return token(header or {"alg": "HS256"}, payload, lambda message: hmac.digest(secret, message, "sha256"))


def pem(key: Any) -> Any:
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def rsa_jwk(private: Any = True) -> Any:
    numbers = RSA.private_numbers()
    public = {"kty": "RSA", "n": number(numbers.public_numbers.n), "e": number(numbers.public_numbers.e)}
    return public | {"d": number(numbers.d)} if private else public


def curve_jwk(alg: Any, private: Any = True) -> Any:
    numbers = CURVE[alg].private_numbers()
    size = (CURVE[alg].key_size + 7) // 8
    crv = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}[alg]
    jwk = {"kty": "EC", "crv": crv, "x": number(numbers.public_numbers.x, size), "y": number(numbers.public_numbers.y, size)}
    return jwk | {"d": number(numbers.private_value, size)} if private else jwk


def edwards_jwk() -> Any:
    public = EDWARDS.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    private = EDWARDS.private_bytes(serialization.Encoding.Raw, serialization.PrivateFormat.Raw, serialization.NoEncryption())
    return {"kty": "OKP", "crv": "Ed25519", "x": b64(public), "d": b64(private)}


SIGNERS = {
    **{f"{family}{size}": (rsa_jwk(), pem(RSA.public_key())) for family in ("RS", "PS") for size in (256, 384, 512)},
    **{alg: (curve_jwk(alg), pem(CURVE[alg].public_key())) for alg in CURVE},
    "EdDSA": (edwards_jwk(), pem(EDWARDS.public_key())),
}


@pytest.mark.parametrize("alg", SIGNERS)
def test_what_is_signed_is_verified_and_what_is_changed_is_not(alg: Any) -> None:
    jwk, public = SIGNERS[alg]
    made = call("io.jwt.encode_sign", {"alg": alg}, {"who": "<me>"}, jwk)
    assert call(f"io.jwt.verify_{alg.lower()}", made, public) is True
    assert call("io.jwt.decode_verify", made, {"cert": public}) == [True, {"alg": alg}, {"who": "<me>"}]
    header, payload, signature = made.split(".")
    other = f"{header}.{b64(b'{}')}.{signature}"
    assert call(f"io.jwt.verify_{alg.lower()}", other, public) is False
    assert call("io.jwt.decode_verify", other, {"cert": public}) == [False, {}, {}]
    cut = f"{header}.{payload}.{signature[:-4]}"
    assert call(f"io.jwt.verify_{alg.lower()}", cut, public) is False


@pytest.mark.parametrize("alg", [*SIGNERS, "HS256", "HS384", "HS512"])
def test_the_same_world_signs_the_same_bytes(alg: Any) -> None:
    jwk = SIGNERS[alg][0] if alg in SIGNERS else {"kty": "oct", "k": b64(b"secret")}
    first, again = (call("io.jwt.encode_sign", {"alg": alg}, {}, jwk, world=World(seed=3)) for _ in range(2))
    assert first == again


def test_a_pss_signature_has_the_salt_that_the_rfc_asks_for() -> None:
    made = call("io.jwt.encode_sign", {"alg": "PS384"}, {}, rsa_jwk())
    message, _, signature = made.rpartition(".")
    pss = padding.PSS(padding.MGF1(hashes.SHA384()), 48)
    raw = base64.urlsafe_b64decode(signature + "==")
    RSA.public_key().verify(raw, message.encode(), pss, hashes.SHA384())


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "HS1", "", "HS256 "])
def test_no_algorithm_is_no_signature(alg: Any) -> None:
    unsigned = token({"alg": alg}, {"admin": True}, lambda _: b"")
    for asked in ({"secret": "s"}, {"cert": pem(RSA.public_key())}, {"cert": json.dumps({"kty": "oct", "k": "c2VjcmV0"})}):
        assert call("io.jwt.decode_verify", unsigned, asked) == [False, {}, {}]
    with pytest.raises(BuiltinFault, match="unknown JWS algorithm"):
        call("io.jwt.encode_sign", {"alg": alg}, {}, {"kty": "oct", "k": "c2VjcmV0"})


@pytest.mark.parametrize("form", ["pem", "certificate", "jwk"])
def test_a_public_key_is_never_taken_for_a_shared_secret(form: Any) -> None:
    text = {"pem": pem(RSA.public_key()), "certificate": certificate(), "jwk": json.dumps(rsa_jwk(private=False))}[form]
    forged = shared(text.encode(), {"admin": True})
    assert call("io.jwt.decode_verify", forged, {"cert": text}) == [False, {}, {}]
    assert call("io.jwt.verify_rs256", forged, text) is False


def test_a_shared_secret_is_never_taken_for_a_public_key() -> None:
    made = call("io.jwt.encode_sign", {"alg": "RS256"}, {}, rsa_jwk())
    assert call("io.jwt.decode_verify", made, {"secret": pem(RSA.public_key())}) == [False, {}, {}]


def test_an_elliptic_algorithm_takes_its_own_curve_only() -> Any:
    private = CURVE["ES384"]

    def sign(message: Any) -> Any:
        r, s = serialized(private.sign(message, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(48) + s.to_bytes(48)

    mixed = token({"alg": "ES256"}, {}, sign)
    assert call("io.jwt.verify_es256", mixed, pem(private.public_key())) is False
    with pytest.raises(BuiltinFault, match="cannot sign by ES256"):
        call("io.jwt.encode_sign", {"alg": "ES256"}, {}, curve_jwk("ES384"))


def serialized(signature: Any) -> Any:
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    return decode_dss_signature(signature)


def certificate() -> Any:
    import datetime as dt

    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a")])
    start = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(1).public_key(RSA.public_key())
    made = made.not_valid_before(start).not_valid_after(start + dt.timedelta(days=9999))
    return made.sign(RSA, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


@pytest.mark.parametrize(
    ("claims", "now", "holds"),
    [
        ({"exp": 100}, 100 * SECOND - 1000, True),
        ({"exp": 100}, 100 * SECOND, False),
        ({"exp": 100}, 100 * SECOND + 1, False),
        ({"nbf": 100}, 100 * SECOND - 1000, False),
        ({"nbf": 100}, 100 * SECOND, True),
        ({"exp": 10**30}, 100 * SECOND, True),
        ({"exp": -(10**30)}, 100 * SECOND, False),
        ({"nbf": 1, "exp": 3}, 2 * SECOND, True),
        ({"iat": 10**9}, 0, True),
    ],
)
def test_the_moment_of_expiry_is_too_late_and_the_moment_of_start_is_not(claims: Any, now: Any, holds: Any) -> None:
    made = shared(b"s", claims)
    expected = [holds, {"alg": "HS256"} if holds else {}, claims if holds else {}]
    assert call("io.jwt.decode_verify", made, {"secret": "s"}, world=World(now_ns=now)) == expected
    assert call("io.jwt.decode_verify", made, {"secret": "s", "time": now}, world=World(now_ns=5)) == expected


@pytest.mark.parametrize("claims", [{"exp": True}, {"exp": "100"}, {"nbf": None}, {"nbf": [1]}])
def test_a_time_that_is_no_number_is_a_fault(claims: Any) -> None:
    with pytest.raises(BuiltinFault, match="value must be a number"):
        call("io.jwt.decode_verify", shared(b"s", claims), {"secret": "s"})


@pytest.mark.parametrize(
    ("asked", "what"),
    [
        ({}, "no key constraint"),
        ({"secret": ""}, "no key constraint"),
        ({"secret": "s", "cert": json.dumps({"kty": "oct", "k": "cw"})}, "duplicate key constraints"),
        ({"secret": "s", "issuer": "x"}, "unknown token validation constraint: issuer"),
        ({"secret": 1}, "secret constraint: must be a string"),
        ({"secret": "s", "alg": ["HS256"]}, "alg constraint: must be a string"),
        ({"secret": "s", "time": "1"}, "time constraint: must be a number"),
        ({"secret": "s", "time": -1}, "must not be negative"),
        ({"secret": "s", "time": True}, "must be a number"),
        ({"secret": "s", "time": 10**400}, "float64"),
        ({"cert": "nonsense"}, "failed to parse a JWK key"),
        ({"cert": '{"keys":[{"kty":"unknown"}]}'}, "unknown key type"),
        ({"cert": '{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}'}, "failed to parse a JWK key"),
        ({"cert": '{"kty":"RSA","n":"AQAB","e":"AQAB"}'}, "failed to parse a JWK key"),
        ({"cert": "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"}, "failed to parse a PEM public key"),
        ({"cert": "x" * 300_000}, "more than 262,144 characters"),
    ],
)
def test_constraints_that_make_no_sense_are_a_fault(asked: Any, what: Any) -> None:
    with pytest.raises(BuiltinFault, match=what):
        call("io.jwt.decode_verify", shared(b"s", {}), asked)


@pytest.mark.parametrize(
    ("claims", "asked", "holds"),
    [
        ({"iss": "a"}, {"iss": "a"}, True),
        ({"iss": "a"}, {"iss": "b"}, False),
        ({"iss": 1}, {"iss": "1"}, False),
        ({}, {"iss": "a"}, False),
        ({"aud": "a"}, {}, False),
        ({"aud": ["a", 1]}, {"aud": "a"}, True),
        ({"aud": {"a": 1}}, {"aud": "a"}, False),
        ({"aud": []}, {"aud": "a"}, False),
        ({}, {"aud": "a"}, False),
        ({}, {"alg": "HS512"}, False),
        ({}, {"alg": "HS256"}, True),
    ],
)
def test_issuer_audience_and_algorithm_are_as_asked(claims: Any, asked: Any, holds: Any) -> None:
    assert call("io.jwt.decode_verify", shared(b"s", claims), {"secret": "s", **asked})[0] is holds


@pytest.mark.parametrize(
    ("header", "what"),
    [
        ({"alg": 1}, "alg: must be a string"),
        ({"alg": "HS256", "kid": 1}, "kid: must be a string"),
        ({"alg": "HS256", "crit": "x"}, "crit: must be a list"),
        ({"alg": "HS256", "crit": []}, "crit: must be a nonempty list"),
        ({"alg": "HS256", "crit": [1]}, "crit: must be a list of strings"),
        ({"alg": "HS256", "enc": "A128"}, "JWE"),
        ([], "decoded JSON type was not an Object"),
    ],
)
def test_a_header_that_makes_no_sense_is_a_fault(header: Any, what: Any) -> None:
    with pytest.raises(BuiltinFault, match=what):
        call("io.jwt.decode_verify", token(header, {}, lambda _: b""), {"secret": "s"})


def test_the_key_that_the_header_names_is_the_only_one_asked() -> None:
    keys = {"keys": [rsa_jwk(private=False) | {"kid": "a"}, curve_jwk("ES256", private=False) | {"kid": "b"}]}
    text = json.dumps(keys)
    for kid, holds in (("a", True), ("b", False), ("c", True)):
        made = call("io.jwt.encode_sign", {"alg": "RS256", "kid": kid}, {}, rsa_jwk())
        assert call("io.jwt.decode_verify", made, {"cert": text})[0] is holds
        assert call("io.jwt.verify_rs256", made, text) is holds


def test_a_key_of_another_algorithm_is_not_asked_and_an_unknown_one_never() -> None:
    made = call("io.jwt.encode_sign", {"alg": "RS256"}, {}, rsa_jwk())
    for alg, holds in (("RS256", True), ("RS384", False), ("RSA-OAEP", False)):
        text = json.dumps(rsa_jwk(private=False) | {"alg": alg})
        assert call("io.jwt.decode_verify", made, {"cert": text})[0] is holds


@pytest.mark.parametrize(
    "name", ["io.jwt.decode", "io.jwt.verify_rs256", "io.jwt.verify_hs256", "io.jwt.encode_sign", "io.jwt.decode_verify"]
)
def test_operands_of_the_wrong_type_are_told(name: Any) -> None:
    operands = [1] * len(TABLE[name].signature.args)
    with pytest.raises(OperandFault, match=r"operand 1 must be (string|object) but got number"):
        call(name, *operands)


def test_a_token_in_a_token_in_a_token_is_opened_without_end_to_the_stack() -> None:
    made = shared(b"s", {"deep": True})
    for _ in range(12):
        made = nested(made)
    assert call("io.jwt.decode", made)[1] == {"deep": True}
    assert call("io.jwt.decode_verify", made, {"secret": "s"})[2] == {"deep": True}


def nested(inner: Any) -> Any:
    message = f"{b64(json.dumps({'alg': 'HS256', 'cty': 'JWT'}).encode())}.{b64(inner.encode())}"
    return f"{message}.{b64(hmac.digest(b's', message.encode(), 'sha256'))}"


@pytest.mark.parametrize(
    "text",
    ["{" * 100_000, '{"a":' * 50_000, "[" * 200_000, '{"a":1e9999}', '{"a":NaN}', "\ud800", '"' * 9, '{"a":' + "9" * 10_000 + "}"],
    ids=["braces", "deep", "brackets", "infinite", "nan", "surrogate", "quotes", "long"],
)
def test_a_payload_that_cannot_be_read_is_a_fault(text: Any) -> None:
    payload = b64(text.encode(errors="surrogatepass"))
    with pytest.raises((BuiltinFault, OverLimit)):
        call("io.jwt.decode", f"{b64(b'{}')}.{payload}.")


def test_a_million_dots_and_a_million_keys_end_soon() -> None:
    began = time.thread_time()
    for text in ("." * 1_000_000, "a" * 1_000_000 + ".a.a"):
        with pytest.raises(BuiltinFault):
            call("io.jwt.decode", text)
    for text in (
        "-----BEGIN A-----\n" * 14_000,
        "-----BEGIN A-----\n" * 14_000 + "-----END B-----\n",
        "-----BEGIN A-----\nAAAA\n-----END A-----\n" * 6000,
    ):
        with pytest.raises(BuiltinFault):
            call("io.jwt.verify_rs256", "e30.e30.", text)
    assert time.thread_time() - began < 5


scalar = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=40)
anything = st.recursive(
    scalar, lambda one: st.lists(one, max_size=4) | st.dictionaries(st.text(max_size=8), one, max_size=4), max_leaves=12
)
name_of_mine = st.sampled_from(sorted(name for name in TABLE if name.startswith(("io.jwt.", "crypto.", "uuid."))))
nearly = st.one_of(
    anything,
    st.sampled_from([shared(b"s", {"exp": 5}), pem(RSA.public_key()), json.dumps(rsa_jwk()), '{"alg":"HS256"}', "s"]),
    st.fixed_dictionaries(
        {}, optional={"alg": st.sampled_from(["HS256", "RS256", "PS256"]) | anything, "secret": anything, "cert": anything}
    ),
    st.fixed_dictionaries(
        {"kty": st.sampled_from(["RSA", "EC", "OKP", "oct"])}, optional=dict.fromkeys(("n", "e", "k", "x", "y", "d", "crv"), anything)
    ),
    st.text(alphabet="-BEGIN CRT\nA=e30.", max_size=80),
)


@settings(max_examples=400, deadline=None)
@given(name_of_mine, st.data())
def test_whatever_the_operands_the_fault_is_one_of_ours_and_they_stay_as_they_are(name: Any, data: Any) -> None:
    operands = [data.draw(nearly) for _ in TABLE[name].signature.args]
    before = copy.deepcopy(operands)
    with suppress(BuiltinFault, OverLimit):
        call(name, *operands)
    assert repr(operands) == repr(before)


def test_the_digests_are_those_of_the_standard_library() -> None:
    assert call("crypto.sha256", "a") == hashlib.sha256(b"a").hexdigest()
    assert call("crypto.hmac.sha512", "a", "k") == hmac.new(b"k", b"a", "sha512").hexdigest()
    assert call("crypto.hmac.equal", "é", "é") is True
    assert call("crypto.sha1", "\ud800") == hashlib.sha1("\ufffd".encode()).hexdigest()  # noqa: S324 - the builtin's own


@pytest.mark.parametrize(
    ("text", "variant", "version"),
    [
        ("urn:uuid:6ba7b810-9dad-11d1-80b4-00c04fd430c8", "RFC4122", 1),
        ("6BA7B810-9DAD-41D1-C0B4-00C04FD430C8", "Microsoft", 4),
        ("6ba7b810-9dad-71d1-f0b4-00c04fd430c8", "Future", 7),
        ("00000000-0000-0000-0000-000000000000", "Reserved", 0),
    ],
)
def test_a_uuid_says_what_it_is(text: Any, variant: Any, version: Any) -> None:
    parsed = call("uuid.parse", text)
    assert (parsed["variant"], parsed["version"]) == (variant, version)


@pytest.mark.parametrize(
    "text",
    ["", "{6ba7b810-9dad-11d1-80b4-00c04fd430c8", "6ba7b810-9dad-11d1-80b4-00c04fd430c8}", "x" * 36, "6ba7b8109dad-11d1-80b4-00c04fd430c8"],
)
def test_what_is_no_uuid_is_a_fault(text: Any) -> None:
    with pytest.raises(BuiltinFault):
        call("uuid.parse", text)


def test_a_made_uuid_is_of_version_4_and_of_the_world() -> None:
    made = call("uuid.rfc4122", "a", world=World(seed=1))
    assert call("uuid.parse", made) == {"version": 4, "variant": "RFC4122"}
    assert made == call("uuid.rfc4122", "a", world=World(seed=1))
    assert len({made, call("uuid.rfc4122", "b", world=World(seed=1)), call("uuid.rfc4122", "a", world=World(seed=2))}) == 3
