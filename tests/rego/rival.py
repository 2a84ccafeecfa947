"""regopy's own virtual machine, in a process of its own: its C++ runtime would corrupt a process that has google-re2 or greenlet loaded.

As a program: reads one question a line (JSON: modules, data, input, query), writes one answer a line (`{"found": [...]}` or
`{"fault": text}`). As a module: `Rival`, which feeds it.
"""

import json
import re
import select
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

_MESSAGE = re.compile(r"\(errormsg \d+:([^\n)]*)")
PATIENCE_S = 3


class Rival:
    """One child, started when it is first asked and again after it had to be ended."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None

    def ask(self, modules: dict[str, str], query: str, given: Any, data: Any) -> dict[str, Any]:
        """`{"found": [values]}`, or `{"fault": what it said}`; a child that dies or takes too long is a fault too."""
        child = self._child = self._child or subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(json.dumps({"modules": modules, "query": query, "input": given, "data": data}).encode() + b"\n")
        child.stdin.flush()
        line = child.stdout.readline() if select.select([child.stdout], [], [], PATIENCE_S)[0] else b""
        if not line:
            self.close()
            return {"fault": "the child died or took too long"}
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.communicate()
            self._child = None


def answers(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    import regopy

    for line in lines:
        asked = json.loads(line)
        engine = regopy.Interpreter()
        engine.log_level = regopy.LogLevel.NONE
        try:
            for name, text in asked["modules"].items():
                engine.add_module(name, text)
            engine.add_data_json(json.dumps(asked["data"]))
            engine.set_input(regopy.Input(asked["input"]))
            output = engine.query(asked["query"])
            yield {"found": [value for result in output.results for value in result.expressions]} if output.ok() else {"fault": str(output)}
        except json.JSONDecodeError as fault:  # what should be JSON is then the engine's own message
            message = _MESSAGE.search(fault.doc)
            yield {"fault": message[1] if message else fault.doc}
        except regopy.RegoError as fault:
            message = _MESSAGE.search(str(fault))
            yield {"fault": message[1] if message else str(fault)}


if __name__ == "__main__":
    for answer in answers(iter(sys.stdin)):
        print(json.dumps(answer), flush=True)
