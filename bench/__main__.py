"""`make bench`: speed and memory beside what an admin would run instead, as ratios from one run on one machine."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
BENCHES = ("text", "images", "memory", "policy", "reading")


def main() -> None:
    results = {name: importlib.import_module(f"bench.{name}").run() for name in sys.argv[1:] or BENCHES}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "latest.json").write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
