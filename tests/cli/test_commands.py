"""The commands as a person runs them: real processes, their output and their exit status."""

from __future__ import annotations

import io
import json
import subprocess

import trio
from PIL import Image

from relayfilter.media.testcard import render
from tests.support import patterns
from tests.support import world_activities as say
from tests.support.world import World
from tests.support.world_delivery import encode


def test_check_names_what_is_dangerous_and_what_is_wrong() -> None:
    async def main() -> None:
        async with World(start=False) as world:
            good = await world.run_cli("check")
            assert good.returncode == 0
            assert b"DANGEROUS" in good.stdout
            assert b"127.0.0.0/8" in good.stdout
            report = json.loads((await world.run_cli("check", "--json")).stdout)
            assert report["rules"] >= 3
            assert report["hash_lists"] == {"testcard": 1}
            assert report["dangers"]
            assert (await world.run_cli("check", "--strict")).returncode == 1

            policy = world.policy_file.read_text()
            for text, place, expected in (
                (policy + "\n[[rules]]\nname = 'x'\n", "policy.toml", "missing required field"),
                (policy.replace(">= 0.85", "much"), "policy.toml", "much"),
                ("default = 1", "policy.toml:1", "$.default"),
                ("default =", "policy.toml:1", "not TOML"),
            ):
                world.policy_file.write_text(text)
                wrong = await world.run_cli("check")
                assert wrong.returncode == 78
                assert place in wrong.stderr.decode()
                assert expected in wrong.stderr.decode()
                assert (await world.run_cli("serve")).returncode == 78
            world.policy_file.write_text('default = "accept"\non_uninspectable = "reject"\n')
            assert b"lets the test card in" in (await world.run_cli("check")).stdout

            config = world.config_file.read_text()
            world.config_file.write_text(config + "\n[nonsense]\nx = 1\n")
            wrong = await world.run_cli("check")
            assert wrong.returncode == 78
            line = config.count("\n") + 2
            assert f"relayfilter.toml:{line}: $.nonsense" in wrong.stderr.decode()

    trio.run(main)


def test_a_configuration_that_is_not_there_is_said_in_a_line() -> None:
    async def main() -> None:
        async with World(start=False) as world:
            for command in ("serve", "check", "log"):
                missing = await world.run_cli(command, "--config", "/nonexistent/relayfilter.toml")
                assert missing.returncode == 78
                assert missing.stderr.decode().count("\n") == 1
                assert "/nonexistent/relayfilter.toml" in missing.stderr.decode()

    trio.run(main)


def test_testcard_writes_the_card_in_each_format() -> None:
    async def main() -> None:
        async with World(start=False) as world:
            for name in ("png", "jpeg", "webp"):
                written = await world.run_cli("testcard", "--format", name)
                assert written.returncode == 0
                with Image.open(io.BytesIO(written.stdout)) as card:
                    assert card.format == name.upper()

    trio.run(main)


def test_scan_tells_what_would_happen_to_a_file_a_url_and_an_activity() -> None:
    async def main() -> None:
        async with World(start=False) as world:
            host = world.fediverse["alpha.example"]
            alice = host.actor("alice")
            directory = world.config_file.parent
            url = host.add_image("/card.png", render("png"))
            (directory / "card.jpg").write_bytes(render("jpeg"))
            (directory / "fine.png").write_bytes(patterns.file(patterns.ordinary()["rings"], "PNG"))
            (directory / "bad.json").write_bytes(
                encode(say.mastodon_note(alice, "<p>Hi</p>", say.document_attachment(url)))
            )
            (directory / "good.json").write_bytes(encode(say.mastodon_note(alice, "<p>Hi</p>")))
            (directory / "broken.json").write_text('{"id": 1, "id": 2}')
            for what, status, piece in (
                ("card.jpg", 3, "hash list testcard"),
                ("fine.png", 0, "open_nsfw gives nsfw"),
                (url, 3, "hash list testcard"),
                ("bad.json", 3, "/object/attachment/0/url"),
                ("good.json", 0, "would be accepted"),
            ):
                scan = await world.run_cli("scan", what)
                assert (scan.returncode, piece in scan.stdout.decode()) == (status, True), (what, scan)
            refused = await world.run_cli("scan", "broken.json")
            assert refused.returncode == 3
            assert b"duplicate-key" in refused.stderr
            assert (await world.run_cli("scan", "nothing.png")).returncode == 66
            scan = await world.run_cli("scan", "--json", "card.jpg")
            assert json.loads(scan.stdout)["decision"]["rule"] == "test-card"
            assert world.lemmy.received == []
            assert not (world.state / "ledger.sqlite").exists()

    trio.run(main)


