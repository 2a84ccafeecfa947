"""Certificates and keys: chains that must not hold, shapes, and texts that are none. Everything is made here."""

import base64
import copy
import datetime as dt
import ipaddress
import time
from contextlib import suppress
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID as Purpose
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from flyball.rego.builtin import TABLE, World
from flyball.rego.error import BuiltinFault, OperandFault, OverLimit

START = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
NOW = World(now_ns=int(dt.datetime(2024, 6, 1, tzinfo=dt.UTC).timestamp()) * 10**9)
KEYS = [ec.generate_private_key(ec.SECP256R1()) for _ in range(4)]
RSA = rsa.generate_private_key(65537, 2048)


def call(name: Any, *operands: Any, world: Any = NOW) -> Any:
    one = TABLE[name]
    return one.call(*([world] if one.worldly else []), *operands)


def name_of(text: Any) -> Any:
    return x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "NL"), x509.NameAttribute(NameOID.COMMON_NAME, text)])


def made(subject: Any, issuer: Any, key: Any, signer: Any, *, days: Any = 365, extensions: Any = ()) -> Any:
    builder = x509.CertificateBuilder().subject_name(name_of(subject)).issuer_name(name_of(issuer)).public_key(key.public_key())
    builder = builder.serial_number(2**80 + 1).not_valid_before(START).not_valid_after(START + dt.timedelta(days=days))
    for extension in extensions:
        value, critical = extension if isinstance(extension, tuple) else (extension, False)
        builder = builder.add_extension(value, critical)
    return builder.sign(signer, None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256())


def authority(length: Any = None) -> Any:
    return x509.BasicConstraints(ca=True, path_length=length), True


def alternative(*names: Any) -> Any:
    return x509.SubjectAlternativeName([x509.DNSName(one) for one in names])


def usage(**true: Any) -> Any:
    names = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
    )
    return x509.KeyUsage(**{name: name in true for name in names}, encipher_only=False, decipher_only=False), True


def pem(*certificates: Any) -> Any:
    return "".join(one.public_bytes(Encoding.PEM).decode() for one in certificates)


def private(key: Any, form: Any = PrivateFormat.PKCS8) -> Any:
    return key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()


def chain(*, root: Any = (), between: Any = (), leaf: Any = (), days: Any = (365, 365, 365), signers: Any = (0, 0, 1)) -> Any:
    made_root = made("root", "root", KEYS[0], KEYS[signers[0]], days=days[0], extensions=[authority(), *root])
    middle = made("middle", "root", KEYS[1], KEYS[signers[1]], days=days[1], extensions=between or [authority()])
    end = made(
        "end", "middle", KEYS[2], KEYS[signers[2]], days=days[2], extensions=leaf or [alternative("a.example.com", "*.b.example.com")]
    )
    return pem(made_root, middle, end)


def verified(text: Any, options: Any = None, world: Any = NOW) -> Any:
    if options is None:
        return call("crypto.x509.parse_and_verify_certificates", text, world=world)
    return call("crypto.x509.parse_and_verify_certificates_with_options", text, options, world=world)


def limits(*, permitted: Any = None, excluded: Any = None) -> Any:
    return x509.NameConstraints(permitted_subtrees=permitted, excluded_subtrees=excluded), True


