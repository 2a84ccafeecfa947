"""Signed notes and checkpoints: how a head of the log is written, signed and read.

The formats are c2sp.org/signed-note and c2sp.org/tlog-checkpoint.

The sequencer signs a checkpoint for each batch; a witness, an exporter and `flyball audit verify` read them. Signing and
verifying are handed in as functions, so nothing here holds a private key or knows a cryptographic library. Only Ed25519
(type 0x01) is signed and verified; lines of other keys are kept as they are and never counted.
"""

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

from flyball.rules.merkle import HASH_BYTES, Head

ED25519 = 0x01
"""The signature type of plain Ed25519 over the note's text."""

KEY_HASH_BYTES = 4
PUBLIC_KEY_BYTES = 32
SIGNATURE_BYTES = 64

MOST_NOTE_BYTES = 1_000_000
MOST_SIGNATURES = 64
MOST_SIZE = 2**63 - 1
"""The largest tree size that is read: what every other implementation can hold."""

Sign = Callable[[bytes], bytes]
"""Signs a message: -> 64 bytes of Ed25519 (RFC 8032)."""

Verify = Callable[[bytes, bytes, bytes], bool]
"""(public key, signature, message) -> whether the signature is that key's over the message."""


class BadNote(ValueError):
    """Text that is not a note, a checkpoint or a key as the specifications have them; its words say why."""


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A named public key. `public` is 32 bytes of Ed25519; raises BadNote where name or key cannot be one."""

    name: str
    public: bytes

    def __post_init__(self) -> None:
        """Refuse a key whose notes nobody could read."""
        _refuse_name(self.name)
        if len(self.public) != PUBLIC_KEY_BYTES:
            raise BadNote(f"the key of {self.name} has {len(self.public)} bytes, not {PUBLIC_KEY_BYTES}")

    @property
    def key_hash(self) -> bytes:
        """The four bytes by which signature lines name this key."""
        return key_hash(self.name, self.public)

    @property
    def text(self) -> str:
        """The key as people hand it on: name+hash+key (a "vkey")."""
        return f"{self.name}+{self.key_hash.hex()}+{_base64(bytes([ED25519]) + self.public)}"


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: who signed, by which key (4 bytes), and the bytes of the signature."""

    name: str
    key_hash: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A text ending in a newline, and the signatures under it, in order."""

    text: str
    signatures: tuple[Signature, ...]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of a log: whose it is, how many entries it has, and their root (32 bytes).

    `extensions` are further lines that others may have written; ours have none. Raises BadNote where a part could not
    be written and read again.
    """

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what would not read back as it was."""
        for line in (self.origin, *self.extensions):
            if not line or min(line) < " ":
                raise BadNote("an origin or extension of a checkpoint is one line, not empty, without control characters")
        if not 0 <= self.size <= MOST_SIZE:
            raise BadNote(f"a checkpoint cannot be of {self.size} entries")
        if len(self.root) != HASH_BYTES:
            raise BadNote(f"the root in a checkpoint has {len(self.root)} bytes, not {HASH_BYTES}")

    @property
    def head(self) -> Head:
        """Size and root, as the proofs take them."""
        return Head(self.size, self.root)


def key_hash(name: str, public: bytes, algorithm: int = ED25519) -> bytes:
    """The four bytes that name a key: SHA-256(name || newline || algorithm || public key), cut short."""
    return sha256(name.encode() + b"\n" + bytes([algorithm]) + public).digest()[:KEY_HASH_BYTES]


def parse_vkey(text: str) -> VerifierKey:
    """Reads a verifier key. Raises BadNote where it is malformed, not Ed25519, or its hash is not that of its key."""
    parts = text.split("+", 2)
    if len(parts) != len(("name", "hash", "key")):
        raise BadNote("a verifier key has three parts with a plus between: name, hash, key")
    name, hashed, encoded = parts
    raw = _unbase64(encoded, "verifier key")
    if raw[:1] != bytes([ED25519]):
        raise BadNote(f"the verifier key of {name} is not of type Ed25519 (1)")
    key = VerifierKey(name, raw[1:])
    if hashed != key.key_hash.hex():
        raise BadNote(f"the verifier key of {name} gives the hash {key.key_hash.hex()}, not the one written in it")
    return key


def checkpoint_text(checkpoint: Checkpoint) -> str:
    """The text of the note that signs a checkpoint: origin, size, root, one line each."""
    lines = (checkpoint.origin, str(checkpoint.size), _base64(checkpoint.root), *checkpoint.extensions)
    return "".join(line + "\n" for line in lines)


def parse_checkpoint(text: str) -> Checkpoint:
    """Reads the text of a note as a checkpoint. Raises BadNote. Only a verified note's text says anything."""
    if not text.endswith("\n"):
        raise BadNote("a checkpoint ends in a newline")
    lines = text[:-1].split("\n")
    if len(lines) < len(("origin", "size", "root")):
        raise BadNote("a checkpoint has at least three lines: origin, size, root")
    origin, size, root, *extensions = lines
    if not re.fullmatch(r"0|[1-9][0-9]{0,18}", size):
        raise BadNote("the second line of a checkpoint is its size, in digits without leading zeros")
    return Checkpoint(origin, int(size), _unbase64(root, "root of the checkpoint"), tuple(extensions))


