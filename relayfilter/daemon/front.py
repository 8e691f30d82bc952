"""The front process: the listener, the gate, the ledger, and the processes that it watches over."""

from __future__ import annotations

import contextlib
import signal
import sys
import time
import traceback
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import msgspec
import trio

from relayfilter.config import Loaded, load_all
from relayfilter.daemon.journal import Journal
from relayfilter.daemon.listeners import open_listeners
from relayfilter.daemon.notify import notify, watchdog_seconds
from relayfilter.daemon.supervisor import Sockets, inspection_processes, until_healthy
from relayfilter.errors import ConfigError, RemoteUnavailable
from relayfilter.gates.inbox import InboxGate, log_fields
from relayfilter.inspection.inspector import Inspector
from relayfilter.inspection.linked import JOB_SECONDS, LinkedReader
from relayfilter.inspection.lookahead import LookAhead
from relayfilter.inspection.pool import WorkerPool
from relayfilter.lanes import Lanes
from relayfilter.ledger.store import LEDGER_FILE, Ledger, open_ledger
from relayfilter.remote.actor_keys import ActorKeys
from relayfilter.remote.documents import FetchProcess
from relayfilter.remote.instance_actor import (
    DOCUMENT_TYPE,
    KEY_FILE,
    WEBFINGER_TYPE,
    InstanceActor,
    load_instance_actor,
)
from relayfilter.remote.signed_documents import SignedDocuments
from relayfilter.request import Response
from relayfilter.street import Street
from relayfilter.upstream.lemmy import LemmyUpstream
from relayfilter.wire.listen import serve


async def run_front(loaded: Loaded, *, alone: bool) -> None:
    """Serves until SIGTERM or SIGINT. `alone`: fetch and classify are units of their own.

    Raises ConfigError, LedgerUnavailable, and RemoteUnavailable when the other processes do not get ready.
    """
    config = loaded.config
    listeners = open_listeners(config.listen.address, str(loaded.file))
    state = Path(config.state.directory)
    await trio.Path(state).mkdir(mode=0o700, parents=True, exist_ok=True)
    async with contextlib.AsyncExitStack() as stack:
        journal = await stack.enter_async_context(_journal())
        if alone:
            sockets = Sockets(Path(config.processes.fetch_socket), Path(config.processes.classify_socket))
        else:
            processes = inspection_processes(loaded.file, lambda **what: journal.write("process", **what))
            sockets = await stack.enter_async_context(processes)
        fetch = FetchProcess(str(sockets.fetch))
        pool = stack.enter_context(
            contextlib.closing(WorkerPool(str(sockets.classify), size=1, job_timeout=JOB_SECONDS))
        )
        upstream = await stack.enter_async_context(contextlib.aclosing(LemmyUpstream(config.upstream)))
        ledger = await stack.enter_async_context(
            open_ledger(state / LEDGER_FILE, on_trouble=lambda detail: journal.write("ledger-trouble", detail=detail))
        )
        actor = await trio.to_thread.run_sync(instance_actor, loaded, state)
        documents = SignedDocuments(fetch, actor, time.time)
        gate = InboxGate(
            make_street(loaded, documents, fetch, LinkedReader(pool), ledger, upstream),
            ledger,
            lambda record: journal.write("delivery", **log_fields(record)),
            pages_of(actor),
        )
        await until_healthy(fetch)
        draining = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_obey_signals, gate, loaded, draining, nursery.cancel_scope, journal)
            nursery.start_soon(_feed_watchdog, fetch)
            journal.write("ready", listening=config.listen.address, rules=len(loaded.policy.rules))
            notify("READY=1")
            await serve(
                listeners,
                gate,
                config.limits,
                on_malformed=lambda client, error: journal.write(
                    "malformed", client=client, status=error.status, reason=error.reason
                ),
                on_crash=lambda error: journal.write("bug", detail="".join(traceback.format_exception(error))),
                draining=draining,
                clock=time.time,
                max_connections=config.listen.max_connections,
            )
            nursery.cancel_scope.cancel()
        journal.write("stopped")


