"""The accept loop: so many connections at once, and a stop that lets the running ones end."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Sequence

import trio

from relayfilter.wire.idle import IdleStreams
from relayfilter.wire.limits import Limits
from relayfilter.wire.server import Handler, OnCrash, OnMalformed, serve_connection
from relayfilter.wire.stream import SocketStream

_OUT_OF_RESOURCES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_BACK_OFF_SECONDS = 0.1
_SWEEPS_PER_IDLE_TIMEOUT = 16


async def serve(
    listeners: Sequence[trio.SocketListener],
    handler: Handler,
    limits: Limits,
    *,
    on_malformed: OnMalformed,
    on_crash: OnCrash,
    draining: trio.Event,
    clock: Callable[[], float],
    max_connections: int = 512,
) -> None:
    """Serves until `draining` is set, then closes the listeners and idle connections and waits for the others to end.

    How long that may take is the caller's to bound: cancelling ends what is left. Above `max_connections` at once new
    ones wait in the kernel's backlog. When the system runs out of descriptors or buffers, that is reported once to
    `on_crash` and accepting goes on as soon as it can. See `serve_connection` for the rest.
    """
    free = trio.Semaphore(max_connections)
    idle = IdleStreams()

    async def serve_one(stream: trio.SocketStream) -> None:
        client = _peer(stream)
        try:
            await serve_connection(
                SocketStream(stream),
                handler,
                limits,
                client=client,
                on_malformed=on_malformed,
                on_crash=on_crash,
                draining=draining,
                idle=idle,
                clock=clock,
            )
        finally:
            free.release()

    async def accept_on(listener: trio.SocketListener) -> None:
        exhausted = False
        while True:
            await free.acquire()
            try:
                stream = await listener.accept()
            except OSError as error:
                free.release()
                if error.errno not in _OUT_OF_RESOURCES:
                    raise
                if not exhausted:
                    on_crash(error)
                exhausted = True
                await trio.sleep(_BACK_OFF_SECONDS)
            else:
                exhausted = False
                connections.start_soon(serve_one, stream)

    async def close_idle() -> None:
        while True:
            await trio.sleep(limits.idle_timeout / _SWEEPS_PER_IDLE_TIMEOUT)
            idle.close(trio.current_time())

    async with trio.open_nursery() as connections:
        try:
            async with trio.open_nursery() as accepting:
                for listener in listeners:
                    accepting.start_soon(accept_on, listener)
                accepting.start_soon(close_idle)
                await draining.wait()
                accepting.cancel_scope.cancel()
        finally:
            for listener in listeners:
                listener.socket.close()
        idle.close()


def _peer(stream: trio.SocketStream) -> str:
    """`address:port`, `[address]:port`, or the kind of socket when the peer has no address or is gone already."""
    try:
        address = stream.socket.getpeername()
    except OSError:
        return "gone"
    if stream.socket.family == socket.AF_INET:
        return f"{address[0]}:{address[1]}"
    if stream.socket.family == socket.AF_INET6:
        return f"[{address[0]}]:{address[1]}"
    return "unix"