def sign_note(text: str, key: VerifierKey, sign: Sign) -> Note:
    """The text with one signature under it. Raises BadNote where the text cannot be signed as a note."""
    return add_signature(Note(text, ()), key, sign)


def add_signature(note: Note, key: VerifierKey, sign: Sign) -> Note:
    """The note with one more signature, below those it has. Raises BadNote as `sign_note` does."""
    _refuse_text(note.text)
    made = Signature(key.name, key.key_hash, sign(note.text.encode()))
    return replace(note, signatures=(*note.signatures, made))


def note_text(note: Note) -> str:
    """The note as it is stored and sent: text, an empty line, the signature lines."""
    lines = [f"\u2014 {one.name} {_base64(one.key_hash + one.signature)}\n" for one in note.signatures]
    return f"{note.text}\n{''.join(lines)}"


def parse_note(raw: bytes) -> Note:
    """Reads a note; nothing is verified yet. Raises BadNote where it is malformed, oversized or unsigned."""
    if len(raw) > MOST_NOTE_BYTES:
        raise BadNote(f"a note of {len(raw)} bytes is over the {MOST_NOTE_BYTES} that are read")
    try:
        whole = raw.decode()
    except UnicodeDecodeError as error:
        raise BadNote(f"byte {error.start} of the note is not UTF-8") from None
    text, gap, under = whole.rpartition("\n\n")
    if not gap or not under.endswith("\n"):
        raise BadNote("a note is a text, an empty line, and signature lines that each end in a newline")
    text += "\n"
    _refuse_text(text)
    lines = under[:-1].split("\n")
    if len(lines) > MOST_SIGNATURES:
        raise BadNote(f"a note with {len(lines)} signatures is over the {MOST_SIGNATURES} that are read")
    return Note(text, tuple(_parse_signature(line) for line in lines))


def verify_note(note: Note, keys: Iterable[VerifierKey], verify: Verify) -> tuple[VerifierKey, ...]:
    """Which of the known keys signed the note; none means that it must not be believed.

    Signatures of unknown keys are passed over. One of a known key that does not verify makes the whole note worthless:
    the answer is then empty, whoever else signed.
    """
    known = {(key.name, key.key_hash): key for key in keys}
    message = note.text.encode()
    found: dict[VerifierKey, None] = {}
    for one in note.signatures:
        key = known.get((one.name, one.key_hash))
        if key is None:
            continue
        if len(one.signature) != SIGNATURE_BYTES or not verify(key.public, one.signature, message):
            return ()
        found[key] = None
    return tuple(found)


def _parse_signature(line: str) -> Signature:
    """Reads one line: em dash, name, base64 of key hash and signature, a space between."""
    parts: Sequence[str] = line.split(" ")
    if len(parts) != len(("dash", "name", "base64")) or parts[0] != "\u2014":
        raise BadNote("a signature line is an em dash, a name and base64, with one space between")
    _refuse_name(parts[1])
    raw = _unbase64(parts[2], f"signature of {parts[1]}")
    if len(raw) <= KEY_HASH_BYTES:
        raise BadNote(f"the signature of {parts[1]} is too short to be one")
    return Signature(parts[1], raw[:KEY_HASH_BYTES], raw[KEY_HASH_BYTES:])


def _refuse_name(name: str) -> None:
    if not name or "+" in name or any(one.isspace() or one < " " for one in name):
        raise BadNote(f"{name!a:.80} cannot name a key: it must not be empty nor hold a space or a plus")


def _refuse_text(text: str) -> None:
    if not text.endswith("\n"):
        raise BadNote("the text of a note ends in a newline")
    if min(text.replace("\n", " ")) < " ":
        raise BadNote("the text of a note holds a control character")


def _base64(raw: bytes) -> str:
    return b64encode(raw).decode()


def _unbase64(text: str, what: str) -> bytes:
    """Decodes standard base64 that is written in its one canonical way: two spellings would be two notes."""
    try:
        raw = b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raw = b""
    if not raw or _base64(raw) != text:
        raise BadNote(f"the {what} is not base64")
    return raw