HELD = {
    "plain": chain(),
    "length": chain(between=[authority(0)]),
    "usage": chain(between=[authority(), usage(key_cert_sign=True)]),
    "purpose": chain(leaf=[alternative("a.example.com"), x509.ExtendedKeyUsage([Purpose.SERVER_AUTH])]),
    "any purpose": chain(leaf=[alternative("a.example.com"), x509.ExtendedKeyUsage([Purpose.ANY_EXTENDED_KEY_USAGE])]),
    "permitted": chain(root=[limits(permitted=[x509.DNSName("example.com")])]),
    "not excluded": chain(root=[limits(excluded=[x509.DNSName("example.org"), x509.IPAddress(ipaddress.ip_network("10.0.0.0/8"))])]),
    "mail": chain(
        root=[limits(permitted=[x509.RFC822Name("example.com")])], leaf=[x509.SubjectAlternativeName([x509.RFC822Name("me@example.com")])]
    ),
    "link": chain(
        root=[limits(permitted=[x509.UniformResourceIdentifier(".example.com")])],
        leaf=[x509.SubjectAlternativeName([x509.UniformResourceIdentifier("spiffe://a.example.com/x")])],
    ),
    "root alone": pem(*[made("root", "root", KEYS[0], KEYS[0], extensions=[authority()])] * 2),
}
FALLEN = {
    "one": pem(made("root", "root", KEYS[0], KEYS[0], extensions=[authority()])),
    "order": "".join(reversed([part + "-----END CERTIFICATE-----\n" for part in HELD["plain"].split("-----END CERTIFICATE-----\n")[:-1]])),
    "leaf expired": chain(days=(365, 365, 10)),
    "middle expired": chain(days=(365, 10, 365)),
    "root expired": chain(days=(10, 365, 365)),
    "no authority": chain(between=[(x509.BasicConstraints(ca=False, path_length=None), True)]),
    "no constraints": chain(between=[alternative("x")]),
    "may not sign": chain(between=[authority(), usage(digital_signature=True)]),
    "too long": pem(
        made("root", "root", KEYS[0], KEYS[0], extensions=[authority(0)]),
        made("middle", "root", KEYS[1], KEYS[0], extensions=[authority()]),
        made("end", "middle", KEYS[2], KEYS[1], extensions=[alternative("a")]),
    ),
    "wrong signer": chain(signers=(0, 0, 3)),
    "middle by another": chain(signers=(0, 3, 1)),
    "purpose": chain(leaf=[alternative("a.example.com"), x509.ExtendedKeyUsage([Purpose.CLIENT_AUTH])]),
    "unknown purpose": chain(leaf=[alternative("a"), x509.ExtendedKeyUsage([x509.ObjectIdentifier("1.2.3.4")])]),
    "purpose of the middle": chain(between=[authority(), x509.ExtendedKeyUsage([Purpose.EMAIL_PROTECTION])]),
    "unknown and critical": chain(leaf=[(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True)]),
    "unknown and critical above": chain(root=[(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True)]),
    "not permitted": chain(root=[limits(permitted=[x509.DNSName("example.org")])]),
    "half permitted": chain(root=[limits(permitted=[x509.DNSName("a.example.com")])]),
    "deeper only": chain(root=[limits(permitted=[x509.DNSName(".a.example.com")])]),
    "excluded": chain(root=[limits(excluded=[x509.DNSName("b.example.com")])]),
    "excluded address": chain(
        root=[limits(excluded=[x509.IPAddress(ipaddress.ip_network("10.0.0.0/8"))])],
        leaf=[x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("10.1.2.3"))])],
    ),
    "other mailbox": chain(
        root=[limits(permitted=[x509.RFC822Name("you@example.com")])],
        leaf=[x509.SubjectAlternativeName([x509.RFC822Name("me@example.com")])],
    ),
    "link of an address": chain(
        root=[limits(permitted=[x509.UniformResourceIdentifier("example.com")])],
        leaf=[x509.SubjectAlternativeName([x509.UniformResourceIdentifier("https://10.0.0.1/")])],
    ),
    "constraint of another kind": chain(root=[limits(permitted=[x509.DirectoryName(name_of("end"))])]),
    "garbage": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    "nothing": "",
}


@pytest.mark.parametrize("case", HELD)
def test_a_chain_that_holds_is_given_from_the_leaf_to_the_root(case: Any) -> None:
    valid, found = verified(HELD[case])
    assert valid is True
    names = [one["Subject"]["CommonName"] for one in found]
    assert names == (["root"] if case == "root alone" else ["end", "middle", "root"])


@pytest.mark.parametrize("case", FALLEN)
def test_a_chain_that_does_not_hold_is_false_and_empty(case: Any) -> None:
    assert verified(FALLEN[case]) == [False, []]


@pytest.mark.parametrize(
    ("options", "valid"),
    [
        ({}, True),
        ({"DNSName": "a.example.com"}, True),
        ({"DNSName": "A.Example.COM."}, True),
        ({"DNSName": "x.b.example.com"}, True),
        ({"DNSName": "x.y.b.example.com"}, False),
        ({"DNSName": "b.example.com"}, False),
        ({"DNSName": ".b.example.com"}, False),
        ({"DNSName": "example.com"}, False),
        ({"DNSName": "10.0.0.1"}, False),
        ({"CurrentTime": int(START.timestamp()) * 10**9}, True),
        ({"CurrentTime": (int(START.timestamp()) - 1) * 10**9}, False),
        ({"CurrentTime": (int(START.timestamp()) + 365 * 86400) * 10**9}, True),
        ({"CurrentTime": (int(START.timestamp()) + 365 * 86400 + 1) * 10**9}, False),
        ({"KeyUsages": ["KeyUsageCodeSigning"]}, True),
        ({"KeyUsages": []}, True),
        ({"MaxConstraintComparisons": 1}, True),
    ],
)
def test_the_options_decide_for_which_host_and_when(options: Any, valid: Any) -> None:
    assert verified(HELD["plain"], options)[0] is valid


