"""The self-test of a box: plants a secret, a listener and a process outside, and has a program inside try to reach them.

Called by `select` at start-up and for `flyball doctor`. A version number is never trusted, only what a program could do.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from flyball.backends.sandbox.spawn import SYSTEM, BoxRefused, environment
from flyball.model.box import Mount, Run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flyball.model.box import Ran
    from flyball.ports import Box

ROWS = {
    "write": "write to /etc, /usr or the server's temporary folder",
    "secret": "read a file of the host that was not mounted",
    "environment": "see the server's environment",
    "network": "connect to a TCP port on the host's loopback",
    "abstract": "connect to an abstract socket of the host",
    "processes": "see or signal a process of the host",
    "descriptors": "use a file descriptor of the server",
    "privileges": "gain privileges",
    "limits": "go past the resource limits",
    "namespace": "make a user namespace",
}
_PROCESSES = 16
_TIMEOUT_S = 20.0


def interpreter() -> tuple[str, tuple[Mount, ...]]:
    """Give this Python's real path and the mounts that it needs to run in a box."""
    prefix = sys.base_prefix
    inside = f"{prefix}/".startswith(tuple(f"{folder}/" for folder in SYSTEM))
    return os.path.realpath(sys.executable), () if inside else (Mount(prefix, prefix),)


@contextmanager
def _planted() -> Iterator[dict[str, object]]:
    with tempfile.TemporaryDirectory(prefix="flyball-probe-") as folder, socket.socket() as tcp:
        secret = Path(folder, "secret")
        secret.write_text("planted", encoding="ascii")
        tcp.bind(("127.0.0.1", 0))
        tcp.listen(1)
        name = f"flyball-probe-{Path(folder).name}"
        with socket.socket(socket.AF_UNIX) as abstract:
            abstract.bind("\0" + name)
            abstract.listen(1)
            yield {
                "secret": str(secret),
                "write": ["/etc/flyball-probe", "/usr/flyball-probe", f"{secret}-beside"],
                "port": tcp.getsockname()[1],
                "abstract": name,
                "pid": os.getpid(),
                "started": Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19],
            }


async def probe(box: Box, *, write: bool = False) -> dict[str, str]:
    """Run the probe program in `box` and give {row of ROWS: what it managed to do, "" where it was held}.

    With `write`, as a run that is meant to change something, which may be another user.

    Raises:
        BoxRefused: the box does not run even this.

    """
    python, mounts = interpreter()
    shown = await box.run(Run(argv=("env", "-0"), timeout_s=_TIMEOUT_S, write=write))
    with _planted() as planted:
        ran = await box.run(
            Run(
                argv=(python, "-I", "-S", "-c", _source()),
                mounts=mounts,
                timeout_s=_TIMEOUT_S,
                processes=_PROCESSES,
                write=write,
                stdin=json.dumps(planted | {"processes": _PROCESSES}).encode(),
            )
        )
    try:
        answer = json.loads(ran.out)
        return {row: str(answer[row]) if row != "environment" else _foreign(shown) for row in ROWS}
    except (ValueError, KeyError, TypeError) as error:
        last = ran.err.decode(errors="replace").strip().splitlines()[-1:] or [f"code {ran.code}, signal {ran.signal}"]
        raise BoxRefused("the self-test did not run", f"the probe program failed: {last[0]}", "run flyball doctor") from error


def _foreign(shown: Ran) -> str:
    """Name what stands in an environment that should hold what every run has; bubblewrap adds PWD."""
    names = {line.partition(b"=")[0].decode(errors="replace") for line in shown.out.split(b"\0") if line}
    extra = sorted(names - {*environment(Run(argv=())), "PWD"})
    if shown.code != 0 or not names:
        return "could not be looked at"
    return f"saw {', '.join(extra)}" if extra else ""


def _source() -> str:
    return Path(__file__).with_name("inside.py").read_text(encoding="utf-8")
