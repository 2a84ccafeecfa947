"""Reads what OPA packs: a gzipped tar of `.rego` files, `data.json` files, a `.manifest`, and the plan where it was built with one.

`opa build -t plan` puts `plan.json` at the root. A document of data lies where the folder of its file says. Nothing of a bundle is
believed: sizes, numbers of files and paths are bounded. https://www.openpolicyagent.org/docs/management-bundles
"""

import io
import json
import tarfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final

from flyball.rego.error import Mistake, Place, Refused

MOST_BYTES: Final = 64 * 1024 * 1024  # of the tar, unpacked
MOST_FILES: Final = 10_000
MANIFEST, PLAN, DATA = ".manifest", "plan.json", "data.json"
_CODE: Final = "rego_load_error"


@dataclass(frozen=True, slots=True)
class Contents:
    """What a bundle holds: texts of modules by path, one document of data, what the manifest says, the plan's JSON (empty: none)."""

    modules: Mapping[str, str]
    data: Mapping[str, Any]
    revision: str
    roots: tuple[str, ...]
    plan: bytes = b""


def read(files: Mapping[str, bytes]) -> Contents:
    """What the files of a bundle say. Raises Refused."""
    manifest = _json(MANIFEST, files.get(MANIFEST, b"{}"))
    roots = manifest.get("roots", [""])
    if not isinstance(roots, list) or not all(isinstance(one, str) for one in roots):
        raise _refused(MANIFEST, "roots is no list of texts")
    modules: dict[str, str] = {}
    data: dict[str, Any] = {}
    for name, held in files.items():
        place = PurePosixPath(name)
        if place.suffix == ".rego":
            modules[name] = _text(name, held)
        elif place.name == DATA:
            _lay(data, place.parent.parts, _json(name, held))
    return Contents(modules, data, str(manifest.get("revision", "")), tuple(roots), files.get(PLAN, b""))


def unpack(raw: bytes) -> dict[str, bytes]:
    """The files of a bundle by their paths, without a slash before them. Raises Refused."""
    files: dict[str, bytes] = {}
    seen = 0
    try:
        with tarfile.open(fileobj=io.BytesIO(_unzipped(raw)), mode="r:") as packed:
            for info in packed:
                seen += 1
                if seen > MOST_FILES:
                    raise _refused("", f"it holds more than {MOST_FILES} files")
                if not info.isfile():
                    continue
                name = _name(info.name)
                if name in files:
                    raise _refused("", f"`{name}` stands in it twice")
                held = packed.extractfile(info)
                files[name] = held.read() if held is not None else b""
    except (tarfile.TarError, OSError, EOFError, ValueError, OverflowError) as fault:
        raise _refused("", f"it is no gzipped tar: {str(fault)[:200] or type(fault).__name__}") from fault
    return files


def _unzipped(raw: bytes) -> bytes:
    """The tar, whole: it is bounded before anything in it is looked at."""
    unpacker = zlib.decompressobj(wbits=31)
    try:
        found = unpacker.decompress(raw, MOST_BYTES + 1)
    except zlib.error as fault:
        raise _refused("", f"it is no gzipped tar: {fault}") from fault
    if len(found) > MOST_BYTES:
        raise _refused("", f"it unpacks into more than {MOST_BYTES} bytes")
    if not unpacker.eof:
        raise _refused("", "it is no gzipped tar: it is cut off")
    return found


def _name(name: str) -> str:
    parts = PurePosixPath(name).parts
    kept = parts[1:] if parts and parts[0] in {"/", "."} else parts
    if not kept or ".." in kept:
        raise _refused("", f"{name!r} is no path within it")
    return "/".join(kept)


def _text(name: str, raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as fault:
        raise _refused(name, f"{name} is not UTF-8") from fault


def _json(name: str, raw: bytes) -> dict[str, Any]:
    try:
        doc = json.loads(raw, parse_constant=_no_number)
    except (ValueError, RecursionError) as fault:
        raise _refused(name, f"{name} is no JSON") from fault
    if not isinstance(doc, dict):
        raise _refused(name, f"{name} is no object")
    return doc


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number of JSON")


def _lay(data: dict[str, Any], path: Iterable[str], doc: dict[str, Any]) -> None:
    """Puts a document where its path says. Raises Refused where two documents say different things."""
    for part in path:
        data = data.setdefault(part, {})
        if not isinstance(data, dict):
            raise _refused("", f"two of its documents disagree at `{part}`")
    for name, value in doc.items():
        if isinstance(value, dict) and isinstance(data.get(name), dict):
            _lay(data[name], (), value)
        elif name in data:
            raise _refused("", f"two of its documents disagree at `{name}`")
        else:
            data[name] = value


def _refused(file: str, what: str) -> Refused:
    return Refused([Mistake(Place(file), _CODE, what, "ask whoever makes the bundle")])
