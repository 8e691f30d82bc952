"""The classify process: becomes the zygote, which knows nothing of Trio or of the rest of the configuration."""

from __future__ import annotations

import os
from typing import NoReturn

from relayfilter.config import Config
from relayfilter.daemon.parts import lifeline_fd, part_listener
from relayfilter.inspection.settings import zygote_command


def run_classify(config: Config) -> NoReturn:
    """Replaces this process by the zygote."""
    listener = part_listener(config.processes.classify_socket)
    fd = listener.detach()
    os.set_inheritable(fd, True)
    command = zygote_command(fd, lifeline_fd(), config.classify)
    os.execv(command[0], command)  # noqa: S606 - our own interpreter, no shell
