"""Puts limits on itself and becomes the program: the inner half of the Landlock level.

Started by `landlock` as `python -I -S launch.py FD`, where FD holds a JSON document; so it is free of everything
but the standard library. It says "ready" on the note descriptor just before it becomes the program. The server takes `abi`.
Landlock: Documentation/userspace-api/landlock.rst of the kernel; the three calls have no wrapper in the C library.
"""

from __future__ import annotations

import base64
import ctypes
import json
import os
import resource
import signal
import stat
import struct
import sys

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # the same numbers on every machine
VERSION = 1  # LANDLOCK_CREATE_RULESET_VERSION
_PATH_BENEATH = 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_FS_BITS = {1: 13, 2: 14, 3: 15, 4: 15}  # file system rights known by ABI; 16 from ABI 5 on
_FS_BITS_NOW = 16
_NET_ABI, _NET_ALL = 4, 0b11  # bind and connect TCP
_SCOPE_ABI, _SCOPE_ALL = 6, 0b11  # abstract unix sockets, signals
_PR_SET_PDEATHSIG, _PR_SET_KEEPCAPS, _PR_SET_SECUREBITS, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT = 1, 8, 28, 22, 38, 47
_NO_SETUID_FIXUP = 1 << 2
_FILTER_MODE, _AMBIENT_RAISE, _CAP_DAC_READ_SEARCH = 2, 2, 2
_CAPSET_VERSION_3 = 0x2008_0522
_CAPSET = {"x86_64": 126, "aarch64": 91}
_LAST_FD = 1_048_576
_NOT_STARTED, _NOT_FOUND = 126, 127  # as a shell and prlimit say it


class _Program(ctypes.Structure):
    """struct sock_fprog: how long the filter is and where it lies."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


_libc = ctypes.CDLL(None, use_errno=True)


def _must(result: int, what: str) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")
    return result


def abi() -> int:
    """Give the kernel's Landlock version, 0 where there is none or it is switched off."""
    return max(0, int(_libc.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), VERSION)))


def _fence(paths: list[str], *, network: bool) -> None:
    """Leave this process nothing of the file system but reading `paths`, and /dev/null to write."""
    version = abi()
    rights = (1 << _FS_BITS.get(version, _FS_BITS_NOW)) - 1
    words = [rights]
    if version >= _NET_ABI:
        words.append(0 if network else _NET_ALL)
    if version >= _SCOPE_ABI:
        words.append(_SCOPE_ALL)
    attributes = struct.pack(f"={len(words)}Q", *words)
    size = ctypes.c_size_t(len(attributes))
    ruleset = _must(_libc.syscall(CREATE_RULESET, attributes, size, 0), "landlock_create_ruleset")
    granted = [(path, _EXECUTE | _READ_FILE | _READ_DIR) for path in paths]
    granted += [(path, _READ_FILE) for path in ("/dev/zero", "/dev/urandom", "/dev/random")]
    granted += [("/dev/null", _READ_FILE | _WRITE_FILE)]
    for path, allowed in granted:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
        mask = allowed if stat.S_ISDIR(os.fstat(fd).st_mode) else allowed & ~_READ_DIR
        rule = struct.pack("=Qi", mask, fd)
        _must(_libc.syscall(ADD_RULE, ruleset, _PATH_BENEATH, rule, 0), f"landlock_add_rule {path}")
        os.close(fd)
    _must(_libc.syscall(RESTRICT_SELF, ruleset, 0), "landlock_restrict_self")
    os.close(ruleset)


def _become(owner: int | None) -> None:
    """Give up every capability; for root also become `owner`, keeping only the right to read what it is shown."""
    kept = 0
    if owner is not None:
        _must(_libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0), "keepcaps")
        # Without this access(2) would answer as if the capability were not there, and programs that ask first would give up.
        _must(_libc.prctl(_PR_SET_SECUREBITS, _NO_SETUID_FIXUP, 0, 0, 0), "securebits")
        os.setgroups([])
        os.setresgid(owner, owner, owner)
        os.setresuid(owner, owner, owner)
        kept = 1 << _CAP_DAC_READ_SEARCH
    sets = struct.pack("=6I", kept, kept, kept, 0, 0, 0)
    _must(_libc.syscall(_CAPSET[os.uname().machine], struct.pack("=Ii", _CAPSET_VERSION_3, 0), sets), "capset")
    if kept:
        _must(_libc.prctl(_PR_CAP_AMBIENT, _AMBIENT_RAISE, _CAP_DAC_READ_SEARCH, 0, 0), "ambient capability")


def main(fd: int) -> None:
    """Read the plan, tie this process down, become the program."""
    with open(fd, encoding="utf-8") as file:
        plan = json.load(file)
    note = plan["note"]
    os.set_inheritable(note, False)  # noqa: FBT003 - the standard library's signature
    os.closerange(3, note)
    os.closerange(note + 1, min(_LAST_FD, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    os.chdir(plan["cwd"])
    _must(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    _fence(plan["paths"], network=plan["network"])
    _become(plan["owner"])
    _must(_libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl")  # a change of uid would clear it
    if os.getppid() != plan["parent"]:
        sys.exit("the server has gone")
    for number, soft, hard in plan["limits"]:
        resource.setrlimit(number, (soft, hard))
    code = base64.b64decode(plan["filter"])
    program = _Program(len(code) // 8, code)
    _must(_libc.prctl(_PR_SET_SECCOMP, _FILTER_MODE, ctypes.byref(program), 0, 0), "seccomp")
    os.write(note, b"ready\n")
    try:
        os.execve(plan["program"], plan["argv"], plan["env"])  # noqa: S606 - becoming the program is its purpose
    except OSError as error:
        sys.stderr.write(f"failed to execute {plan['argv'][0]}: {error.strerror}\n")
        sys.exit(_NOT_FOUND if isinstance(error, FileNotFoundError) else _NOT_STARTED)


if __name__ == "__main__":
    main(int(sys.argv[1]))
