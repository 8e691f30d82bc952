"""The conformance matrix of HTTP signatures through the running daemon, printed as a table.

    python -m tests.conformance.run

Every case is sent twice: as one piece, and byte by byte. Two daemons take turns: one as an admin would run it, and one
that is impatient with key servers and stands before an upstream that is declared capable of RFC 9421.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from urllib.parse import urlsplit

import trio
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tests.conformance import (
    rows_answers,
    rows_bodies,
    rows_cavage,
    rows_fetching,
    rows_keys,
    rows_proofs,
    rows_rfc9421,
)
from tests.support.cases import Scene
from tests.support.fediverse import DOMAINS, Fediverse
from tests.support.lemmy import Lemmy
from tests.support.play import PACES, Seen, play
from tests.support.traps import Traps
from tests.support.world import World, merged

ROWS = range(1, 56)
POLICY = 'default = "accept"\non_uninspectable = "reject"\n'
INTERNATIONAL = "xn--mller-kva.example"


async def play_all() -> list[Seen]:
    """Every case of the matrix, in the order of its rows."""
    async with _world({}) as world:
        scene = Scene(world)
        themes = (rows_cavage, rows_keys, rows_rfc9421, rows_proofs, rows_bodies, rows_answers)
        seen = await play(world, (case for rows in themes for case in rows.cases(scene)))
    with Traps() as traps:
        settings = merged(rows_fetching.IMPATIENT, traps.settings)
        async with _world(merged(settings, {"deliveries": {"rfc9421_upstream": "forward"}})) as world:
            world.lemmy.takes_rfc9421 = True
            scene = Scene(world)
            seen += await play(world, (*rows_fetching.cases(scene, traps), *rows_rfc9421.forwarding_cases(scene)))
    return sorted(seen, key=lambda one: one.case.row)


def _world(settings: dict[str, object]) -> World:
    world = World(policy=POLICY, settings=settings)
    world.fediverse = Fediverse((*DOMAINS, INTERNATIONAL))
    world.lemmy = Lemmy(lambda actor: _key_of(world.fediverse, actor))
    return world


def _key_of(fediverse: Fediverse, actor: str) -> RSAPublicKey | None:
    """As Lemmy looks an actor up: by the id as Rust's `url` writes it, with the host in lower-case A-labels."""
    parts = urlsplit(actor)
    host = (parts.hostname or "").encode("idna").decode()
    return fediverse.key_of(parts._replace(netloc=host).geturl())


def _print(seen: Iterable[Seen], console: Console) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("row", "case", "has to be", "is"):
        table.add_column(name, no_wrap=name != "case")
    for one in seen:
        style = one.colour
        table.add_row(*(Text(text, style) for text in (str(one.case.row), one.case.name, one.case.expected, one.got)))
        for text in one.faults if style != "green" else ():
            table.add_row("", Text(text, style))
        if one.case.pending:
            table.add_row("", Text(f"pending: {one.case.pending}", style))
    console.print(table)


def main() -> int:
    """Prints the table; the exit status is 1 when the matrix is not kept."""
    started = time.monotonic()
    seen = trio.run(play_all)
    console = Console(width=None if sys.stdout.isatty() else 160)
    _print(seen, console)
    wrong = [one for one in seen if one.wrong]
    pending = [one for one in seen if one.case.pending and one.faults]
    rows = {one.case.row for one in seen}
    missing = [row for row in ROWS if row not in rows]
    console.print(
        f"{len(rows)} rows, {len(seen)} cases, each {' and '.join(PACES)}, in {time.monotonic() - started:.1f} s: "
        f"{len(wrong)} wrong, {len(pending)} pending, {len(missing)} rows missing",
        style="red" if wrong or missing else "yellow" if pending else "green",
    )
    return 1 if wrong or missing else 0


if __name__ == "__main__":
    sys.exit(main())