def test_log_filters_and_explain_find_what_was_decided() -> None:
    async def main() -> None:
        async with World() as world:
            alpha, beta = world.fediverse["alpha.example"], world.fediverse["beta.example"]
            alice, bob = alpha.actor("alice"), beta.actor("bob")
            card = say.document_attachment(alpha.add_image("/card.png", render("png")))
            note = say.mastodon_note(bob, "<p>Hi</p>")
            await world.deliver(alice, say.mastodon_note(alice, "<p>Hi</p>", card))
            await world.deliver(bob, note)
            await world.deliver(bob, say.mastodon_note(bob, "<p>Hi</p>"), date_offset=-10_000)
            await world.stop()

            async def found(*options: str) -> list[str]:
                lines = (await world.run_cli("log", "--json", *options)).stdout.splitlines()
                return [json.loads(line)["verdict"] for line in lines]

            assert await found() == ["refused", "accepted", "rejected"]
            assert await found("-n", "1") == ["refused"]
            assert await found("--verdict", "rejected") == ["rejected"]
            assert await found("--instance", "beta.example") == ["refused", "accepted"]
            assert await found("--actor", alice.id) == ["rejected"]
            assert await found("--rule", "test-card") == ["rejected"]
            assert await found("--since", "1h") == ["refused", "accepted", "rejected"]
            assert await found("--since", "2100-01-01") == []
            assert await found("--activity", note["id"]) == ["accepted"]
            assert (await world.run_cli("log", "--since", "soon")).returncode == 2
            assert b"nothing matches" in (await world.run_cli("log", "--rule", "none")).stdout

            told = await world.run_cli("explain", note["id"])
            assert told.returncode == 0
            assert b"accepted, answered 200" in told.stdout
            assert (await world.run_cli("explain", "0000000000000")).returncode == 1
            assert (await world.run_cli("explain", "what?")).returncode == 2

    trio.run(main)


def test_log_follow_shows_decisions_as_they_are_made() -> None:
    async def main() -> None:
        async with World() as world:
            alice = world.fediverse["alpha.example"].actor("alice")
            assert (await world.deliver(alice, say.mastodon_note(alice, "0"), date_offset=-10_000)).status == 401
            command = [*world.command, "log", "--follow", "--json", "--config", str(world.config_file)]
            async with trio.open_nursery() as nursery:
                process = await nursery.start(_piped, command)
                assert process.stdout is not None
                seen = b""
                with trio.fail_after(20):
                    while b"\n" not in seen:
                        assert (await world.deliver(alice, say.mastodon_note(alice, "1"))).status == 200
                        with trio.move_on_after(0.3):
                            seen += await process.stdout.receive_some()
                assert json.loads(seen.splitlines()[0])["verdict"] == "accepted"
                nursery.cancel_scope.cancel()

    trio.run(main)


async def _piped(command: list[str], task_status: trio.TaskStatus[trio.Process]) -> None:
    await trio.run_process(command, stdout=subprocess.PIPE, check=False, task_status=task_status)


def test_every_command_has_help_that_fits() -> None:
    async def main() -> None:
        async with World(start=False) as world:
            for command in ("serve", "check", "log", "explain", "scan", "testcard"):
                told = await world.run_cli(command, "--help")
                assert told.returncode == 0
                assert all(len(line) <= 80 for line in told.stdout.decode().splitlines())
            assert b"serve" in (await world.run_cli("--help")).stdout

    trio.run(main)
