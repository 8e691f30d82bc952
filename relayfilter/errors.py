"""The few failures that travel as exceptions. Expected outcomes are values; these end a stage."""

from __future__ import annotations


class MalformedRequest(Exception):
    """The peer sent something that no stage can work with. `status` is its answer, `reason` is for the log."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class RemoteUnavailable(Exception):
    """The fetch process cannot be asked (not: a remote server failed, which is an answer)."""


class UpstreamUnavailable(Exception):
    """Lemmy gave no answer. `sent` tells whether any byte of the request may have reached it."""

    def __init__(self, reason: str, *, sent: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.sent = sent


class ConfigError(Exception):
    """A configuration mistake: where it is and what was expected."""

    def __init__(self, message: str, *, file: str, line: int | None = None, path: str | None = None) -> None:
        place = file if line is None else f"{file}:{line}"
        super().__init__(f"{place}: {path}: {message}" if path else f"{place}: {message}")
        self.message = message
        self.file = file
        self.line = line
        self.path = path
