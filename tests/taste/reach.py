"""Who may touch what: environment, clock, programs, network, vendors, and broad catches. Run by test_taste."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from fnmatch import fnmatch

from taste.allowed import BROAD, PURE, REACH
from taste.source import Check, Source, covers, dotted, imported, used


def forbidden_reach(source: Source) -> Iterator[str]:
    if not source.is_product:
        return
    place = source.path.removeprefix("src/flyball/")
    seen = set()
    for line, name in used(source):
        for what, (files, why) in REACH.items():
            if covers(what, name) and not any(fnmatch(place, pattern) for pattern in files) and (line, what) not in seen:
                seen.add((line, what))
                yield source.at(line, f"{name} belongs to {', '.join(files) or 'nobody'}: {why}")


def impure_imports(source: Source) -> Iterator[str]:
    may = PURE.get(source.room, frozenset()) if source.is_product else frozenset()
    for line, name in imported(source) if may else ():
        stands_alone = "*" in may and not covers("flyball", name)
        if not stands_alone and not any(covers(prefix, name) for prefix in may):
            yield source.at(line, f"{source.room} may not import {name}")


def broad_catches(source: Source) -> Iterator[str]:
    if not source.is_product:
        return
    found = [node for node in ast.walk(source.tree) if _catches_all(node)]
    allowed, _why = BROAD.get(source.path, (0, ""))
    for node in found if len(found) > allowed else ():
        yield source.at(
            getattr(node, "lineno", 1), "catches everything: name what may happen, or list the loop boundary in tests/taste/allowed.py"
        )


def _catches_all(node: ast.AST) -> bool:
    wide = {"Exception", "BaseException", "builtins.Exception", "builtins.BaseException"}
    if isinstance(node, ast.ExceptHandler):
        caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
        return any(kind is None or dotted(kind) in wide for kind in caught)
    is_suppress = isinstance(node, ast.Call) and dotted(node.func) in {"suppress", "contextlib.suppress"}
    return is_suppress and any(dotted(arg) in wide for arg in getattr(node, "args", []))


CHECKS = (
    Check(
        forbidden_reach,
        bad={
            "src/flyball/compose.py": "import os\nx = os.environ['A']\n",
            "src/flyball/backends/clocks.py": "import time as t\nnow = t.time()\n",
            "src/flyball/core/x.py": "from time import monotonic\n",
            "src/flyball/views/x.py": "from datetime import datetime\nnow = datetime.now()\n",
            "src/flyball/faces/http/x.py": "import uuid\n",
            "src/flyball/backends/store.py": "import subprocess\n",
            "src/flyball/faces/cli/x.py": "import os\nos.system('ls')\n",
            "src/flyball/brains/x.py": "import asyncio\nx = asyncio.create_subprocess_exec\n",
            "src/flyball/kinds/x.py": "import urllib.request\n",
            "src/flyball/sources/x.py": "from urllib import request\n",
            "src/flyball/core/y.py": "import fastapi\n",
            "src/flyball/backends/policy_opa.py": "import regopy\n",
        },
        fine={
            "src/flyball/settings.py": "import os\nx = os.environ['A']\n",
            "src/flyball/backends/clock.py": "import time, random, uuid\nx = time.time()\n",
            "src/flyball/backends/sandbox_bwrap.py": "import subprocess\n",
            "src/flyball/lab/x.py": "import subprocess, time\ntime.sleep(1)\n",
            "src/flyball/kinds/x.py": "import time\nimport urllib.parse\nx = time.struct_time\n",
        },
    ),
    Check(
        impure_imports,
        bad={
            "src/flyball/model/x.py": "import json\n",
            "src/flyball/rules/x.py": "from pathlib import Path\n",
            "src/flyball/rules/checks/x.py": "import orjson\n",
            "src/flyball/rego/x.py": "from flyball.errors import BadInput\n",
        },
        fine={
            "src/flyball/model/x.py": "from collections.abc import Mapping\nfrom flyball.model.ids import Doc\n",
            "src/flyball/rules/x.py": "import hashlib\nfrom . import zone\n",
            "src/flyball/rego/x.py": "import json\nfrom flyball.rego import tree\n",
        },
    ),
    Check(
        broad_catches,
        bad={
            "src/flyball/core/x.py": "try:\n    f()\nexcept Exception:\n    pass\n",
            "src/flyball/lab/x.py": "try:\n    f()\nexcept:\n    pass\n",
            "src/flyball/kinds/x.py": "try:\n    f()\nexcept (ValueError, BaseException):\n    pass\n",
            "src/flyball/views/x.py": "import contextlib\nwith contextlib.suppress(Exception):\n    f()\n",
        },
        fine={"src/flyball/core/x.py": "try:\n    f()\nexcept (OSError, ValueError):\n    pass\n"},
    ),
)
