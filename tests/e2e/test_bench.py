"""The benches run to their end: what is measured moves with the product, and a row that fails is only printed as left out."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROWS = "governed,governed-free,alone,echo,http,http-free,raw,resume,waiting,freeze-busy,freeze-hung,size"


def run(script: str, folder: Path, *args: str) -> str:
    """Run one of them as `make` does and give what it prints."""
    argv = [sys.executable, str(ROOT / "bench" / script), *args, "--dir", str(folder)]
    env = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    ran = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, timeout=240, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    return ran.stdout


def test_every_row_of_the_bench_is_measured(tmp_path: Path) -> None:
    few = ("--sessions", "4", "--actions", "5", "--waiting", "20", "--entries", "1500")
    told = run("run.py", tmp_path, "--rounds", "1", "--only", ROWS, *few)
    assert "Left out" not in told, told
    for row in (
        "governed action, sessions together",
        "governed HTTP action, clients together",
        "HTTP echo",
        "approval to resume",
        "memory while they wait",
    ):
        assert re.search(rf"^{re.escape(row)}.*\d", told, re.MULTILINE), told


def test_a_soak_goes_on_where_its_last_server_was_killed(tmp_path: Path) -> None:
    told = run("soak.py", tmp_path, "--minutes", "0.3", "--spell", "10", "--sessions", "2", "--instant")
    acked = re.search(r"not found again after a kill: 0 of (\d+);", told)
    assert acked, told
    assert int(acked[1]) > 0
    assert re.search(r"^\s+2 ", told, re.MULTILINE), told