def test_a_star_alone_is_no_host() -> None:
    assert verified(chain(leaf=[alternative("*")]), {"DNSName": "localhost"})[0] is False


def test_the_purpose_asked_must_be_allowed() -> None:
    client = FALLEN["purpose"]
    assert verified(client, {"KeyUsages": ["KeyUsageClientAuth"]})[0] is True
    assert verified(client, {"KeyUsages": ["KeyUsageServerAuth", "KeyUsageAny"]})[0] is True
    assert verified(client, {"KeyUsages": ["KeyUsageCodeSigning"]})[0] is False


def test_comparisons_of_names_are_counted() -> None:
    assert verified(HELD["permitted"], {"MaxConstraintComparisons": 1})[0] is False
    assert verified(HELD["permitted"], {"MaxConstraintComparisons": 2})[0] is True


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"DNSName": 1}, "'DNSName' should be a string"),
        ({"CurrentTime": "now"}, "'CurrentTime' should be a number"),
        ({"CurrentTime": 1.5}, "'CurrentTime' should be a valid int64 number"),
        ({"CurrentTime": 2**63}, "'CurrentTime' should be a valid int64 number"),
        ({"CurrentTime": True}, "'CurrentTime' should be a number"),
        ({"KeyUsages": "KeyUsageAny"}, "'KeyUsages' should be an Array or Set"),
        ({"KeyUsages": ["Any"]}, r"invalid entries for 'KeyUsages' found: \[Any\]"),
        ({"Roots": []}, "invalid key option"),
    ],
)
def test_options_that_make_no_sense_are_a_fault(options: Any, what: Any) -> None:
    with pytest.raises(BuiltinFault, match=what):
        verified(HELD["plain"], options)


def test_a_certificate_is_told_as_go_tells_it() -> None:
    text = pem(
        made(
            "end",
            "root",
            RSA,
            KEYS[0],
            extensions=[
                authority(0),
                usage(digital_signature=True, key_cert_sign=True),
                x509.ExtendedKeyUsage([Purpose.SERVER_AUTH, x509.ObjectIdentifier("1.2.3")]),
                x509.SubjectAlternativeName(
                    [
                        x509.DNSName("a.example.com"),
                        x509.RFC822Name("me@example.com"),
                        x509.IPAddress(ipaddress.ip_address("10.0.0.1")),
                        x509.UniformResourceIdentifier("https://me@example.com:8/p?q=1#f"),
                    ]
                ),
                x509.SubjectKeyIdentifier(b"\x01\x02"),
                limits(permitted=[x509.DNSName("example.com"), x509.IPAddress(ipaddress.ip_network("10.0.0.0/8"))]),
                x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier("2.5.29.32.0"), None)]),
                (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.840.113549.99"), b"\x05\x00"), True),
            ],
        )
    )
    (told,) = call("crypto.x509.parse_certificates", text)
    assert told["Version"] == 3
    assert told["SerialNumber"] == 2**80 + 1
    assert (told["SignatureAlgorithm"], told["PublicKeyAlgorithm"]) == (10, 1)
    assert told["PublicKey"] == {"N": RSA.public_key().public_numbers().n, "E": 65537}
    assert (told["NotBefore"], told["NotAfter"]) == ("2024-01-01T00:00:00Z", "2024-12-31T00:00:00Z")
    assert told["Subject"]["Country"] == ["NL"]
    assert told["Subject"]["Organization"] is None
    assert told["Subject"]["Names"][1] == {"Type": [2, 5, 4, 3], "Value": "end"}
    assert (told["KeyUsage"], told["ExtKeyUsage"], told["UnknownExtKeyUsage"]) == (33, [1], [[1, 2, 3]])
    assert (told["IsCA"], told["MaxPathLen"], told["MaxPathLenZero"], told["BasicConstraintsValid"]) == (True, 0, True, True)
    assert (told["DNSNames"], told["EmailAddresses"], told["IPAddresses"]) == (["a.example.com"], ["me@example.com"], ["10.0.0.1"])
    assert told["URIStrings"] == ["https://me@example.com:8/p?q=1#f"]
    link = told["URIs"][0]
    assert (link["Scheme"], link["Host"], link["Path"], link["RawQuery"], link["Fragment"]) == ("https", "example.com:8", "/p", "q=1", "f")
    assert told["SubjectKeyId"] == base64.b64encode(b"\x01\x02").decode()
    assert told["PermittedDNSDomainsCritical"] is True
    assert told["PermittedIPRanges"] == [{"IP": "10.0.0.0", "Mask": base64.b64encode(b"\xff\0\0\0").decode()}]
    assert (told["PolicyIdentifiers"], told["Policies"]) == ([[2, 5, 29, 32, 0]], ["2.5.29.32.0"])
    assert told["UnhandledCriticalExtensions"] == [[1, 2, 840, 113549, 99]]
    assert told["Extensions"][-1] == {"Id": [1, 2, 840, 113549, 99], "Critical": True, "Value": base64.b64encode(b"\x05\x00").decode()}
    der = x509.load_pem_x509_certificate(text.encode())
    assert base64.b64decode(told["RawTBSCertificate"]) == der.tbs_certificate_bytes
    assert base64.b64decode(told["RawSubject"]) == der.subject.public_bytes()
    assert base64.b64decode(told["RawIssuer"]) == der.issuer.public_bytes()


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (KEYS[0], 3),
        (ed25519.Ed25519PrivateKey.generate(), 4),
        (dsa.generate_private_key(2048), 2),
        (ec.generate_private_key(ec.SECP256K1()), 3),
    ],
)
def test_every_kind_of_public_key_is_told(key: Any, algorithm: Any) -> None:
    (told,) = call("crypto.x509.parse_certificates", pem(made("a", "b", key, KEYS[0])))
    assert told["PublicKeyAlgorithm"] == algorithm
    assert told["PublicKey"]


