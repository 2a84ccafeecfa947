"""The lab's load generator: five visits a second to web, as its users would make them.

Run by the supervisor as ``-m flyball.lab.load HOME``; keeps HOME/load.json with what the users saw:
``{"at", "answers": {status: count}, "last_status"}`` (status 0 = no answer), renewed every second.
"""

import collections
import json
import sys
import time
from pathlib import Path

from flyball.lab.home import Lab, http_status, write_whole

PAUSE_S = 0.2


def main(home: str) -> int:
    """Visit until ended."""
    lab = Lab(Path(home))
    url = lab.web_url("/")
    seen: collections.Counter[int] = collections.Counter()
    written_at = 0.0
    while True:
        status = http_status(url, timeout_s=2.0, agent="visitor/1.0")
        seen[status] += 1
        if time.monotonic() - written_at >= 1.0:
            written_at = time.monotonic()
            report = {"at": time.time(), "answers": dict(sorted(seen.items())), "last_status": status}
            write_whole(lab.home / "load.json", json.dumps(report) + "\n")
        time.sleep(PAUSE_S)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
