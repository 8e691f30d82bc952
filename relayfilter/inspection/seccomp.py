"""The system calls that a worker may make, as a BPF program for seccomp(2).

Everything else fails with EPERM, so a library that merely probes carries on. Memory is never both mapped by the worker
and executable: mmap and mprotect are refused with PROT_EXEC. A call made through a foreign architecture's table
(32-bit x86) kills the process; calls of the x32 table carry a bit that equals no number here.

System-call numbers differ by architecture: arch/x86/entry/syscalls/syscall_64.tbl and
include/uapi/asm-generic/unistd.h (aarch64) in the kernel's source.
"""

from __future__ import annotations

import errno
import mmap
import struct

_MACHINES = ("x86_64", "aarch64")


# For x86_64 and aarch64.
_ALLOWED = {
    # the connection
    "recvfrom": (45, 207),
    "sendto": (44, 206),
    # memory
    "munmap": (11, 215),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "brk": (12, 214),
    "mbind": (237, 235),
    # time, locks, randomness
    "clock_gettime": (228, 113),
    "setitimer": (38, 103),
    "futex": (202, 98),
    "sched_yield": (24, 124),
    "getrandom": (318, 278),
    # signals to itself, and the end
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "getpid": (39, 172),
    "gettid": (186, 178),
    "exit": (60, 93),
    "exit_group": (231, 94),
}
_ALLOWED_UNLESS_EXECUTABLE = {"mmap": (9, 222), "mprotect": (10, 226)}
_SECCOMP = (317, 277)
_AUDIT_ARCHITECTURE = (0xC000003E, 0xC00000B7)

_LOAD, _JUMP_EQUAL, _JUMP_SET, _RETURN = 0x20, 0x15, 0x45, 0x06
_ALLOW, _REFUSE, _KILL = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x80000000
# Offsets in struct seccomp_data: int nr; u32 arch; u64 instruction_pointer; u64 args[6], little-endian on both.
_NUMBER, _ARCH, _THIRD_ARGUMENT = 0, 4, 32


def call_number(machine: str) -> int:
    """The number of seccomp(2) itself. Raises ValueError for a machine without a table."""
    return _SECCOMP[_MACHINES.index(machine)]


def program(machine: str) -> bytes:
    """The filter for `machine` as `os.uname` names it. Raises ValueError for one without a table."""
    which = _MACHINES.index(machine)
    code = [
        _instruction(_LOAD, _ARCH),
        _instruction(_JUMP_EQUAL, _AUDIT_ARCHITECTURE[which], if_true=1),
        _instruction(_RETURN, _KILL),
        _instruction(_LOAD, _NUMBER),
    ]
    for numbers in _ALLOWED.values():
        code += [_instruction(_JUMP_EQUAL, numbers[which], if_false=1), _instruction(_RETURN, _ALLOW)]
    for numbers in _ALLOWED_UNLESS_EXECUTABLE.values():
        code += [
            _instruction(_JUMP_EQUAL, numbers[which], if_false=4),
            _instruction(_LOAD, _THIRD_ARGUMENT),
            _instruction(_JUMP_SET, mmap.PROT_EXEC, if_false=1),
            _instruction(_RETURN, _REFUSE),
            _instruction(_RETURN, _ALLOW),
        ]
    return b"".join([*code, _instruction(_RETURN, _REFUSE)])


def _instruction(code: int, operand: int, *, if_true: int = 0, if_false: int = 0) -> bytes:
    """struct sock_filter."""
    return struct.pack("=HBBI", code, if_true, if_false, operand)
