"""Signing stacks that were written by others deliver through the running daemon, and Lemmy believes them.

`make interop` installs them; a stack that is not there is skipped. The programs beside this file sign with each stack's
own functions, and send to loopback what is meant for https://lemmy.example.
"""

from __future__ import annotations

import json
import shutil
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pytest
import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.support.attacks import POLICY
from tests.support.cases import note
from tests.support.lemmy import Received
from tests.support.linked_signing import multikey
from tests.support.signing import Keypair, keypair
from tests.support.world import Line, World
from tests.support.world_actors import ACTIVITYSTREAMS, SECURITY, Actor
from tests.support.world_delivery import INSTANCE

HERE = Path(__file__).parent
PYTHON = HERE / ".venv" / "bin" / "python"
HTTPSIG = HERE / "bin" / "httpsig"
_DELIVERIES = 2
_PROCESS_SECONDS = 60

Knock = tuple[Literal["cavage", "rfc9421"], int]
ACCEPTED: Knock = ("cavage", 200)


class Stack(NamedTuple):
    """`needs` is there when it is installed. `knocks` are its requests for two activities, with their answers, and
    `reasons` what the log says of those that are refused. `mode` is for the program."""

    name: str
    command: tuple[str | Path, ...]
    needs: Path
    knocks: tuple[Knock, ...] = (ACCEPTED, ACCEPTED)
    reasons: tuple[str, ...] = ()
    mode: str = ""

    @property
    def is_here(self) -> bool:
        return self.needs.exists() and shutil.which(self.command[0]) is not None


def _node(name: str, package: str, script: str, **more: Any) -> Stack:
    return Stack(name, ("node", HERE / script), HERE / "node_modules" / package, **more)


def _python(name: str, script: str, **more: Any) -> Stack:
    return Stack(name, (PYTHON, HERE / script), PYTHON, **more)


STACKS = (
    _node(
        "Fedify, which knocks twice and remembers",
        "@fedify/fedify",
        "fedify.mjs",
        knocks=(("rfc9421", 401), ACCEPTED, ACCEPTED),
        reasons=("rfc9421-not-understood-upstream",),
    ),
    _node("@peertube/http-signature", "@peertube/http-signature", "peertube.mjs"),
    _node("Misskey's http-message-signatures", "@misskey-dev/node-http-message-signatures", "misskey.mjs"),
    _node("activitypub-http-signatures", "activitypub-http-signatures", "activitypub_http_signatures.mjs"),
    _python("apsig", "apsig_sender.py"),
    _python("apsig with a proof", "apsig_sender.py", mode="proof"),
    _python(
        "apsig by RFC 9421, which leaves the body out",
        "apsig_sender.py",
        mode="rfc9421",
        knocks=(("rfc9421", 401), ("rfc9421", 401)),
        reasons=("content-digest-mismatch", "content-digest-mismatch"),
    ),
    _python(
        "apsig with Signature and Authorization",
        "apsig_sender.py",
        mode="both-headers",
        knocks=(("cavage", 400), ("cavage", 400)),
        reasons=("signature-twice", "signature-twice"),
    ),
    _python("bovine", "bovine_sender.py"),
    Stack("go-fed/httpsig", (HTTPSIG,), HTTPSIG),
)


class Delivered(NamedTuple):
    """What one stack says that it was answered, what the log says, and what reached Lemmy."""

    knocks: tuple[Knock, ...]
    lines: tuple[Line, ...]
    received: tuple[Received, ...]


@pytest.fixture(scope="module")
def delivered() -> dict[str, Delivered]:
    async def main() -> dict[str, Delivered]:
        async with World(policy=POLICY) as world:
            return {stack.name: await _deliver(world, stack) for stack in STACKS if stack.is_here}

    return trio.run(main) if any(stack.is_here for stack in STACKS) else {}


@pytest.mark.parametrize("stack", STACKS, ids=[stack.name for stack in STACKS])
def test_others_deliver(stack: Stack, delivered: dict[str, Delivered]) -> None:
    outcome = _of(stack, delivered)
    assert outcome.knocks == stack.knocks
    assert tuple(line["reason"] for line in outcome.lines if line["verdict"] == "refused") == stack.reasons
    passed = [line for line in outcome.lines if line["verdict"] == "accepted"]
    assert [line["signature"] for line in passed] == ["verified"] * len(passed)
    assert len(outcome.received) == len(passed) == stack.knocks.count(ACCEPTED)
    assert [(received.status, received.error) for received in outcome.received] == [(200, "")] * len(passed)


def test_what_fedify_sends_by_rfc9421_is_verified_all_the_same(delivered: dict[str, Delivered]) -> None:
    first = _of(STACKS[0], delivered).lines[0]
    assert (first["status"], first["signature"]) == (401, "verified")


