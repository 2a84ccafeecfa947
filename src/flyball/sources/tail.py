"""Log tails: a line that matches opens a session. `backends/tail_file.py` reads the files; this reads what it delivers."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping

import orjson

from flyball.errors import BadInput
from flyball.model.session import Signal

FIX = "tails are set in flyball.yaml"


class Tail:
    """Meets `ports.Source`: reads the small documents that `FileTail.read` makes."""

    name = "tail"

    def identify(self, raw: bytes, headers: Mapping[str, str]) -> str:
        """Give the digest of all but the time: the file and the place in it are named, so that lines read twice are one delivery."""
        del headers
        try:
            doc = orjson.loads(raw)
        except orjson.JSONDecodeError:
            doc = None
        if isinstance(doc, dict) and "inode" in doc:
            raw = orjson.dumps({**doc, "at": 0}, option=orjson.OPT_SORT_KEYS)
        return hashlib.sha256(raw).hexdigest()[:32]

    def read(self, raw: bytes, headers: Mapping[str, str]) -> tuple[Signal, ...]:
        """Parse what one look at one file found. Raises BadInput."""
        del headers
        try:
            doc = orjson.loads(raw)
            name, target, alert, at = doc["name"], doc["target"], doc["alert"], float(doc["at"])
            lines, count = doc["lines"], int(doc["count"])
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as fault:
            raise BadInput("this is not what a tail delivers", str(fault), FIX) from fault
        texts = isinstance(lines, list) and lines and all(isinstance(one, str) for one in (name, target, alert, *lines))
        if not texts or not math.isfinite(at):
            raise BadInput("this is not what a tail delivers", "name, target, alert and lines are texts and at is a time", FIX)
        return (
            Signal(
                source="tail",
                id=self.identify(raw, {}),
                key=f"tail:{name}",
                name=alert,
                target=target,
                at=at,
                summary=lines[0][:200],
                labels={"service": target, "tail": name},
                annotations={"lines": "\n".join(lines), "count": str(count)},
                body=doc,
                agent=str(doc.get("agent", "")),
            ),
        )


SOURCE = Tail()
