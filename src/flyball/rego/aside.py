"""Lets other threads go on while a policy is compiled. Called by `policy`.

Python lets a thread run for five milliseconds while others wait. Compiling takes tens of them, so that a decision that comes meanwhile
would wait that long at every turn. While something is compiled, turns are shorter; what they were before comes back with the end of the
last.
"""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

TURN_S: Final = 0.0005
_lock = threading.Lock()
_before: list[float] = []  # what every compilation that runs has found


@contextmanager
def aside() -> Iterator[None]:
    """Short turns for as long as this lasts."""
    with _lock:
        _before.append(_before[0] if _before else sys.getswitchinterval())
        sys.setswitchinterval(min(TURN_S, _before[0]))
    try:
        yield
    finally:
        with _lock:
            sys.setswitchinterval(_before.pop() if len(_before) == 1 else min(TURN_S, _before.pop()))
