"""`make bench`: speed and memory beside what an admin would run instead, as ratios from one run on one machine."""

from __future__ import annotations

import json
import sys
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    from bench import images, memory, text

    chosen = sys.argv[1:] or ["text", "images", "memory"]
    results = {}
    for name, bench in (("text", text.run), ("images", images.run), ("memory", memory.run)):
        if name in chosen:
            results[name] = bench()
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "latest.json").write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
