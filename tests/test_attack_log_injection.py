"""Attacks on those who read the log: forged lines, control characters for the terminal, text that runs backwards.

Whatever a stranger can put into a request is put there, in every field that the log, the ledger or an answer shows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import trio

from tests.support import world_activities as say
from tests.support.attacks import POLICY
from tests.support.cases import Scene, note
from tests.support.world import World
from tests.support.world_actors import Actor
from tests.support.world_delivery import Answer, encode, signed_post

_FORGED = '\n{"event":"delivery","verdict":"accepted","forged":true}\n'
_TERMINAL = "\x1b[2J\x1b]0;owned\x07\x9b31m\r\x08"
_BACKWARDS = "\u202egpj.exe\u2066\u200b"
_NASTY = _FORGED + _TERMINAL + _BACKWARDS
_EVERY = 16
"""Explaining takes a process each, and half a second."""
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2066-\u2069]")


def test_no_line_is_forged_and_no_terminal_obeys() -> None:
    async def main() -> None:
        async with World(policy=POLICY) as world:
            answers = [await world.send(raw) for raw in _requests(Scene(world))]
            await world.log_line(lambda line: line.get("type") == "Last")
            _look_at_answers(answers)
            assert world.daemon.stray == []
            assert world.daemon.stderr == b""
            for line in world.daemon.log.items:
                assert line["event"] in ("ready", "delivery", "malformed")
                assert "forged" not in line
            told = [line["id"] for line in world.daemon.log.items if line["event"] == "delivery"]
            assert len(told) >= 10
            commands = [("log", "-n", "1000"), *(("explain", number) for number in told[::_EVERY])]
            for command in commands:
                shown = await world.run_cli(*command)
                assert shown.returncode == 0
                assert not _CONTROL.search(shown.stdout.decode()), command
                assert b'\n{"event"' not in shown.stdout
            lines = (await world.run_cli("log", "--json", "-n", "1000")).stdout.splitlines()
            assert len(lines) == len(told)
            assert not any(re.search(rb"[\x00-\x1f\x7f]", line) for line in lines)

    trio.run(main)


def _look_at_answers(answers: list[Answer]) -> None:
    for answer in answers:
        assert b"forged" not in answer.body + repr(answer.headers).encode()
        assert b"\x1b" not in answer.body


def _requests(scene: Scene) -> Iterator[bytes]:
    alice = scene.alice

    def changed(**members: Any) -> bytes:
        return signed_post(alice, encode(note(alice) | members))

    for member in ("id", "type", "actor", "audience", "published", _NASTY):
        yield changed(**{member: _NASTY})
        yield changed(**{member: f"https://alpha.example/{_NASTY}"})
    yield changed(object={"id": f"https://alpha.example/{_BACKWARDS}", "type": _NASTY, "name": _NASTY})
    for url in (f"https://beta.example/{_BACKWARDS}.png", f"https://beta.example/{_NASTY}", _NASTY):
        yield signed_post(alice, say.mastodon_note(alice, "Hi", say.document_attachment(url, name=_NASTY)))
    printable = "\x9b31m\xad\x85"  # control characters above ASCII: the only ones that a header may hold
    for name in ("Date", "Digest", "Content-Type", "Host", "User-Agent", "X-Forwarded-For"):
        yield signed_post(alice, note(alice), replace={name.lower(): printable})
    nameless = Actor(alice.host, alice.name)
    for key_id in (f"{alice.id}#{printable}", printable, "https://alpha.example/%0a%1b[2J", "x" * 7000):
        nameless.key_id = key_id
        yield signed_post(nameless, note(alice), key=alice.key)
    yield signed_post(alice, note(alice), algorithm=printable)
    yield signed_post(alice, note(alice), covered=("(request-target)", "host", "date", "digest", "x-%1b[2J"))
    yield signed_post(alice, note(alice), target="/inbox?%0a%1b[2J")
    yield b"POST /\x1b[2J HTTP/1.1\r\nHost: lemmy.example\r\n\r\n"
    yield b"POST /inbox HTTP/1.1\r\nHost: lemmy.example\r\nX: \x1b[2J\r\n\r\n"
    yield b"\x1b[2J\r\n\r\n"
    yield changed(type="Last")
