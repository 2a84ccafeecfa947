"""Notes with real Ed25519 keys, and with the pair that the specification publishes."""

from base64 import b64encode

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from flyball.rules.merkle import EMPTY_ROOT, Head, leaf_hash
from flyball.rules.note import (
    MOST_SIGNATURES,
    MOST_SIZE,
    BadNote,
    Checkpoint,
    Note,
    Signature,
    VerifierKey,
    add_signature,
    checkpoint_text,
    key_hash,
    note_text,
    parse_checkpoint,
    parse_note,
    parse_vkey,
    sign_note,
    verify_note,
)

# The example at the end of c2sp.org/signed-note (C2SP/C2SP, signed-note.md).
PUBLISHED_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
PUBLISHED_NOTE = (
    "This is an example message.\n\n"
    "\u2014 example.com/foo "
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
).encode()
# The checkpoint that opens c2sp.org/tlog-checkpoint.
PUBLISHED_CHECKPOINT = (
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    "\u2014 example.com/behind-the-sofa "
    "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
).encode()


def ed25519(public: bytes, signature: bytes, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def pair(name: str, seed: int) -> tuple[VerifierKey, Ed25519PrivateKey]:
    private = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
    return VerifierKey(name, private.public_key().public_bytes_raw()), private


LOG, LOG_PRIVATE = pair("log.example/one", 1)
OTHER, OTHER_PRIVATE = pair("witness.example/w", 2)
NOTE = sign_note("the text\n", LOG, LOG_PRIVATE.sign)


def test_the_published_pair() -> None:
    key = parse_vkey(PUBLISHED_KEY)
    note = parse_note(PUBLISHED_NOTE)
    assert key.name == "example.com/foo"
    assert key.key_hash.hex() == "530d903a"
    assert key.text == PUBLISHED_KEY
    assert note.text == "This is an example message.\n"
    assert note_text(note).encode() == PUBLISHED_NOTE
    assert verify_note(note, [key], ed25519) == (key,)
    changed = parse_note(PUBLISHED_NOTE.replace(b"an example", b"no example"))
    assert verify_note(changed, [key], ed25519) == ()


def test_the_published_checkpoint() -> None:
    note = parse_note(PUBLISHED_CHECKPOINT)
    checkpoint = parse_checkpoint(note.text)
    assert (checkpoint.origin, checkpoint.size, checkpoint.root[:3]) == (
        "example.com/behind-the-sofa",
        20852163,
        b"\n\xc5\x18",
    )
    assert checkpoint.head == Head(20852163, checkpoint.root)
    assert checkpoint_text(checkpoint) == note.text
    assert note_text(note).encode() == PUBLISHED_CHECKPOINT


def test_signing_twice_and_verifying_each() -> None:
    both = add_signature(NOTE, OTHER, OTHER_PRIVATE.sign)
    read = parse_note(note_text(both).encode())
    assert read == both
    assert verify_note(read, [OTHER, LOG], ed25519) == (LOG, OTHER)
    assert verify_note(read, [OTHER], ed25519) == (OTHER,)
    assert verify_note(read, [], ed25519) == ()
    assert verify_note(add_signature(NOTE, LOG, LOG_PRIVATE.sign), [LOG], ed25519) == (LOG,)


def test_a_key_of_the_same_name_or_the_same_bytes_is_another_key() -> None:
    same_name, _ = pair(LOG.name, 9)
    same_bytes = VerifierKey("log.example/two", LOG.public)
    assert verify_note(NOTE, [same_name, same_bytes], ed25519) == ()
    assert key_hash(LOG.name, LOG.public) != key_hash(LOG.name, LOG.public, 0x04)


def test_one_bad_signature_of_a_known_key_spoils_the_note() -> None:
    both = add_signature(NOTE, OTHER, LOG_PRIVATE.sign)
    assert verify_note(both, [LOG], ed25519) == (LOG,)
    assert verify_note(both, [LOG, OTHER], ed25519) == ()
    short = Note(NOTE.text, (Signature(LOG.name, LOG.key_hash, NOTE.signatures[0].signature[:-1]),))
    assert verify_note(short, [LOG], lambda _public, _signature, _message: True) == ()


@given(st.integers(0, 8 * 64 - 1))
def test_any_one_bit_of_a_signature_breaks_it(bit: int) -> None:
    (signed,) = NOTE.signatures
    changed = (int.from_bytes(signed.signature) ^ 1 << bit).to_bytes(64)
    assert verify_note(Note(NOTE.text, (Signature(signed.name, signed.key_hash, changed),)), [LOG], ed25519) == ()


LINES = st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"]))


@given(st.lists(LINES, min_size=1))
def test_notes_read_back(lines: list[str]) -> None:
    note = sign_note("".join(line + "\n" for line in lines), LOG, lambda _message: b"s" * 64)
    assert parse_note(note_text(note).encode()) == note


@given(LINES.filter(bool), st.integers(0, MOST_SIZE), st.binary(min_size=32, max_size=32), st.lists(LINES.filter(bool)))
def test_checkpoints_read_back(origin: str, size: int, root: bytes, extensions: list[str]) -> None:
    checkpoint = Checkpoint(origin, size, root, tuple(extensions))
    assert parse_checkpoint(checkpoint_text(checkpoint)) == checkpoint


def test_a_checkpoint_as_the_log_writes_it() -> None:
    assert checkpoint_text(Checkpoint("log.example/one", 0, EMPTY_ROOT)) == (
        "log.example/one\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
    )


ROOT = b64encode(leaf_hash(b"")).decode()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"log\n1\n{ROOT}", "ends in a newline"),
        ("log\n1\n", "at least three lines"),
        (f"\n1\n{ROOT}\n", "is one line, not empty"),
        (f"log\n1\n{ROOT}\n\n", "is one line, not empty"),
        (f"log\n01\n{ROOT}\n", "without leading zeros"),
        (f"log\n-1\n{ROOT}\n", "without leading zeros"),
        (f"log\n1 \n{ROOT}\n", "without leading zeros"),
        (f"log\n\u0661\n{ROOT}\n", "without leading zeros"),
        (f"log\n{10**19}\n{ROOT}\n", "without leading zeros"),
        (f"log\n{2**63}\n{ROOT}\n", "cannot be of 9223372036854775808 entries"),
        (f"log\n1\n{ROOT[:-4]}\n", "has 30 bytes, not 32"),
        (f"log\n1\n{ROOT[:-1]}\n", "is not base64"),
        (f"log\n1\n{ROOT[:-2]}1=\n", "is not base64"),
        ("log\n1\n\n", "is not base64"),
        (f"log\n1\n{ROOT[:-1]}\u00e9\n", "is not base64"),
    ],
)
def test_text_that_is_no_checkpoint(text: str, words: str) -> None:
    with pytest.raises(BadNote, match=words):
        parse_checkpoint(text)


