"""config/relayfilter.toml as types. Each table belongs to the room that uses it; this is where they meet.

Everything is decoded strictly: an unknown key, a wrong type or a value out of range stops the start, with file, line
and path.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from relayfilter import strict_toml
from relayfilter.errors import ConfigError
from relayfilter.inspection.lookahead import LookAheadSettings
from relayfilter.inspection.settings import ClassifySettings
from relayfilter.media.hashlist import HashList, HashLists, HashListSettings, parse_hash_list
from relayfilter.policy.load import load_policy
from relayfilter.policy.rules import Policy
from relayfilter.remote.settings import FetchSettings
from relayfilter.upstream.lemmy import UpstreamSettings
from relayfilter.wire.limits import Limits

Seconds = Annotated[float, msgspec.Meta(gt=0, le=3600)]


class Instance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`domains`: the Host values under which the instance is reached; signatures for other hosts are refused."""

    domains: Annotated[tuple[Annotated[str, msgspec.Meta(min_length=1)], ...], msgspec.Meta(min_length=1)]


class Listen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`address` is `IP:PORT` or `unix:/path`; it is not used when systemd hands a socket over."""

    address: str = "127.0.0.1:8537"
    max_connections: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 1024


class Deliveries(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`deadline`: seconds for keys and media of one delivery. `drain`: seconds to finish deliveries at stop."""

    deadline: Seconds = 8.0
    drain: Seconds = 20.0
    max_media: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 32
    side_by_side: Annotated[int, msgspec.Meta(ge=1, le=64)] = 4
    rfc9421_upstream: Literal["reject", "forward"] = "reject"


class State(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`directory` holds the ledger; front writes nowhere else."""

    directory: str


class PolicyFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`file` is read relative to the configuration file."""

    file: str = "policy.toml"


class Processes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where front, fetch and classify meet when they run as units of their own."""

    fetch_socket: str = "/run/relayfilter/fetch.sock"
    classify_socket: str = "/run/relayfilter/classify.sock"


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file, one field a table."""

    instance: Instance
    state: State
    listen: Listen = Listen()
    upstream: UpstreamSettings = UpstreamSettings()
    limits: Limits = Limits()
    deliveries: Deliveries = Deliveries()
    policy: PolicyFile = PolicyFile()
    fetch: FetchSettings = FetchSettings()
    classify: ClassifySettings = ClassifySettings()
    look_ahead: LookAheadSettings = LookAheadSettings()
    processes: Processes = Processes()
    hash_lists: tuple[HashListSettings, ...] = ()


class Loaded(msgspec.Struct, frozen=True):
    """A configuration with everything it names, read and valid."""

    file: Path
    config: Config
    policy: Policy
    lists: HashLists


def load_config(file: Path) -> Config:
    """The configuration in `file`. Raises ConfigError."""
    return strict_toml.load(_read(file, str(file)), Config, str(file))


def load_all(file: Path) -> Loaded:
    """The configuration with its policy and hash lists. Raises ConfigError."""
    config = load_config(file)
    policy_file = file.parent / config.policy.file
    policy = load_policy(_read(policy_file, str(policy_file)), str(policy_file), lambda name: _read(Path(name), name))
    lists = [_read_list(settings, file.parent / settings.file) for settings in config.hash_lists]
    return Loaded(file, config, policy, HashLists(lists))


def _read_list(settings: HashListSettings, file: Path) -> HashList:
    named = msgspec.structs.replace(settings, file=str(file))
    return parse_hash_list(_read(file, str(file)), named)


def _read(file: Path, name: str) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=name) from None
    except UnicodeDecodeError:
        raise ConfigError("is not UTF-8 text", file=name) from None
