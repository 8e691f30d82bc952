from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from typing import Any

import pytest

from relayfilter.inspection import lockdown
from tests.inspection.processes import PATIENCE, wait_for_end


@pytest.fixture(scope="module")
def seen() -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.inspection.probes"]
    run = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=PATIENCE)
    report: dict[str, Any] = json.loads(run.stdout)
    return report


def test_every_required_layer_holds_here(seen: dict[str, Any]) -> None:
    assert set(seen["held"]) >= lockdown.REQUIRED
    assert seen["missing"] == []


def test_nothing_but_computing_is_left(seen: dict[str, Any]) -> None:
    allowed = {name: outcome for name, outcome in seen["probes"].items() if outcome not in ("EPERM", "EACCES")}
    # Refused as well, in Python's words.
    assert allowed == {
        "thread": "RuntimeError: can't start new thread",
        "raise a limit": "ValueError: not allowed to raise maximum limit",
    }
    assert len(seen["probes"]) >= 35


def test_a_layer_counts_as_held_only_if_the_kernel_agreed(seen: dict[str, Any]) -> None:
    """Once locked down, the kernel refuses to be asked for any layer again; closing what is closed asks for nothing."""
    assert seen["again"] == ["descriptors"]


def kernel_before(major: int, minor: int) -> pytest.MarkDecorator:
    found = tuple(int(number) for number in os.uname().release.split("-")[0].split(".")[:2])
    return pytest.mark.skipif(found < (major, minor), reason=f"needs Linux {major}.{minor}")


@pytest.mark.parametrize(
    ("layer", "attempt", "outcome"),
    [
        ("", "open('/etc/passwd')", "ALLOWED"),
        ("landlock()", "open('/etc/passwd')", "EACCES"),
        ("landlock()", "os.listdir('/')", "EACCES"),
        pytest.param("landlock()", "socket.create_connection(('127.0.0.1', 9))", "EACCES", marks=kernel_before(6, 7)),
        ("limit(1 << 30)", "open('/etc/passwd')", "EMFILE"),
        ("limit(1 << 30)", "mmap.mmap(-1, 2 << 30)", "ENOMEM"),
        ("seccomp()", "os.stat('/')", "EPERM"),
        pytest.param(
            "prctl(lockdown._PR_SET_MDWE, 1)", "mmap.mmap(-1, 4096, prot=7)", "EACCES", marks=kernel_before(6, 3)
        ),
    ],
)
def test_each_layer_holds_alone(layer: str, attempt: str, outcome: str) -> None:
    """Told by the exit status, for there may be nothing left to write to."""
    code = (
        "import errno, mmap, os, socket\n"
        "from relayfilter.inspection import lockdown\n"
        f"{layer and 'lockdown._' + layer}\n"
        f"try: {attempt}\n"
        "except OSError as error: os._exit(error.errno)\n"
        "os._exit(0)\n"
    )
    status = subprocess.run([sys.executable, "-c", code], check=False).returncode
    assert errno.errorcode.get(status, "ALLOWED") == outcome


def test_a_worker_dies_with_its_parent() -> None:
    code = (
        "import os, signal, sys\n"
        "from relayfilter.inspection import lockdown\n"
        "parent = os.getpid()\n"
        "if (child := os.fork()) == 0:\n"
        "    lockdown._die_with(parent)\n"
        "    os.write(1, str(os.getpid()).encode() + b'\\n')\n"
        "    signal.pause()\n"
        "signal.pause()\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        os.kill(parent.pid, signal.SIGKILL)
        wait_for_end(child)
