"""What was said: the activity read from the bytes of a body, strictly, and never written back.

`parse_activity` refuses whatever two readers could read differently (FEDERATION: Lemmy reads with serde_json).
"""

from __future__ import annotations

from typing import Any

import msgspec


class Activity(msgspec.Struct, frozen=True):
    """A parsed activity. `document` is the decoded JSON object, for reading only; `raw` the bytes that it came from.

    `object_id`/`object_type` describe the innermost object (through Announce and Create), `inner_actor` its author
    where an Announce wraps another actor's activity.
    """

    raw: bytes
    document: dict[str, Any]
    id: str
    type: str
    actor: str
    object_id: str | None
    object_type: str | None
    inner_actor: str | None
    sensitive: bool
