"""Evidence in few words, for tables of cases."""

from __future__ import annotations

from typing import Any

import msgspec

from relayfilter.activity.media_ref import MediaRef, Slot
from relayfilter.media.finding import Finding, MediaReport, Picture
from relayfilter.policy.evidence import Evidence, InspectedMedia


def medium(
    slot: Slot = "attachment",
    *findings: Finding,
    pointer: str = "/m/0",
    format: str = "jpeg",
    frames: int = 1,
    bytes: int | None = None,
    decoded: bool = True,
) -> InspectedMedia:
    picture = Picture(format=format, width=10, height=10, frames=frames, sha256=b"", pdq=(), pdq_quality=0)
    report = MediaReport(findings=findings, picture=picture if decoded else None, bytes=bytes)
    return InspectedMedia(MediaRef(pointer, "https://img.example/1", slot), report)


def evidence(*media: InspectedMedia, **fields: Any) -> Evidence:
    usual = Evidence(
        gate="inbox",
        actor="https://far.example/u/ann",
        instance="far.example",
        activity_type="Create",
        object_type="Page",
        inner_actor=None,
        scheme="cavage",
        media=media,
    )
    return msgspec.structs.replace(usual, **fields)
