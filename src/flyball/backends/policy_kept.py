"""What was asked of policy and what it answered, kept for a while: `flyball policy simulate` asks it again. Made by `compose`.

Lines of JSON in the form of OPA's decision log events, in files of bounded size and number below the state folder. This is no record of
truth (the log is): a line that a crash tore is left out when it is read, and the oldest file makes room for the newest.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import orjson

from flyball.backends.policy_answer import Asked
from flyball.model.policy import PolicyAnswer

FILE_BYTES: Final = 16 * 1024 * 1024
FILES: Final = 8
MOST_LINE: Final = 1024 * 1024


class Kept:
    """Decisions of policy below `folder`, at most `FILES` files of `FILE_BYTES` each; the oldest goes first."""

    def __init__(self, folder: Path, path: str = "flyball/answer") -> None:
        """Open the newest file, or the first one. Raises OSError where the folder cannot be made."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder, self._path = folder, path
        names = sorted(folder.glob("*.jsonl"))
        self._number = int(names[-1].stem) if names and names[-1].stem.isdecimal() else 1
        self._open()

    def _open(self) -> None:
        path = self._folder / f"{self._number:08}.jsonl"
        self._fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._size = os.fstat(self._fd).st_size
        if self._size and os.pread(self._fd, 1, self._size - 1) != b"\n":
            self._size += os.write(self._fd, b"\n")  # a crash tore the last line: the next one is not part of it

    def add(self, asked: Asked, answer: PolicyAnswer, digest: str) -> None:
        """Keep one decision. A disk that is full keeps nothing: the decision stands without it."""
        self.write(
            {
                "decision_id": answer.asked or asked.id,
                "path": self._path,
                "bundles": {"flyball": {"revision": digest}},
                "timestamp": _rfc3339(asked.doc["now"]),
                "result": document(answer),
                "input": orjson.Fragment(asked.raw),
            }
        )

    def write(self, event: Mapping[str, Any]) -> None:
        """Append one event, in a file that still has room."""
        line = orjson.dumps(event) + b"\n"
        if len(line) > MOST_LINE:
            return
        with suppress(OSError):
            if self._size + len(line) > FILE_BYTES:
                self._turn()
            self._size += os.write(self._fd, line)

    def _turn(self) -> None:
        full = self._fd
        self._number += 1
        for old in sorted(self._folder.glob("*.jsonl"))[: -(FILES - 1)]:
            old.unlink(missing_ok=True)
        self._open()  # before the full one is closed: where this fails, the number still is ours
        os.close(full)

    def close(self) -> None:
        """Let go of the file; twice is once."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1


def document(answer: PolicyAnswer) -> dict[str, Any]:
    """An answer as the policy gave it."""
    return {
        "effect": answer.effect,
        "zone": answer.zone,
        "reason": answer.reason,
        "rule": answer.rule,
        "approvers": {"group": answer.group, "quorum": answer.quorum, "factor": answer.factor},
        "obligations": list(answer.obligations),
        "constraints": dict(answer.constraints),
    }


def read(folder: Path, since: float = 0.0) -> Iterator[dict[str, Any]]:
    """Every decision kept at or after `since` (Unix seconds, by the clock of its question), oldest first."""
    for path in sorted(folder.glob("*.jsonl")):
        with path.open("rb") as lines:
            for line in lines:
                event = _parsed(line)
                if event is not None and event["input"].get("now", 0.0) >= since:
                    yield event


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        event = orjson.loads(line)
    except ValueError:
        return None
    whole = isinstance(event, dict) and isinstance(event.get("input"), dict) and isinstance(event.get("result"), dict)
    return event if whole else None


def _rfc3339(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")
