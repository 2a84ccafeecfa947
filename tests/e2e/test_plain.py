"""The same incident without any privilege: as `nobody`, with whatever isolation that user gets."""

from __future__ import annotations

import json
import os
import shutil
import site
import subprocess
import sys
from pathlib import Path

import pytest

from flyball.lab.home import SEARCH_PATH
from live import ENV, ROOT

NOBODY = 65_534
PROGRAM = """
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from live import Incident
incident = Incident.begin(Path(sys.argv[1]))
try:
    session = incident.suffer("kill", 60)[0]
    level = incident.live.get("/v1/status")["layers"]["sandbox"]
    incident.live.stop()
    print(json.dumps({"outcome": session["outcome"], "level": level, "verified": incident.live.verify().ok, "said": incident.live.said}))
finally:
    incident.end()
"""


def stepping_down() -> list[str]:
    return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--"]


def runs(python: str, env: dict[str, str]) -> bool:
    """Whether nobody can run an interpreter, itself once more from within, and all that the server needs."""
    again = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import flyball.compose, yaml'], check=True)"
    return not subprocess.run([*stepping_down(), python, "-c", again], env=env, capture_output=True, check=False, cwd="/").returncode


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody; every other test here runs as the user anyway")
def test_nobody_sees_the_kill_incident_fixed(tmp_path: Path) -> None:
    if shutil.which("setpriv", path=SEARCH_PATH) is None:
        pytest.skip("setpriv is not installed")
    env = {**ENV, "PYTHONPATH": os.pathsep.join([ENV["PYTHONPATH"], *site.getsitepackages()])}
    python = next((one for one in (sys.executable, "/usr/bin/python3") if runs(one, env)), "")
    if not python:
        pytest.skip("the user nobody can run neither this interpreter nor this checkout")
    folder = Path(subprocess.run(["mktemp", "-d", "/tmp/flyball-plain.XXXXXX"], capture_output=True, text=True, check=True).stdout.strip())
    try:
        os.chown(folder, NOBODY, NOBODY)
        argv = [*stepping_down(), python, "-c", PROGRAM, str(folder), str(ROOT / "tests")]
        ran = subprocess.run(argv, env={**env, "HOME": str(folder)}, capture_output=True, text=True, check=False, cwd=folder, timeout=110)
        assert ran.returncode == 0, ran.stderr[-3000:]
        met = json.loads(ran.stdout.splitlines()[-1])
        print(met["level"])
        assert met["outcome"] == "fixed", met
        assert met["verified"]
        assert "Traceback" not in met["said"]
    finally:
        shutil.rmtree(folder)
