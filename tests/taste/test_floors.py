"""Each contract of import-linter is shown to break: a file is planted in a copy of the package, and the contract named."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from taste.source import ROOT

PLANTED = [
    ("kinds/planted.py", "import flyball.brains", "Floors"),
    ("rules/planted.py", "import flyball.core", "Floors"),
    ("model/planted.py", "import flyball.errors", "Floors"),
    ("brains/planted.py", "import socket", "An agent reaches the world"),
    ("sources/planted.py", "import flyball.backends", "An agent reaches the world"),
    ("kinds/planted.py", "import subprocess", "Kinds are handed"),
    ("core/planted.py", "import orjson", "The core starts nothing"),
    ("faces/http/planted.py", "import click", "The client never imports"),
    ("lab/planted.py", "import flyball.core", "The lab is an estate"),
    ("views/planted.py", "import flyball.lab", "Nothing below the faces"),
]


@pytest.mark.parametrize(("path", "text", "contract"), PLANTED)
def test_a_planted_import_breaks_its_contract(tmp_path: Path, path: str, text: str, contract: str) -> None:
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "src/flyball" / path).write_text(f'"""Planted."""\n\n{text}\n')
    ran = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path / "src"), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    broken = [line for line in ran.stdout.splitlines() if " BROKEN" in line]  # a note on ignored imports may follow
    assert ran.returncode == 1
    assert any(line.startswith(contract) for line in broken), ran.stdout
