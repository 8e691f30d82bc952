"""MediaRef to MediaReport: every medium of a delivery, side by side, under one deadline.

Front runs this; it asks the fetch process and sees only reports. Hash lists are matched here, on the reported hashes,
so that a changed list needs no new worker.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import msgspec
import trio

from relayfilter.activity.media_ref import MediaRef
from relayfilter.errors import RemoteUnavailable
from relayfilter.media.finding import MediaReport, NotInlined, Uninspectable
from relayfilter.media.hashlist import HashLists
from relayfilter.policy.evidence import InspectedMedia

PREVIEW = MediaReport(findings=(NotInlined("link-preview"),))
_TOO_MANY = MediaReport(findings=(Uninspectable("too-many-media"),))
_OUT_OF_TIME = MediaReport(findings=(Uninspectable("deadline", temporary=True),))


class MediaSource(Protocol):
    """Who looks at the medium behind a URL: the fetch process. `deadline` is seconds from now."""

    async def media(self, url: str, *, deadline: float, may_be_page: bool) -> MediaReport:
        """Raises RemoteUnavailable when nobody can be asked."""


class Inspector:
    """Looks at up to `max_media` different media of one delivery, `side_by_side` at a time."""

    def __init__(self, source: MediaSource, lists: HashLists, *, max_media: int = 32, side_by_side: int = 4) -> None:
        self.lists = lists
        self._source = source
        self._max_media = max_media
        self._side_by_side = side_by_side

    def with_lists(self, lists: HashLists) -> Inspector:
        """The same inspector with other hash lists."""
        return Inspector(self._source, lists, max_media=self._max_media, side_by_side=self._side_by_side)

    async def inspect(self, refs: Iterable[MediaRef], *, deadline: float) -> tuple[InspectedMedia, ...]:
        """A report for every reference, in order; each URL is looked at once. `deadline` is on Trio's clock."""
        refs = tuple(refs)
        if not refs:
            return ()
        wanted: dict[str, bool] = {}
        for ref in refs:
            if ref.slot != "preview":
                wanted[ref.url] = wanted.get(ref.url, True) and ref.slot == "link"
        looked_at = list(wanted.items())[: self._max_media]
        reports: dict[str, MediaReport] = {}
        with trio.move_on_at(deadline):
            places = trio.CapacityLimiter(self._side_by_side)
            async with trio.open_nursery() as nursery:
                for url, may_be_page in looked_at:
                    nursery.start_soon(self._look_at, url, may_be_page, deadline, places, reports)
        missing = dict.fromkeys(wanted, _TOO_MANY) | {url: _OUT_OF_TIME for url, _ in looked_at}
        reports = missing | reports
        return tuple(InspectedMedia(ref, PREVIEW if ref.slot == "preview" else reports[ref.url]) for ref in refs)

    async def _look_at(
        self,
        url: str,
        may_be_page: bool,
        deadline: float,
        places: trio.CapacityLimiter,
        reports: dict[str, MediaReport],
    ) -> None:
        async with places:
            try:
                left = deadline - trio.current_time()
                report = await self._source.media(url, deadline=left, may_be_page=may_be_page)
            except RemoteUnavailable as unavailable:
                report = MediaReport(findings=(Uninspectable("filter-unavailable", str(unavailable), temporary=True),))
        reports[url] = self.match(report)

    def match(self, report: MediaReport) -> MediaReport:
        """The report with what the hash lists say of its picture."""
        if report.picture is None:
            return report
        return msgspec.structs.replace(report, findings=(*self.lists.match(report.picture), *report.findings))
