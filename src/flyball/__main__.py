"""`python -m flyball`: the same program as `flyball`."""

from __future__ import annotations

import sys

from flyball.faces.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
