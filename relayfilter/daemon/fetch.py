"""The fetch process: the guarded client, and workers to hand pictures to."""

from __future__ import annotations

import os

import trio

from relayfilter.config import Config
from relayfilter.daemon.notify import notify
from relayfilter.daemon.parts import part_listener, until_told_to_stop
from relayfilter.daemon.supervisor import CLASSIFY_SOCKET
from relayfilter.inspection.pool import WorkerPool
from relayfilter.remote.client import GuardedClient
from relayfilter.remote.service import FetchService


async def run_fetch(config: Config) -> None:
    """Answers front's questions until told to stop."""
    listening = part_listener(config.processes.fetch_socket)
    listening.setblocking(False)
    listener = trio.SocketListener(trio.socket.from_stdlib_socket(listening))
    classify = os.environ.get(CLASSIFY_SOCKET) or config.processes.classify_socket
    pool = WorkerPool(classify, size=config.classify.worker_count, job_timeout=config.classify.job_timeout)
    async with GuardedClient(config.fetch) as client:
        service = FetchService(config.fetch, client, pool)
        async with trio.open_nursery() as nursery:
            await nursery.start(service.serve, listener)
            notify("READY=1")
            await until_told_to_stop()
            nursery.cancel_scope.cancel()
    pool.close()
