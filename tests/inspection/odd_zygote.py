"""The zygote's loop with a check that does what the colour of the picture says, and no model to load."""

from __future__ import annotations

import ctypes
import os
import socket
import sys

import msgspec

os.environ["OPENBLAS_NUM_THREADS"] = "1"

from PIL import Image

from relayfilter.inspection.settings import ClassifySettings
from relayfilter.inspection.warmup import warm_up
from relayfilter.inspection.zygote import Zygote
from relayfilter.media.checks.check import Check
from relayfilter.media.finding import Labelled

HANG, CRASH, RAISE, EAT, CALM = "red", "lime", "blue", "yellow", "white"


class ByColour:
    name: str = "by_colour"
    labels: tuple[str, ...] = ("calm",)
    model: str = "by_colour 1"

    def run(self, frames: tuple[Image.Image, ...]) -> tuple[Labelled, ...]:
        match frames[0].getpixel((0, 0)):
            case (255, 0, 0):
                while True:
                    pass
            case (0, 255, 0):
                ctypes.string_at(0)
            case (0, 0, 255):
                raise ValueError("blue")
            case (255, 255, 0):
                bytearray(8 << 30)
        return (Labelled(self.name, "calm", 1.0),)


def main() -> None:
    checks: tuple[Check, ...] = (ByColour(),)
    warm_up(checks)
    with socket.socket(fileno=int(sys.argv[1])) as listener:
        listener.setblocking(False)
        Zygote(listener, int(sys.argv[2]), checks, msgspec.json.decode(sys.argv[3], type=ClassifySettings)).serve()


if __name__ == "__main__":
    main()