def test_a_checkpoint_that_would_not_read_back_cannot_be_made() -> None:
    for origin in ("", "two\nlines", "tab\there"):
        with pytest.raises(BadNote, match="is one line"):
            Checkpoint(origin, 1, EMPTY_ROOT)
    with pytest.raises(BadNote, match="cannot be of -1"):
        Checkpoint("log", -1, EMPTY_ROOT)


SIGNED = "\u2014 log.example/one AAAAAAA=\n"


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "an empty line"),
        (b"text\n", "an empty line"),
        (f"text\n{SIGNED}".encode(), "an empty line"),
        (b"text\n\n", "an empty line"),
        (f"text\n\n{SIGNED[:-1]}".encode(), "each end in a newline"),
        (f"te\txt\n\n{SIGNED}".encode(), "control character"),
        (f"te\r\nxt\n\n{SIGNED}".encode(), "control character"),
        (b"text\xff\n\n", "byte 4 of the note is not UTF-8"),
        (b"text\n\n- log AAAAAAA=\n", "a signature line is"),
        ("text\n\n\u2014 log\n".encode(), "a signature line is"),
        ("text\n\n\u2014 log  AAAAAAA=\n".encode(), "a signature line is"),
        ("text\n\n\u2014  AAAAAAA=\n".encode(), "cannot name a key"),
        ("text\n\n\u2014 a+b AAAAAAA=\n".encode(), "cannot name a key"),
        ("text\n\n\u2014 a\u00a0b AAAAAAA=\n".encode(), "cannot name a key"),
        ("text\n\n\u2014 a\x01b AAAAAAA=\n".encode(), "cannot name a key"),
        ("text\n\n\u2014 log AAAAAA==\n".encode(), "too short"),
        ("text\n\n\u2014 log AAAAAAB=\n".encode(), "is not base64"),
        ("text\n\n\u2014 log AAAA*AAA\n".encode(), "is not base64"),
        (f"text\n\n{SIGNED * (MOST_SIGNATURES + 1)}".encode(), "with 65 signatures"),
        (b"x" * 1_000_001, "a note of 1000001 bytes"),
    ],
)
def test_bytes_that_are_no_note(raw: bytes, words: str) -> None:
    with pytest.raises(BadNote, match=words):
        parse_note(raw)


def test_many_signatures_are_read() -> None:
    assert len(parse_note(f"text\n\n{SIGNED * MOST_SIGNATURES}".encode()).signatures) == MOST_SIGNATURES


def test_the_text_ends_at_the_last_empty_line() -> None:
    assert parse_note(f"a\n\nb\n\n\n{SIGNED}".encode()).text == "a\n\nb\n\n"


@pytest.mark.parametrize("text", ["", "no newline", "bell\x07\n"])
def test_text_that_cannot_be_signed(text: str) -> None:
    with pytest.raises(BadNote, match="the text of a note"):
        sign_note(text, LOG, LOG_PRIVATE.sign)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("example.com/foo+530d903a", "three parts"),
        (PUBLISHED_KEY.replace("530d903a", "530d903b"), "gives the hash 530d903a"),
        (PUBLISHED_KEY.replace("530d903a", "530D903A"), "gives the hash 530d903a"),
        (PUBLISHED_KEY.replace("foo", "bar"), "gives the hash"),
        (PUBLISHED_KEY.replace("AekyeR", "BOkyeR"), "not of type Ed25519"),
        (PUBLISHED_KEY[:-4], "has 29 bytes, not 32"),
        (PUBLISHED_KEY + "!", "is not base64"),
        ("+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", "cannot name a key"),
        ("a b+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", "cannot name a key"),
    ],
)
def test_text_that_is_no_verifier_key(text: str, words: str) -> None:
    with pytest.raises(BadNote, match=words):
        parse_vkey(text)
