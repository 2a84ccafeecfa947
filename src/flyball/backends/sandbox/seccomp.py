"""System calls that no boxed program may make, as a classic BPF filter written by hand. Called by `bwrap` and `landlock`.

A filter is the kernel's `struct sock_filter` array (seccomp(2), linux/bpf_common.h): eight bytes per instruction.
Refused calls give EPERM, so that a program sees an error and not a death; a foreign architecture is killed, because its
numbers would mean other calls; `clone3` gives ENOSYS, because its flags lie behind a pointer that a filter cannot follow
and the C library then falls back to `clone`, whose flags it can see.
"""

from __future__ import annotations

import platform
import struct
from enum import StrEnum
from functools import lru_cache

from flyball.backends.sandbox.spawn import BoxRefused

_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_KILL, _ALLOW, _ERRNO = 0x8000_0000, 0x7FFF_0000, 0x0005_0000
_EPERM, _ENOSYS, _EAFNOSUPPORT = 1, 38, 97
_NR, _ARCH, _ARG0, _ARG1 = 0, 4, 16, 24  # offsets in struct seccomp_data, low words first on both machines
_X32_BIT = 0x4000_0000  # x86_64 has a second set of numbers above this bit
_NEW_NAMESPACES = 0x7E02_0080  # CLONE_NEWNS, CGROUP, UTS, IPC, USER, PID, NET and CLONE_NEWTIME
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C  # typing into a terminal, pasting into a console
_MACHINES = {"x86_64": (0xC000_003E, 0), "aarch64": (0xC000_00B7, 1)}

# name: (x86_64, aarch64); None where the machine has no such call. Numbers: asm/unistd_64.h, asm-generic/unistd.h.
DENIED: dict[str, tuple[int | None, int | None]] = {
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "open_by_handle_at": (304, 265),
    "name_to_handle_at": (303, 264),
    "unshare": (272, 97),
    "setns": (308, 268),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "syslog": (103, 116),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "iopl": (172, None),
    "ioperm": (173, None),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "fanotify_init": (300, 262),
}
# A process that may not leave its session dies with it: wanted where no process namespace gathers the children.
STAY: dict[str, tuple[int | None, int | None]] = {"setsid": (112, 157), "setpgid": (109, 154)}
SIGNALS: dict[str, tuple[int | None, int | None]] = {
    "kill": (62, 129),
    "tkill": (200, 130),
    "tgkill": (234, 131),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "pidfd_send_signal": (424, 424),
}
_CLONE, _CLONE3, _IOCTL, _SOCKET = (56, 220), (435, 435), (16, 29), (41, 198)
_AF_UNIX, _AF_INET, _AF_INET6, _AF_NETLINK = 1, 2, 10, 16


class Sockets(StrEnum):
    """Address families that `socket` may open."""

    USUAL = "usual"  # unix, IPv4, IPv6, netlink: not vsock, AF_ALG, raw Bluetooth and the like
    INTERNET = "internet"  # the same without unix: no daemon sockets
    NONE = "none"


_FAMILIES = {
    Sockets.USUAL: (_AF_UNIX, _AF_INET, _AF_INET6, _AF_NETLINK),
    Sockets.INTERNET: (_AF_INET, _AF_INET6, _AF_NETLINK),
    Sockets.NONE: (),
}


def _op(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    """Pack one instruction; `yes` and `no` count the instructions to jump over."""
    return struct.pack("=HBBI", code, yes, no, value)


def _refuse(errno: int) -> bytes:
    return _op(_RETURN, _ERRNO | errno)


def _argument(number: int, offset: int, tests: list[tuple[int, int]], errno: int) -> bytes:
    """Refuse call `number` where the argument at `offset` meets one of `tests`: (jump code, value)."""
    body = _op(_LOAD, offset)
    for code, value in tests:
        body += _op(code, value, 0, 1) + _refuse(errno)
    body += _op(_RETURN, _ALLOW)
    return _op(_JUMP_EQUAL, number, 0, len(body) // 8) + body


def _socket(number: int, sockets: Sockets) -> bytes:
    body = _op(_LOAD, _ARG0)
    for family in _FAMILIES[sockets]:
        body += _op(_JUMP_EQUAL, family, 0, 1) + _op(_RETURN, _ALLOW)
    body += _refuse(_EAFNOSUPPORT)
    return _op(_JUMP_EQUAL, number, 0, len(body) // 8) + body


@lru_cache(maxsize=32)
def build(*, stay: bool = False, signals: bool = True, sockets: Sockets = Sockets.USUAL, machine: str = "") -> bytes:
    """Give the filter for this machine (or `machine`) as bytes that bwrap and prctl(2) take.

    Args:
        stay: refuse setsid and setpgid.
        signals: let kill(2) and its kin through.
        sockets: address families that may be opened.
        machine: x86_64 or aarch64; empty for the one that this runs on.

    Raises:
        BoxRefused: the numbers of this machine are not known here.

    """
    name = machine or platform.machine()
    if name not in _MACHINES:
        raise BoxRefused(f"no system call filter for {name}", "only x86_64 and aarch64 are known", "run the server on one of these")
    arch, column = _MACHINES[name]
    denied = DENIED | (STAY if stay else {}) | ({} if signals else SIGNALS)
    program = _op(_LOAD, _ARCH) + _op(_JUMP_EQUAL, arch, 1, 0) + _op(_RETURN, _KILL) + _op(_LOAD, _NR)
    if name == "x86_64":
        program += _op(_JUMP_AT_LEAST, _X32_BIT, 0, 1) + _op(_RETURN, _KILL)
    program += _op(_JUMP_EQUAL, _CLONE3[column], 0, 1) + _refuse(_ENOSYS)
    for pair in denied.values():
        number = pair[column]
        if number is not None:
            program += _op(_JUMP_EQUAL, number, 0, 1) + _refuse(_EPERM)
    program += _argument(_CLONE[column], _ARG0, [(_JUMP_ANY_BIT, _NEW_NAMESPACES)], _EPERM)
    program += _argument(_IOCTL[column], _ARG1, [(_JUMP_EQUAL, _TIOCSTI), (_JUMP_EQUAL, _TIOCLINUX)], _EPERM)
    program += _socket(_SOCKET[column], sockets)
    return program + _op(_RETURN, _ALLOW)
