"""Stage 6: types."""

from typing import Any


def check(*_: Any) -> None: ...