def test_base64_of_pem_and_of_der_are_read_as_well() -> None:
    text = HELD["plain"]
    told = call("crypto.x509.parse_certificates", text)
    assert call("crypto.x509.parse_certificates", base64.b64encode(text.encode()).decode()) == told
    der = b"".join(base64.b64decode(one["Raw"]) for one in told)
    assert call("crypto.x509.parse_certificates", base64.b64encode(der).decode()) == told


def test_a_request_is_told_with_the_names_that_it_asks_for() -> None:
    request = (
        x509.CertificateSigningRequestBuilder().subject_name(name_of("me")).add_extension(alternative("a.example.com"), critical=False)
    )
    text = request.sign(RSA, hashes.SHA256()).public_bytes(Encoding.PEM).decode()
    told = call("crypto.x509.parse_certificate_request", text)
    assert (told["Subject"]["CommonName"], told["DNSNames"], told["SignatureAlgorithm"], told["Version"]) == ("me", ["a.example.com"], 4, 0)
    assert told["Extensions"][0]["Id"] == [2, 5, 29, 17]
    with pytest.raises(BuiltinFault, match="invalid PEM-encoded certificate signing request"):
        call("crypto.x509.parse_certificate_request", base64.b64encode(HELD["plain"].encode()).decode())


@pytest.mark.parametrize("key", [RSA, KEYS[0], ed25519.Ed25519PrivateKey.generate()])
def test_a_key_pair_is_one_only_if_the_two_belong_together(key: Any) -> None:
    text = pem(made("a", "a", key, key))
    told = call("crypto.x509.parse_keypair", text, private(key))
    assert told["Leaf"]["Subject"]["CommonName"] == "a"
    with pytest.raises(BuiltinFault, match="private key does not match public key"):
        call("crypto.x509.parse_keypair", text, private(KEYS[3]))
    with pytest.raises(BuiltinFault, match="failed to find any PEM data in key input"):
        call("crypto.x509.parse_keypair", text, text)
    with pytest.raises(BuiltinFault, match="failed to find any PEM data in certificate input"):
        call("crypto.x509.parse_keypair", private(key), private(key))


def test_private_keys_are_told_as_go_tells_them_and_as_jwk() -> None:
    edwards = ed25519.Ed25519PrivateKey.generate()
    texts = [private(RSA, PrivateFormat.TraditionalOpenSSL), private(KEYS[0], PrivateFormat.TraditionalOpenSSL), private(edwards)]
    first, second, third = call("crypto.parse_private_keys", "\n".join(texts))
    numbers = RSA.private_numbers()
    assert (first["D"], first["Primes"], first["Precomputed"]["Dp"]) == (numbers.d, [numbers.p, numbers.q], numbers.dmp1)
    assert (second["D"], second["Curve"]) == (KEYS[0].private_numbers().private_value, {})
    assert len(base64.b64decode(third)) == 64
    kinds = [call("crypto.x509.parse_rsa_private_key", text)["kty"] for text in texts]
    assert kinds == ["RSA", "EC", "OKP"]
    assert call("crypto.x509.parse_rsa_private_key", base64.b64encode(b"nothing").decode()) is None