def instance_actor(loaded: Loaded, state: Path) -> InstanceActor:
    """Who we are to servers that answer signed questions only. Raises ConfigError."""
    return load_instance_actor(state / KEY_FILE, domain=loaded.config.instance.domains[0].lower())


def pages_of(actor: InstanceActor) -> dict[bytes, Response]:
    """What others must be able to GET of us: the actor's document, and WebFinger's word for it."""
    account = quote(actor.account, safe="")
    webfinger = Response(200, ((b"Content-Type", WEBFINGER_TYPE.encode()),), actor.webfinger)
    return {
        actor.path.encode(): Response(200, ((b"Content-Type", DOCUMENT_TYPE.encode()),), actor.document),
        f"/.well-known/webfinger?resource={actor.account}".encode(): webfinger,
        f"/.well-known/webfinger?resource={account}".encode(): webfinger,
    }


def make_street(
    loaded: Loaded,
    documents: SignedDocuments,
    fetch: FetchProcess,
    linked: LinkedReader,
    ledger: Ledger,
    upstream: LemmyUpstream,
) -> Street:
    """The street as the configuration wants it."""
    deliveries = loaded.config.deliveries
    domains = frozenset(domain.lower() for domain in loaded.config.instance.domains)
    inspector = Inspector(fetch, loaded.lists, max_media=deliveries.max_media, side_by_side=deliveries.side_by_side)
    settings = loaded.config.look_ahead
    return Street(
        domains=domains,
        deadline=deliveries.deadline,
        lanes=Lanes(),
        keys=ActorKeys(documents, ledger, time.time),
        ledger=ledger,
        linked=linked,
        look_ahead=LookAhead(documents, inspector, ledger.known, domains=domains, settings=settings),
        inspector=inspector,
        policy=loaded.policy,
        upstream=upstream,
        rfc9421=deliveries.rfc9421_upstream,
    )


@contextlib.asynccontextmanager
async def _journal() -> AsyncIterator[Journal]:
    journal = Journal(sys.stdout.fileno())
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(journal.run)
            yield journal
            nursery.cancel_scope.cancel()
    finally:
        journal.flush()


async def _feed_watchdog(fetch: FetchProcess) -> None:
    """Tells systemd that we are well only when a picture went through a worker again."""
    period = watchdog_seconds()
    if period is None:
        return
    while True:
        with contextlib.suppress(RemoteUnavailable):
            if (await fetch.ping(deadline=period / 3)).healthy:
                notify("WATCHDOG=1")
        await trio.sleep(period / 3)


async def _obey_signals(
    gate: InboxGate, loaded: Loaded, draining: trio.Event, scope: trio.CancelScope, journal: Journal
) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        async for number in signals:
            if number == signal.SIGHUP:
                await _reload(gate, loaded.file, journal)
                continue
            notify("STOPPING=1")
            journal.write("stopping", signal=signal.Signals(number).name)
            draining.set()
            scope.deadline = trio.current_time() + loaded.config.deliveries.drain


async def _reload(gate: InboxGate, file: Path, journal: Journal) -> None:
    """Swaps policy and lists at once, or keeps the old ones and says why."""
    notify("RELOADING=1")
    try:
        loaded = await trio.to_thread.run_sync(load_all, file)
    except ConfigError as error:
        journal.write("reload-refused", detail=str(error))
    else:
        inspector = gate.street.inspector.with_lists(loaded.lists)
        look_ahead = gate.street.look_ahead.with_inspector(inspector)
        gate.street = msgspec.structs.replace(
            gate.street, policy=loaded.policy, inspector=inspector, look_ahead=look_ahead
        )
        journal.write("reloaded", rules=len(loaded.policy.rules))
    notify("READY=1")
