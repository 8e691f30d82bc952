"""Memory of each process, after some traffic and at rest, beside what it may be."""

from __future__ import annotations

from pathlib import Path

import trio

from tests.support import patterns
from tests.support import world_activities as say
from tests.support.world import World

# MB: resident for the processes, private (not shared with the parent that it was forked from) for a worker.
BOUNDS = {"front": 150, "fetch": 80, "classify": 160, "worker": 40}


def run() -> dict[str, object]:
    """Prints and returns megabytes by process."""
    measured = trio.run(_measure)
    print("memory at rest after 40 pictures, MB (resident; for a worker: its own)")
    for part, megabytes in measured.items():
        print(f"  {part:10} {megabytes:6.0f}   bound {BOUNDS[part]}")
    return {"megabytes": measured, "bounds": BOUNDS}


async def _measure() -> dict[str, float]:
    async with World() as world:
        host = world.fediverse["alpha.example"]
        alice = host.actor("alice")
        picture = patterns.file(patterns.clouds(1280, 960, seed=1))
        for number in range(40):
            url = host.add_image(f"/{number}.jpg", picture, "image/jpeg")
            answer = await world.deliver(alice, say.mastodon_note(alice, "<p>Hi</p>", say.document_attachment(url)))
            assert answer.status == 200, answer
        return _by_part(world.daemon.processes())


def _by_part(pids: list[int]) -> dict[str, float]:
    found: dict[str, float] = {}
    zygotes = [pid for pid in pids if "inspection.zygote" in _command(pid)]
    for pid in pids:
        memory = _rollup(pid)
        if pid in zygotes:
            parent = _parent(pid)
            part, size = ("worker", memory["Private_Dirty"]) if parent in zygotes else ("classify", memory["Rss"])
        else:
            part, size = ("fetch" if "--only" in _command(pid) else "front"), memory["Rss"]
        found[part] = max(found.get(part, 0), size / 1024)
    return {part: found[part] for part in BOUNDS}


def _command(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _rollup(pid: int) -> dict[str, int]:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {name.rstrip(":"): int(size) for name, size, _ in (line.split() for line in lines)}
