"""The gate around the street: what it answers and records when a part breaks."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, cast

import pytest
import trio

from relayfilter.gates.inbox import InboxGate, answer
from relayfilter.lanes import Lanes
from relayfilter.ledger.queries import LedgerReader, Wanted
from relayfilter.ledger.records import DecisionRecord
from relayfilter.ledger.store import open_ledger
from relayfilter.request import InboxRequest, Response
from relayfilter.street import Street
from tests.support.signing import cavage, keypair

BODY = b'{"id":"https://a.example/1","type":"Like","actor":"https://a.example/u/a","object":"https://b.example/2"}'


class _BrokenKeys:
    async def get(self, key_id: str, actor: str, *, deadline: float) -> Any:
        raise RuntimeError("a bug that nobody expected, with a secret: hunter2")


def _street() -> Street:
    parts: dict[str, Any] = dict.fromkeys(("inspector", "linked", "look_ahead", "ledger", "policy", "upstream"))
    return Street(
        domains=frozenset({"lemmy.example"}), deadline=1, lanes=Lanes(), keys=cast(Any, _BrokenKeys()), **parts
    )


def _through(gate_input: InboxRequest, directory: Path) -> tuple[Response, DecisionRecord]:
    heard: list[DecisionRecord] = []

    async def main() -> Response:
        async with open_ledger(directory / "ledger.sqlite", on_trouble=pytest.fail) as ledger:
            return await InboxGate(_street(), ledger, heard.append)(gate_input)

    response = trio.run(main)
    assert heard == list(LedgerReader(directory / "ledger.sqlite").newest(Wanted()))
    return response, heard[0]


def test_a_bug_is_500_with_a_traceback_in_the_record_and_nothing_of_it_in_the_answer(tmp_path: Path) -> None:
    key_id = "https://a.example/u/a#main-key"
    request = cavage(keypair("a"), key_id, BODY, host="lemmy.example").as_request("/inbox", received_at=time.time())
    response, record = _through(request, tmp_path)
    assert response.status == 500
    assert b"hunter2" not in response.body
    assert (record.verdict, record.reason) == ("failed", "bug")
    assert "hunter2" in (record.detail or "")


def test_what_is_no_activity_is_415_and_recorded(tmp_path: Path) -> None:
    request = cavage(keypair("a"), "https://a.example/u/a#k", BODY, content_type="text/html").as_request("/inbox")
    response, record = _through(request, tmp_path)
    assert response.status == 415
    assert (record.verdict, record.reason) == ("refused", "content-type")


@pytest.mark.parametrize("status", [200, 202, 400, 401, 403, 415, 500, 503])
def test_answers_are_short_and_general(status: int) -> None:
    assert len(answer(status).body) < 64
