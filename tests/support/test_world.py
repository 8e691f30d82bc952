from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import h11
import pytest
import trio
import trio.testing

from tests.support import world_activities as activities
from tests.support.world import World, merged, toml
from tests.support.world_daemon import Ended

# What stands for the daemon here: it forwards every delivery byte for byte, or refuses to stop, as it is told.
FORWARDER = """
import json, os, signal, socket, sys, tomllib
from urllib.parse import urlsplit
command, config_file = sys.argv[1], sys.argv[-1]
if command != "serve":
    print(json.dumps([sys.argv[1:], os.environ["RELAYFILTER_CONFIG"], sys.stdin.read()]))
    sys.exit(3)
config = tomllib.load(open(config_file, "rb"))
def tell(message):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.connect(os.environ["NOTIFY_SOCKET"].replace("@", "\\0"))
        manager.send(message)
def reload(number, frame):
    print(json.dumps({"event": "reloaded", "policy": open(config["policy"]["file"]).read()}), flush=True)
    tell(b"READY=1")
def stop(number, frame):
    sys.exit(int(os.environ.get("STATUS", "0")))
signal.signal(signal.SIGHUP, reload)
signal.signal(signal.SIGTERM, stop)
if "LISTEN_PID" in os.environ:
    listener = socket.socket(fileno=3)
    listener.setblocking(True)
else:
    host, port = config["listen"]["address"].split(":")
    listener = socket.create_server((host, int(port)))
print(json.dumps({"event": "ready", "config": config}), flush=True)
tell(b"READY=1")
upstream = urlsplit(config["upstream"]["url"])
while True:
    peer, _ = listener.accept()
    if b"crash" in (raw := peer.recv(1000000)):
        sys.exit("crashed")
    with socket.create_connection((upstream.hostname, upstream.port)) as lemmy:
        lemmy.sendall(raw)
        peer.sendall(lemmy.recv(1000000))
    print(json.dumps({"event": "delivery"}), flush=True)
"""


def run(scenario: Callable[[World], Awaitable[None]], directory: Path, **options: Any) -> None:
    """The world with FORWARDER in the daemon's place."""
    script = directory / "forwarder.py"
    script.write_text(FORWARDER)

    async def main() -> None:
        with trio.fail_after(30):
            async with World(policy="one", command=(sys.executable, str(script)), **options) as world:
                await scenario(world)

    trio.run(main)


@pytest.mark.parametrize("hand_over", [True, False])
def test_a_delivery_goes_through_the_daemon_to_lemmy(tmp_path: Path, hand_over: bool) -> None:
    async def scenario(world: World) -> None:
        alice = world.fediverse["alpha.example"].actor("alice")
        assert (await world.deliver(alice, activities.mastodon_note(alice, "<p>Hello</p>"))).status == 200
        assert (await world.lemmy.next_received()).status == 200
        assert await world.log_line(lambda line: line["event"] == "delivery") == {"event": "delivery"}

    run(scenario, tmp_path, hand_over=hand_over)


def test_writes_the_configuration_of_this_world(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        config = (await world.log_line(lambda line: line["event"] == "ready"))["config"]
        assert config["instance"] == {"domains": ["lemmy.example"]}
        assert config["upstream"] == {"url": f"http://127.0.0.1:{world.lemmy.port}", "timeout": 2.5}
        testing = config["fetch"]["testing"]
        assert testing["hosts"] == {**world.fediverse.hosts, "intern.example": "10.0.0.5:443"}
        assert testing["ca_file"] == str(world.fediverse.ca_file)
        assert (config["lists"], config["classify"]) == ([{"name": "a", "file": "a.txt"}], {"workers": 1})
        assert (world.config_file.parent / "a.txt").read_bytes() == b"00"
        assert config["state"] == {"directory": str(world.state)}

    settings = {
        "upstream": {"timeout": 2.5},
        "fetch": {"testing": {"hosts": {"intern.example": "10.0.0.5:443"}}},
        "classify": {"workers": 1},
        "lists": [{"name": "a", "file": "a.txt"}],
    }
    run(scenario, tmp_path, settings=settings, files={"a.txt": "00"})


def test_deliveries_queue_while_the_daemon_is_killed_and_restarted(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        alice = world.fediverse["alpha.example"].actor("alice")
        await world.kill()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(world.deliver, alice, activities.mastodon_note(alice, "<p>Hello</p>"))
            await trio.testing.wait_all_tasks_blocked()
            await world.start()
        assert (await world.lemmy.next_received()).status == 200

    run(scenario, tmp_path)


def test_reloads(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.reload("two")
        assert (await world.log_line(lambda line: line["event"] == "reloaded"))["policy"] == "two"

    run(scenario, tmp_path)


def test_runs_the_command_line(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        done = await world.run_cli("log", "--json", stdin=b"input")
        assert json.loads(done.stdout) == [["log", "--json"], str(world.config_file), "input"]
        assert (done.returncode, done.stderr) == (3, b"")

    run(scenario, tmp_path, start=False)


def test_a_bad_exit_status_fails_the_world(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        pass

    with pytest.raises(AssertionError, match="status 5 after SIGTERM"):
        run(scenario, tmp_path, environment={"STATUS": "5"})


def test_a_daemon_that_crashed_unnoticed_fails_the_world(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        with pytest.raises(h11.RemoteProtocolError):
            await world.send(b"crash")

    with pytest.raises(AssertionError, match="crashed"):
        run(scenario, tmp_path)


def test_a_daemon_that_does_not_start_says_why() -> None:
    async def main() -> None:
        async with World(policy="", command=(sys.executable, "-c", "import sys; sys.exit('exit 78: why')")):
            pass

    with pytest.raises(Ended, match="exit 78: why"):
        trio.run(main)


def test_a_failing_test_is_shown_what_the_daemon_said(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        raise KeyError("of the test")

    with pytest.raises(KeyError, match="of the test") as caught:
        run(scenario, tmp_path)
    assert "'event': 'ready'" in "".join(caught.value.__notes__)


def test_toml_reads_back() -> None:
    tables = {"a": {"b.c": 1, "d": {"e": [1.5, True, 'quote " and \\ and é']}}, "lists": [{"name": "x"}]}
    assert tomllib.loads(toml(tables)) == tables


def test_merging_changes_only_what_is_named() -> None:
    tables = {"a": {"b": 1, "c": 2}, "d": 3}
    assert merged(tables, {"a": {"b": 9}, "e": {"f": 1}}) == {"a": {"b": 9, "c": 2}, "d": 3, "e": {"f": 1}}
    assert tables == {"a": {"b": 1, "c": 2}, "d": 3}
