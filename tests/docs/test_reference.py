"""docs/reference is what tools/reference writes from the code as it is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from docs.page import ROOT

TOOL = ROOT / "tools" / "reference"


def run(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(TOOL), *argv], capture_output=True, text=True, check=False, timeout=100)


def test_the_reference_is_as_the_code_is() -> None:
    told = run("--check")
    assert told.returncode == 0, told.stderr


def test_a_stale_page_is_seen_and_written_anew(tmp_path: Path) -> None:
    assert run(str(tmp_path)).returncode == 0
    page = tmp_path / "kinds.md"
    whole = page.read_text()
    page.write_text(whole.replace("host.read", "host.write"))
    told = run("--check", str(tmp_path))
    assert (told.returncode, told.stderr) == (1, "docs/reference: kinds.md is stale: run tools/reference\n")
    assert run(str(tmp_path)).returncode == 0
    assert page.read_text() == whole
