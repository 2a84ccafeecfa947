"""Stage 7: warnings."""

from typing import Any


def check(*_: Any) -> None: ...
