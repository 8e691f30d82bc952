"""A small BPF machine runs the program for every system-call number; the kernel runs it in test_lockdown.py."""

from __future__ import annotations

import errno
import struct

import pytest

from relayfilter.inspection import seccomp

X86_64, AARCH64 = 0xC000003E, 0xC00000B7
ALLOW, REFUSE, KILL = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x80000000


def verdict(machine: str, number: int, *, architecture: int, third: int = 0) -> int:
    data = struct.pack("=iIQ6Q", number, architecture, 0, 0, 0, third, 0, 0, 0)
    code = seccomp.program(machine)
    instructions = [struct.unpack("=HBBI", code[at : at + 8]) for at in range(0, len(code), 8)]
    accumulator = at = 0
    while True:
        operation, if_true, if_false, operand = instructions[at]
        at += 1
        match operation:
            case 0x20:
                [accumulator] = struct.unpack_from("=I", data, operand)
            case 0x15:
                at += if_true if accumulator == operand else if_false
            case 0x45:
                at += if_true if accumulator & operand else if_false
            case 0x06:
                return int(operand)


def allowed(machine: str, architecture: int, **arguments: int) -> set[int]:
    return {
        number for number in range(1024) if verdict(machine, number, architecture=architecture, **arguments) == ALLOW
    }


# Numbers from arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h.
NAMES = {
    "x86_64": {
        "mmap": 9, "mprotect": 10, "munmap": 11, "brk": 12, "rt_sigaction": 13, "rt_sigprocmask": 14,
        "rt_sigreturn": 15, "sched_yield": 24, "mremap": 25, "madvise": 28, "setitimer": 38, "getpid": 39,
        "sendto": 44, "recvfrom": 45, "exit": 60, "gettid": 186, "futex": 202, "clock_gettime": 228,
        "exit_group": 231, "mbind": 237, "getrandom": 318,
    },
    "aarch64": {
        "mmap": 222, "mprotect": 226, "munmap": 215, "brk": 214, "rt_sigaction": 134, "rt_sigprocmask": 135,
        "rt_sigreturn": 139, "sched_yield": 124, "mremap": 216, "madvise": 233, "setitimer": 103, "getpid": 172,
        "sendto": 206, "recvfrom": 207, "exit": 93, "gettid": 178, "futex": 98, "clock_gettime": 113,
        "exit_group": 94, "mbind": 235, "getrandom": 278,
    },
}  # fmt: skip
ARCHITECTURES = {"x86_64": X86_64, "aarch64": AARCH64}


@pytest.mark.parametrize("machine", NAMES)
def test_allows_exactly_the_calls_of_a_worker(machine: str) -> None:
    assert allowed(machine, ARCHITECTURES[machine]) == set(NAMES[machine].values())


@pytest.mark.parametrize("machine", NAMES)
def test_memory_never_becomes_executable(machine: str) -> None:
    without = set(NAMES[machine].values()) - {NAMES[machine]["mmap"], NAMES[machine]["mprotect"]}
    for protection in (4, 5, 7):
        assert allowed(machine, ARCHITECTURES[machine], third=protection) == without
    assert verdict(machine, NAMES[machine]["mmap"], architecture=ARCHITECTURES[machine], third=7) == REFUSE


@pytest.mark.parametrize("machine", NAMES)
def test_calls_through_another_architectures_table_kill(machine: str) -> None:
    for other in {X86_64, AARCH64, 0x40000003} - {ARCHITECTURES[machine]}:
        assert {verdict(machine, number, architecture=other) for number in range(400)} == {KILL}


def test_the_x32_table_is_refused() -> None:
    for number in NAMES["x86_64"].values():
        assert verdict("x86_64", number | 0x40000000, architecture=X86_64) == REFUSE


def test_a_machine_without_a_table_is_an_error() -> None:
    with pytest.raises(ValueError):
        seccomp.program("riscv64")
    with pytest.raises(ValueError):
        seccomp.call_number("riscv64")