def test_an_encrypted_or_broken_private_key_is_a_fault() -> None:
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption

    locked = RSA.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, BestAvailableEncryption(b"x")).decode()
    for text in (locked, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"):
        with pytest.raises(BuiltinFault, match="failed to parse private key"):
            call("crypto.parse_private_keys", text)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "PEM block type is 'PUBLIC KEY', expected CERTIFICATE"),
        ("AAA", "illegal base64 data at input byte 0"),
        ("QUJD*", "illegal base64 data at input byte 4"),
        ("QUI=QUI=", "illegal base64 data at input byte 4"),
        ("QQ=A", "illegal base64 data at input byte 3"),
        (base64.b64encode(b"\x30\x84\xff\xff\xff\xff").decode(), "x509: malformed certificate"),
        (base64.b64encode(b"\x30\x80\x00\x00").decode(), "x509: malformed certificate"),
        (base64.b64encode(b"\x30\x00" * 300).decode(), "more than 256 certificates"),
    ],
)
def test_a_text_that_is_no_certificate_is_a_fault(text: Any, what: Any) -> None:
    with pytest.raises(BuiltinFault, match=what.replace("*", ".")):
        call("crypto.x509.parse_certificates", text)


def test_a_text_that_is_too_long_is_over_the_limit_and_a_hostile_one_ends_soon() -> None:
    began = time.thread_time()
    with pytest.raises(OverLimit):
        call("crypto.x509.parse_certificates", "A" * 1_100_000)
    root = made("root", "root", KEYS[0], KEYS[0], extensions=[authority()])
    crossed = [made("root", "root", key, KEYS[0], extensions=[authority()]) for key in KEYS[1:]] * 40
    for text in (
        pem(root, *crossed, made("end", "nobody", KEYS[2], KEYS[1], extensions=[alternative("a")])),
        pem(root, *crossed, made("end", "root", KEYS[2], RSA, extensions=[alternative("a")])),
        "-----BEGIN CERTIFICATE-----\n" * 35_000,
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" * 15_000,
    ):
        assert verified(text) == [False, []]
        with suppress(BuiltinFault):
            call("crypto.parse_private_keys", text.replace("CERTIFICATE", "PRIVATE KEY"))
    assert time.thread_time() - began < 8


def test_operands_of_the_wrong_type_are_told() -> None:
    for name in ("crypto.x509.parse_certificates", "crypto.parse_private_keys", "crypto.x509.parse_certificate_request"):
        with pytest.raises(OperandFault, match="operand 1 must be string but got number"):
            call(name, 1)
    with pytest.raises(OperandFault, match="operand 2 must be object but got string"):
        call("crypto.x509.parse_and_verify_certificates_with_options", "", "")


whole = [base64.b64decode(one["Raw"]) for one in call("crypto.x509.parse_certificates", HELD["plain"])]


@st.composite
def damaged(draw: Any) -> Any:
    der = bytearray(draw(st.sampled_from(whole)))
    for _ in range(draw(st.integers(1, 4))):
        der[draw(st.integers(0, len(der) - 1))] = draw(st.integers(0, 255))
    return base64.b64encode(bytes(der)).decode()


@settings(max_examples=400, deadline=None)
@given(
    st.text(max_size=60) | damaged() | st.sampled_from([*HELD.values(), private(RSA)]),
    st.dictionaries(
        st.sampled_from(["DNSName", "CurrentTime", "KeyUsages"]),
        st.none() | st.integers() | st.text(max_size=5) | st.lists(st.text(max_size=5), max_size=2),
    ),
)
def test_whatever_the_text_the_fault_is_one_of_ours(text: Any, options: Any) -> None:
    before = copy.deepcopy(options)
    for name in sorted(TABLE):
        if name.startswith(("crypto.x509.", "crypto.parse")):
            operands = [text, options] if name.endswith("options") else [text] * len(TABLE[name].signature.args)
            with suppress(BuiltinFault, OverLimit):
                call(name, *operands)
    assert options == before
