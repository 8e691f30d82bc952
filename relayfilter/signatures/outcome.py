"""What became of a signature inside a document. Evidence for policy and the log: Lemmy trusts HTTP signatures only."""

from __future__ import annotations

import msgspec


class Valid(msgspec.Struct, frozen=True):
    """The key signed this document."""

    def __str__(self) -> str:
        return "valid"


class Invalid(msgspec.Struct, frozen=True):
    """It did not, or the signature is malformed. `reason` is a short stable slug."""

    reason: str

    def __str__(self) -> str:
        return f"invalid: {self.reason}"


class Skipped(msgspec.Struct, frozen=True):
    """Nobody can say: it was not, or could not be, looked at. `reason` is a short stable slug."""

    reason: str

    def __str__(self) -> str:
        return f"skipped: {self.reason}"


Outcome = Valid | Invalid | Skipped
