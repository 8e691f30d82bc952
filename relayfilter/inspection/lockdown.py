"""What a worker gives up, for good, before it sees a stranger's byte.

Each layer alone would let something through; together they leave computing and one connection. In this order, because
each needs what the next one takes away:

1. `parent-death-signal`: dies with the zygote.
2. `no-new-privileges`: no set-uid program, and seccomp without being root.
3. `not-dumpable`: no core dump, no ptrace and no /proc/PID/mem for processes of the same user.
4. `mdwe`: no memory becomes executable (Linux 6.3; not required, since seccomp refuses it as well).
5. `descriptors`: every one but the connection is closed.
6. `landlock`: no file system, no TCP, no abstract sockets or signals beyond itself, as far as the kernel's version of
   Landlock knows these. It binds the calling thread, hence a process with one thread.
7. `limits`: no new descriptor, file, core or process; bounded address space.
8. `seccomp`: only the calls in `relayfilter.inspection.seccomp`.

There is no library in between: prctl(2), landlock(7) and seccomp(2) are a few calls with stable numbers.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import struct
from collections.abc import Callable

import msgspec

from relayfilter.inspection import seccomp

REQUIRED = frozenset(
    {
        "parent-death-signal",
        "no-new-privileges",
        "not-dumpable",
        "descriptors",
        "landlock",
        "limits",
        "seccomp",
    }
)

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS, _PR_SET_MDWE = 1, 4, 38, 65
_MDWE_REFUSE_EXEC_GAIN = 1
_LANDLOCK_CREATE_RULESET, _LANDLOCK_RESTRICT_SELF, _LANDLOCK_VERSION = 444, 446, 1
# By version of Landlock: how many file-system rights it knows, and whether it knows TCP (2 rights) and scopes (2).
_LANDLOCK_RIGHTS = {1: (13, 0, 0), 2: (14, 0, 0), 3: (15, 0, 0), 4: (15, 2, 0), 5: (16, 2, 0), 6: (16, 2, 2)}
_SECCOMP_SET_MODE_FILTER, _SECCOMP_FILTER_FLAG_TSYNC = 1, 1

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


class LockdownReport(msgspec.Struct, frozen=True):
    """Which layers hold; `missing` are those of `REQUIRED` that do not."""

    held: tuple[str, ...]
    missing: tuple[str, ...]


class _Filter(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))


def lock_down(connection: int, *, parent: int, memory: int) -> LockdownReport:
    """Locks this process down to computing and the descriptor `connection`.

    `parent` is the process to die with, `memory` the address space in bytes. A kernel that lacks a layer is no error
    but is reported; only what the kernel says decides, so a layer counts as held when its call succeeded.
    """
    layers: tuple[tuple[str, Callable[[], None]], ...] = (
        ("parent-death-signal", lambda: _die_with(parent)),
        ("no-new-privileges", lambda: _prctl(_PR_SET_NO_NEW_PRIVS, 1)),
        ("not-dumpable", lambda: _prctl(_PR_SET_DUMPABLE, 0)),
        ("mdwe", lambda: _prctl(_PR_SET_MDWE, _MDWE_REFUSE_EXEC_GAIN)),
        ("descriptors", lambda: _close_all_but(connection)),
        ("landlock", _landlock),
        ("limits", lambda: _limit(memory)),
        ("seccomp", _seccomp),
    )
    held = []
    for name, apply in layers:
        try:
            apply()
        except (OSError, ValueError):  # setrlimit says ValueError when the kernel refuses
            continue
        held.append(name)
    return LockdownReport(held=tuple(held), missing=tuple(sorted(REQUIRED - set(held))))


def _checked(result: int) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def _prctl(option: int, value: int) -> None:
    zero = ctypes.c_ulong(0)
    _checked(_libc.prctl(option, ctypes.c_ulong(value), zero, zero, zero))


def _syscall(number: int, *arguments: object) -> int:
    wide = (ctypes.c_long(each) if isinstance(each, int) else each for each in arguments)
    return _checked(_libc.syscall(ctypes.c_long(number), *wide))


def _die_with(parent: int) -> None:
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _close_all_but(connection: int) -> None:
    os.closerange(0, connection)
    os.closerange(connection + 1, os.sysconf("SC_OPEN_MAX"))


def _landlock() -> None:
    version = _syscall(_LANDLOCK_CREATE_RULESET, None, 0, _LANDLOCK_VERSION)
    files, network, scopes = _LANDLOCK_RIGHTS[min(version, max(_LANDLOCK_RIGHTS))]
    # struct landlock_ruleset_attr; an older kernel takes zeros in the members that it does not know.
    attributes = struct.pack("=QQQ", (1 << files) - 1, (1 << network) - 1, (1 << scopes) - 1)
    ruleset = _syscall(_LANDLOCK_CREATE_RULESET, attributes, len(attributes), 0)
    try:
        _syscall(_LANDLOCK_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _limit(memory: int) -> None:
    none = (resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE, resource.RLIMIT_CORE, resource.RLIMIT_NPROC)
    for kind in (*none, resource.RLIMIT_MSGQUEUE, resource.RLIMIT_MEMLOCK):
        resource.setrlimit(kind, (0, 0))
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    memory = memory if most == resource.RLIM_INFINITY else min(memory, most)
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))


def _seccomp() -> None:
    machine = os.uname().machine
    try:
        code, number = seccomp.program(machine), seccomp.call_number(machine)
    except ValueError:
        raise OSError(f"no table of system calls for {machine}") from None
    filter_ = _Filter(len(code) // 8, code)
    _syscall(number, _SECCOMP_SET_MODE_FILTER, _SECCOMP_FILTER_FLAG_TSYNC, ctypes.byref(filter_))
