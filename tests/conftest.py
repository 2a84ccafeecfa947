"""What every test stands on."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kills", type=int, default=0, help="how often tests/e2e kills the server (0: few enough for every day)")
    parser.addoption("--seed", type=int, default=0, help="the seed of its random moments (0: a new one)")
    parser.addoption("--rego-differ", type=int, default=400, help="how many policies tests/rego/test_differ asks both engines")
