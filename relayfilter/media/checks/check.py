"""What a media check is."""

from __future__ import annotations

from typing import Protocol

from PIL import Image

from relayfilter.media.finding import Labelled


class Check(Protocol):
    """Looks at the RGB frames of one medium and states scores; whatever it raises becomes a CheckFailed finding.

    `name` stands in policies (`open_nsfw`), `labels` are the labels that `run` gives, `model` names the weights and
    their version for the record.
    """

    name: str
    labels: tuple[str, ...]
    model: str

    def run(self, frames: tuple[Image.Image, ...]) -> tuple[Labelled, ...]:
        """One finding a label, with its highest score over all frames."""
        ...
