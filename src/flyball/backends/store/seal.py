"""The log's key, and its checkpoints: signed by the writer after each batch, read back by whoever verifies.

The private key lies in `<state>/log.key` (mode 0600, the text form of Go's note package), the public one in `<state>/log.vkey`.
The newest checkpoint stands in the database, and outside of it in `<state>/checkpoint`: a database put back from an older
copy does not match that file. Nothing here helps against somebody who holds the key and both files: only a witness does.
"""

from __future__ import annotations

import os
import stat
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from flyball.errors import NotReady, ProofFailed
from flyball.rules.merkle import Head
from flyball.rules.note import (
    ED25519,
    BadNote,
    Checkpoint,
    Sign,
    VerifierKey,
    checkpoint_text,
    note_text,
    parse_checkpoint,
    parse_note,
    sign_note,
    verify_note,
)

KEY_FILE = "log.key"
VKEY_FILE = "log.vkey"
CHECKPOINT_FILE = "checkpoint"

_PRIVATE = "PRIVATE+KEY"


@dataclass(frozen=True, slots=True)
class Seal:
    """The log's name and public key, and the function that signs with the private one."""

    key: VerifierKey
    sign: Sign

    def checkpoint(self, head: Head) -> str:
        """Sign a head of the log: the checkpoint as a note."""
        return note_text(sign_note(checkpoint_text(Checkpoint(self.key.name, head.size, head.root)), self.key, self.sign))


def verify_ed25519(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether `signature` is that key's over the message (RFC 8032)."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def read_checkpoint(raw: bytes, key: VerifierKey) -> Checkpoint:
    """Read a signed checkpoint of the log that `key` belongs to. Raises BadNote where it is malformed, foreign or not signed by it."""
    note = parse_note(raw)
    if not verify_note(note, [key], verify_ed25519):
        raise BadNote(f"it bears no good signature of {key.name}")
    found = parse_checkpoint(note.text)
    if found.origin != key.name:
        raise BadNote(f"it is of the log {found.origin!a}, not of {key.name}")
    return found


def load_seal(state: Path, origin: str = "") -> Seal:
    """Read the log's key. Raises NotReady where it is missing, malformed or readable by others."""
    path = state / KEY_FILE
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        text = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise NotReady(
            f"the log's key {path} cannot be read", str(error), "put it back from a copy: a new key would not continue this log"
        ) from None
    if mode & 0o077:
        raise NotReady(f"the log's key {path} is open to others", f"its mode is {mode:o}", f"run: chmod 600 {path}")
    seal = _parse_key(text, path)
    if origin and origin != seal.key.name:
        raise NotReady(f"the log in {state} is named {seal.key.name}, not {origin}", "the name is part of its key", "use that name")
    public = state / VKEY_FILE
    if not public.exists():
        _write(public, seal.key.text + "\n", 0o644)
    elif public.read_text("ascii", "replace").strip() != seal.key.text:
        raise ProofFailed(f"{public} is not the public key of {path}", "one of the two was replaced", "put both back from a copy")
    return seal


def make_seal(state: Path, origin: str = "") -> Seal:
    """Make the key of a new log, named `origin` or, without one, after its own key; durable on return."""
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes_raw()
    name = origin or f"flyball.local/{sha256(public).hexdigest()[:12]}"
    try:
        key = VerifierKey(name, public)
    except BadNote as error:
        raise NotReady(f"{name!a} cannot name a log", str(error), "choose a name like flyball.example.com/ops") from None
    secret = b64encode(bytes([ED25519]) + private.private_bytes_raw()).decode()
    _write(state / KEY_FILE, f"{_PRIVATE}+{name}+{key.key_hash.hex()}+{secret}\n", 0o600)
    _write(state / VKEY_FILE, key.text + "\n", 0o644)
    return Seal(key, private.sign)


class Outside:
    """The checkpoint file beside the database, replaced as a whole and durable on return. Used by the writer's thread only."""

    def __init__(self, state: Path, may: Callable[[], bool]) -> None:
        """Aim at `<state>/checkpoint`. `may` says whether the folder still is ours: a server that was taken over writes nothing."""
        self._may = may
        self._path = state / CHECKPOINT_FILE
        self._fresh = state / f"{CHECKPOINT_FILE}.new"

    def write(self, note: str) -> None:
        """Replace the file. Raises OSError; the old file then still stands."""
        if not self._may():
            return
        fd = os.open(self._fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            os.write(fd, note.encode())
            os.fdatasync(fd)
        finally:
            os.close(fd)
        self._fresh.replace(self._path)


def _parse_key(text: str, path: Path) -> Seal:
    try:
        private, kind, name, hashed, encoded = text.split("+", 4)
        raw = b64decode(encoded, validate=True)
        signer = Ed25519PrivateKey.from_private_bytes(raw[1:])
        key = VerifierKey(name, signer.public_key().public_bytes_raw())
    except ValueError as error:
        raise NotReady(f"the log's key {path} is malformed", str(error), "put it back from a copy") from None
    if f"{private}+{kind}" != _PRIVATE or raw[:1] != bytes([ED25519]) or hashed != key.key_hash.hex():
        raise NotReady(f"the log's key {path} is malformed", "its parts do not belong together", "put it back from a copy")
    return Seal(key, signer.sign)


def _write(path: Path, text: str, mode: int) -> None:
    """Write a file that must not exist yet, durable on return."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        os.write(fd, text.encode())
        os.fsync(fd)
    finally:
        os.close(fd)
