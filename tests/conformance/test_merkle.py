"""The published proof vectors of transparency-dev/merkle (testdata/, Apache-2.0), mostly proofs that must fail.

They are not part of this repository: the archive is looked for in `shared/conformance/merkle/` beside it.
"""

import json
import tarfile
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flyball.rules.merkle import (
    Head,
    Subtree,
    verify_consistency,
    verify_inclusion,
    verify_subtree_consistency,
    verify_subtree_inclusion,
)

WHERE = Path("shared", "conformance", "merkle", "vectors.tar.gz")
COUNTS = {"inclusion": 98, "consistency": 98, "subtreeconsistency": 118, "subtreeinclusion": 204}


def find_archive() -> Path | None:
    return next((up / WHERE for up in Path(__file__).resolve().parents if (up / WHERE).is_file()), None)


def read_cases(archive: Path) -> Iterator[tuple[str, str, dict[str, Any]]]:
    with tarfile.open(archive) as tar:
        for member in tar:
            stream = tar.extractfile(member)
            if stream is not None:
                yield member.name.split("/")[1], member.name, json.load(stream)


def accepts(sort: str, case: dict[str, Any]) -> bool:
    raw = {name: b64decode(case[name]) for name in ("root", "root1", "root2", "leafHash") if case.get(name) is not None}
    proof = [b64decode(one) for one in case["proof"] or ()]
    match sort:
        case "inclusion":
            return verify_inclusion(raw["leafHash"], case["leafIdx"], Head(case["treeSize"], raw["root"]), proof)
        case "consistency":
            return verify_consistency(Head(case["size1"], raw["root1"]), Head(case["size2"], raw["root2"]), proof)
        case "subtreeconsistency":
            subtree = Subtree(case["start"], case["end"], raw["root1"])
            return verify_subtree_consistency(subtree, Head(case["size"], raw["root2"]), proof)
        case _:
            subtree = Subtree(case["start"], case["end"], raw["root"])
            return verify_subtree_inclusion(raw["leafHash"], case["leafIdx"], subtree, proof)


@pytest.mark.parametrize("sort", COUNTS)
def test_published_vectors(sort: str) -> None:
    archive = find_archive()
    if archive is None:
        pytest.skip(f"no {WHERE} beside the repository")
    cases = [(name, case) for found, name, case in read_cases(archive) if found == sort]
    assert len(cases) == COUNTS[sort]
    assert [name for name, case in cases if accepts(sort, case) == case["wantErr"]] == []
