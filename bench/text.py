"""Text-only deliveries a second: the whole filter (verified, decided, logged, forwarded to a local sink) beside what an
admin would run instead, in turn, round by round, so that the machine's moods reach all of them alike."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from statistics import median

import trio
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from bench.ports import free_port
from bench.text_deliveries import text_deliveries
from bench.text_load import run_load
from tests.support.world import World
from tests.support.world_delivery import INSTANCE

ROUNDS = 5
DELIVERIES = 2000
# The log goes where journald would take it; reading it is not part of the measurement.
QUIET = ("/bin/sh", "-c", 'exec "$0" -m relayfilter "$@" >/dev/null', sys.executable)


def run() -> dict[str, object]:
    """Prints and returns deliveries a second by contender, and the ratios to relayfilter round by round."""
    rates = trio.run(_measure)
    ours = rates["relayfilter"]
    print(f"text-only deliveries a second, {ROUNDS} rounds of {DELIVERIES} over 16 connections")
    result: dict[str, object] = {"deliveries_per_second": rates}
    for name, theirs in rates.items():
        ratios = [one / other for one, other in zip(ours, theirs, strict=True)]
        spread = f"{min(ratios):.2f}..{max(ratios):.2f}"
        print(f"  {name:16} {median(theirs):7.0f}   relayfilter is {median(ratios):.2f}x of it ({spread})")
        result[f"ratio_to_{name}"] = {"median": median(ratios), "min": min(ratios), "max": max(ratios)}
    return result


async def _measure() -> dict[str, list[float]]:
    sink_port, hypercorn_port, bare_port = free_port(), free_port(), free_port()
    upstream = {"upstream": {"url": f"http://127.0.0.1:{sink_port}"}}
    with ExitStack() as stack:
        stack.enter_context(_running("bench.text_sink", "--port", str(sink_port)))
        async with World(settings=upstream, command=QUIET) as world:
            actor = world.fediverse["alpha.example"].actor("alice")
            key_file = stack.enter_context(tempfile.NamedTemporaryFile("w", suffix=".pem"))
            key_file.write(actor.key.public_pem)
            key_file.flush()
            to_sink = ("--upstream-port", str(sink_port), "--listen-port")
            stack.enter_context(_running("bench.text_baselines", "hypercorn-httpx", *to_sink, str(hypercorn_port)))
            stack.enter_context(
                _running("bench.text_baselines", "bare-trio", *to_sink, str(bare_port), "--public-key", key_file.name)
            )
            ports = {"relayfilter": world.port, "hypercorn+httpx": hypercorn_port, "bare loop": bare_port}
            rates: dict[str, list[float]] = {name: [] for name in ports}
            private = actor.key.private
            assert isinstance(private, RSAPrivateKey)
            for number in range(ROUNDS + 1):
                batch = text_deliveries(
                    DELIVERIES, private, actor=actor.id, key_id=actor.key_id, host=INSTANCE, first=number * DELIVERIES
                )
                for name, port in ports.items():
                    result = await trio.to_thread.run_sync(run_load, port, batch)
                    if number:  # the first round warms everything up
                        rates[name].append(result.per_second)
            return rates


@contextmanager
def _running(*module: str) -> Iterator[None]:
    command = [sys.executable, "-m", *module]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        if process.stdout.readline() != "ready\n":
            raise RuntimeError(f"{module[0]} did not start")
        yield
        process.stdin.close()
