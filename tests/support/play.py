"""Plays cases against a running world and says what is not as it has to be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import trio

from tests.support.cases import Case
from tests.support.lemmy import Received
from tests.support.world import Line, World
from tests.support.world_delivery import Answer, connected

PACES = ("at once", "byte by byte")


class Seen(NamedTuple):
    """What became of one case; `faults` is what should have been otherwise, at any pace."""

    case: Case
    got: str
    faults: tuple[str, ...]

    @property
    def colour(self) -> str:
        if self.case.pending:
            return "yellow" if self.faults else "red"
        return "red" if self.faults else "green"

    @property
    def wrong(self) -> str:
        """What is not as it has to be. Neither is a pending case that is: it should not say pending."""
        if self.case.pending:
            return "" if self.faults else "no longer pending"
        return "; ".join(self.faults)


async def play(world: World, cases: Iterable[Case], *, paces: tuple[str, ...] = PACES) -> list[Seen]:
    """Sends every case at every pace, and then reads what the log says of each: it is written in groups."""
    sent = [(case, [await _deliver(world, case, pace) for pace in paces]) for case in cases]
    lines = {}
    for delivery in (delivery for _, deliveries in sent for delivery in deliveries):
        lines[delivery] = await world.log_line(delivery.is_told_by, after=delivery.heard)
    return [_judge(case, deliveries, lines) for case, deliveries in sent]


class Delivery(NamedTuple):
    """One request on its own connection from `client`, its answer after so many `seconds`, and what of it reached
    Lemmy. `heard` counts the lines of the log before it; `fault` is what the case itself finds wrong."""

    pace: str
    client: str
    heard: int
    seconds: float
    raw: bytes
    answer: Answer
    arrived: tuple[Received, ...]
    fault: str | None

    def is_told_by(self, line: Line) -> bool:
        return line.get("client") == self.client and "status" in line


async def _deliver(world: World, case: Case, pace: str) -> Delivery:
    raw = await case.request(world.send)
    heard, received = len(world.daemon.log.items), len(world.lemmy.received)
    async with connected(world.port) as connection:
        host, port = connection.stream.socket.getsockname()
        started = trio.current_time()
        answer = await connection.exchange(raw, one_byte=pace == PACES[1])
        seconds = trio.current_time() - started
    fault = case.also(answer) if case.also else None
    return Delivery(pace, f"{host}:{port}", heard, seconds, raw, answer, tuple(world.lemmy.received[received:]), fault)


def _judge(case: Case, deliveries: list[Delivery], lines: dict[Delivery, Line]) -> Seen:
    got: dict[str, None] = {}
    faults: list[str] = []
    for delivery in deliveries:
        line = lines[delivery]
        passed, status = line.get("verdict") == "accepted", delivery.answer.status
        got[f"F {status}" if passed else f"{status} {line.get('reason')}"] = None
        faults += [f"{delivery.pace}: {fault}" for fault in _faults(case, delivery, line)]
    return Seen(case, ", then ".join(got), tuple(faults))


def _faults(case: Case, delivery: Delivery, line: Line) -> Iterator[str]:
    answered = f"{delivery.answer.status} {line.get('reason')} {line.get('detail', '')}".strip()
    if case.verdict == "F":
        if line.get("verdict") != "accepted" or delivery.answer.status != case.lemmy:
            yield answered
        if [one.head + one.body for one in delivery.arrived] != [delivery.raw]:
            yield f"reached Lemmy {len(delivery.arrived)} times, or not as the same bytes"
        yield from (f"Lemmy: {one.error}" for one in delivery.arrived if one.status != case.lemmy)
    else:
        said = line.get("reason")
        if delivery.answer.status != case.verdict or not said or case.reason not in ("", said):
            yield answered
        if delivery.arrived:
            yield "reached Lemmy"
    for name, start in case.log.items():
        if not str(line.get(name)).startswith(str(start)):
            yield f"the log says {name} = {line.get(name)}"
    if delivery.seconds > case.within:
        yield f"took {delivery.seconds:.1f} s"
    if delivery.fault:
        yield delivery.fault
