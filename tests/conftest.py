"""What every test stands on."""

from __future__ import annotations

import flyball.backends.policy_regopy  # noqa: F401 before anything brings greenlet: see its docstring
