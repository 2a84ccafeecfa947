"""Every exception from a rule of taste, with its reason. A line more here is meant to be seen in review."""

from __future__ import annotations

# except Exception: only at the boundary of a loop that must go on. path -> (how many, why). At most three in core, none below it.
BROAD: dict[str, tuple[int, str]] = {
    "src/flyball/core/guard.py": (1, "where a plug's fault becomes a value: an intent must be settled whatever the plug does"),
    "src/flyball/backends/engine_asyncio.py": (1, "one session's fault must not stop the engine; it is logged and looked at again"),
    "src/flyball/backends/policy_native.py": (1, "whatever is wrong with the engine is a deny, never an action"),
    "src/flyball/backends/store/writer.py": (1, "the writing thread must answer every future of a batch, whatever went wrong"),
    "src/flyball/faces/cli/main.py": (1, "a user never sees a traceback; --debug shows it"),
}
BROAD_IN_CORE_MAX = 3

# Two-word file names outside kinds (noun_verb), backends (port_plug) and the faults of the lab.
NAMES: dict[str, str] = {}

# Functions that may import a part of Flyball late, besides the commands (help must stay fast). path -> why.
LATE: dict[str, str] = {}

_CLOCK = ("time.time", "time.time_ns", "time.monotonic", "time.monotonic_ns", "time.perf_counter", "time.perf_counter_ns", "time.sleep")
_DATE = (
    "time.gmtime",
    "time.localtime",
    "time.ctime",
    "datetime.datetime.now",
    "datetime.datetime.utcnow",
    "datetime.datetime.today",
    "datetime.date.today",
)
_CHANCE = ("random", "uuid", "secrets", "os.urandom")
_START = (
    "subprocess",
    "multiprocessing",
    "pty",
    "os.system",
    "os.popen",
    "os.fork",
    "os.forkpty",
    "os.posix_spawn",
    "os.posix_spawnp",
    "ctypes",
    "cffi",
)
_EXEC = ("os.execv", "os.execve", "os.execvp", "os.execvpe", "os.execl", "os.execle", "os.execlp", "os.execlpe", "os.spawnv", "os.spawnve")
_LOOP = ("asyncio.create_subprocess_exec", "asyncio.create_subprocess_shell", "asyncio.subprocess")
_NET = (
    "socket",
    "ssl",
    "http.client",
    "urllib.request",
    "httpx",
    "requests",
    "aiohttp",
    "urllib3",
    "asyncio.open_connection",
    "smtplib",
    "ftplib",
)

Files = tuple[str, ...]  # patterns (fnmatch) on the path below src/flyball
_TIMES: tuple[Files, str] = (
    ("backends/clock.py", "lab/*", "rego/limit.py", "rego/builtin/desk.py"),
    "one source of time, chance and ids; the simulated world replaces it (the lab is its own estate; Rego limits time, draws by a seed)",
)
_STARTS: tuple[Files, str] = (
    ("backends/sandbox_*", "backends/sandbox/*", "backends/policy_child.py", "lab/*"),
    "programs run in a box; the lab breaks real ones; the process that loads policies ties itself to the server",
)
_CALLS: tuple[Files, str] = (
    ("backends/*", "faces/cli/*", "faces/http/web.py", "lab/*"),
    "calls leave through a Caller; the terminal is a client",
)

# Who may reach for what: a dotted name (itself and all below it) -> (the files, why).
REACH: dict[str, tuple[Files, str]] = {
    "os.environ": (("settings.py", "backends/sandbox/inside.py"), "one reader; the probe inside the box shows that there is none to read"),
    **dict.fromkeys(("os.environb", "os.getenv", "os.putenv"), (("settings.py",), "one reader of the environment")),
    **dict.fromkeys((*_CLOCK, *_DATE, *_CHANCE), _TIMES),
    **dict.fromkeys((*_START, *_EXEC, *_LOOP), _STARTS),
    **dict.fromkeys(_NET, _CALLS),
    # vendors, each in its place
    "fastapi": (("faces/http/*", "faces/console/*"), "the web's framework stays in the web's faces"),
    "starlette": (("faces/http/*", "faces/console/*"), "the web's framework stays in the web's faces"),
    "uvicorn": (("faces/http/*",), "who starts the server"),
    "uvloop": (("faces/cli/*", "compose.py"), "who starts the server"),
    "click": (("faces/cli/*",), "the terminal's framework stays in the terminal's face"),
    "jinja2": (("faces/*", "views/*"), "pages and reports"),
    "regopy": ((), "the tests compare with it; the product has an engine of its own"),
    "cryptography": (
        ("backends/*", "rego/jose/*", "rego/pki/*"),
        "signing and keys are plugs; the rules know only bytes; policies check tokens and certificates",
    ),
    "sqlite3": (("backends/*",), "the store is a plug"),
    "opentelemetry": (("backends/*",), "telemetry is a plug"),
    "prometheus_client": (("faces/*", "backends/*"), "metrics are a face"),
    "pydantic": (("wire.py", "faces/http/*", "faces/console/*", "config.py"), "validation at the edges; nouns are dataclasses"),
}

# What the two floors without any input or output may import at all.
PURE: dict[str, frozenset[str]] = {
    "model": frozenset({"__future__", "typing", "enum", "dataclasses", "collections.abc", "flyball.model"}),
    "rules": frozenset(
        {
            "__future__",
            "typing",
            "enum",
            "dataclasses",
            "collections",
            "types",
            "abc",
            "math",
            "re",
            "json",
            "hashlib",
            "hmac",
            "base64",
            "binascii",
        }
        | {
            "struct",
            "itertools",
            "functools",
            "operator",
            "bisect",
            "heapq",
            "string",
            "unicodedata",
            "decimal",
            "fractions",
            "graphlib",
            "copy",
        }
        | {"fnmatch", "ipaddress", "difflib", "textwrap", "urllib.parse", "contextlib"}
        | {"flyball.model", "flyball.rules", "flyball.errors"}
    ),
    "rego": frozenset({"*", "flyball.rego"}),  # anything but the rest of Flyball: it stands alone
}