@pytest.mark.parametrize("name", [STACKS[0].name, "apsig with a proof"])
def test_a_proof_inside_the_document_is_valid(name: str, delivered: dict[str, Delivered]) -> None:
    assert _said_of(name, "proof", delivered) == {"valid"}


@pytest.mark.xfail(strict=True, reason="Fedify names the context https://gotosocial.org/ns, which is not known here")
def test_the_linked_signature_of_fedify_is_valid(delivered: dict[str, Delivered]) -> None:
    assert _said_of(STACKS[0].name, "linked", delivered) == {"valid"}


def _said_of(name: str, field: str, delivered: dict[str, Delivered]) -> set[str | None]:
    """What the log says under `field` of what a stack got accepted."""
    (stack,) = (stack for stack in STACKS if stack.name == name)
    return {line.get(field) for line in _of(stack, delivered).lines if line["verdict"] == "accepted"}


def _of(stack: Stack, delivered: dict[str, Delivered]) -> Delivered:
    if stack.name not in delivered:
        pytest.skip("not installed: make interop")
    return delivered[stack.name]


async def _deliver(world: World, stack: Stack) -> Delivered:
    actor, signs_inside = _actor(world, stack)
    heard, received = len(world.daemon.log.items), len(world.lemmy.received)
    task = {
        "port": world.port,
        "inbox": f"https://{INSTANCE}/inbox",
        "mode": stack.mode,
        "actor": {
            "id": actor.id,
            "keyId": actor.key_id,
            "pem": _pem(actor.key),
            "keys": [_key(actor.key_id, actor.key), _key(f"{actor.id}#ed25519-key", signs_inside)],
        },
        "activities": [
            note(actor, **{"@context": [ACTIVITYSTREAMS, SECURITY, "https://w3id.org/security/data-integrity/v1"]})
            for _ in range(_DELIVERIES)
        ],
    }
    with trio.fail_after(_PROCESS_SECONDS):
        told = await trio.run_process(
            [str(part) for part in stack.command],
            stdin=json.dumps(task).encode(),
            capture_stdout=True,
            capture_stderr=True,
            check=False,
        )
    assert told.returncode == 0, told.stderr.decode()
    knocks = [json.loads(line) for line in told.stdout.splitlines()]
    lines: list[Line] = []
    for _ in knocks:
        lines.append(await world.log_line(lambda line: line["event"] == "delivery", after=heard))
        heard = world.daemon.log.items.index(lines[-1]) + 1
    return Delivered(
        tuple((knock["signed"], knock["status"]) for knock in knocks),
        tuple(lines),
        tuple(world.lemmy.received[received:]),
    )


def _actor(world: World, stack: Stack) -> tuple[Actor, Keypair]:
    """Somebody of the small fediverse who publishes a key for HTTP signatures and one for proofs."""
    actor = world.fediverse["alpha.example"].actor(f"stack{STACKS.index(stack)}")
    inside = keypair("inside", "ed25519")
    if stack.command[-1] == HERE / "peertube.mjs":
        actor.key_id = actor.id  # PeerTube's keyId has no fragment
    method = {"id": f"{actor.id}#ed25519-key", "type": "Multikey", "controller": actor.id}
    actor.extra["assertionMethod"] = [method | {"publicKeyMultibase": multikey(inside)}]
    return actor, inside


def _pem(key: Keypair) -> str:
    return key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _key(key_id: str, key: Keypair) -> dict[str, Any]:
    return {"id": key_id, "pem": _pem(key), "jwk": _jwk(key)}


def _jwk(key: Keypair) -> dict[str, Any]:
    """RFC 7518 section 6.3 and RFC 8037."""
    if isinstance(key.private, Ed25519PrivateKey):
        public = key.private.public_key().public_bytes_raw()
        private = {"kty": "OKP", "crv": "Ed25519", "x": _base64(public), "d": _base64(key.private.private_bytes_raw())}
        return private | {"key_ops": ["sign"], "ext": True}
    assert isinstance(key.private, RSAPrivateKey)
    numbers = key.private.private_numbers()
    parts = {
        "n": numbers.public_numbers.n,
        "e": numbers.public_numbers.e,
        "d": numbers.d,
        "p": numbers.p,
        "q": numbers.q,
        "dp": numbers.dmp1,
        "dq": numbers.dmq1,
        "qi": numbers.iqmp,
    }
    encoded = {name: _base64(part.to_bytes((part.bit_length() + 7) // 8, "big")) for name, part in parts.items()}
    return {"kty": "RSA", "alg": "RS256", "key_ops": ["sign"], "ext": True} | encoded


def _base64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
