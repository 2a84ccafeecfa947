"""Control client of the lab's supervisor: one file, standard library only.

Runs as ``python3 -I ctl.py SOCKET start|stop|restart|status [UNIT]`` even where nothing but Python and the socket can
be seen (a sandbox), and as ``python -m flyball.lab.ctl``. SOCKET may also be the lab's home folder. Prints the answer
as one JSON line. Exit status: 0 done, 1 refused or failed, 2 wrong usage, 4 no supervisor answers. A restart that is
done says only that the new process was started, not that it is well. `ask` is what the rest of the lab calls.
"""

import contextlib
import json
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SOCKET_NAME = "control.sock"
VERBS = ("start", "stop", "restart", "status")
LONGEST_ADDRESS = 100  # sun_path holds 108 bytes
USAGE = "usage: ctl.py SOCKET|HOME start|stop|restart|status [UNIT]"


@contextlib.contextmanager
def short_address(path: Path) -> Iterator[str]:
    """Give an address for `path` that fits a UNIX socket's 108 bytes, through /proc where the path is too long."""
    if len(os.fsencode(path)) <= LONGEST_ADDRESS:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def ask(address: Path, verb: str, unit: str = "", timeout_s: float = 15.0) -> dict[str, Any]:
    """Send one verb and give the supervisor's answer: ``{"ok": bool, "unit" | "units" | "error": ...}``.

    Raises:
        OSError: no supervisor listens there, or it did not answer within `timeout_s`.
    """
    path = address / SOCKET_NAME if address.is_dir() else address
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line, short_address(path.absolute()) as short:
        line.settimeout(timeout_s)
        line.connect(short)
        line.sendall(json.dumps({"verb": verb, "unit": unit}).encode() + b"\n")
        answer = b""
        while not answer.endswith(b"\n"):
            part = line.recv(65536)
            if not part:
                raise ConnectionError("the supervisor hung up before it answered")
            answer += part
    parsed: dict[str, Any] = json.loads(answer)
    return parsed


def main(arguments: list[str]) -> int:
    """Run the client; see the module docstring for arguments and exit status."""
    if len(arguments) not in {2, 3} or arguments[1] not in VERBS:
        sys.stderr.write(USAGE + "\n")
        return 2
    unit = arguments[2] if len(arguments) > 2 else ""  # noqa: PLR2004 - the third argument
    if not unit and arguments[1] != "status":
        sys.stderr.write(USAGE + "\n")
        return 2
    try:
        answer = ask(Path(arguments[0]), arguments[1], unit)
    except OSError as error:
        sys.stderr.write(f"no supervisor answers at {arguments[0]}: {error}\n")
        return 4
    if not answer["ok"]:
        sys.stderr.write(f"{answer['error']}\n")
        return 1
    sys.stdout.write(json.dumps(answer.get("unit", answer.get("units"))) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
