"""The fetch service in this process, behind its Unix socket, and servers in secure mode for it to ask."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from relayfilter.remote.client import GuardedClient
from relayfilter.remote.documents import FetchProcess
from relayfilter.remote.service import Classifier, FetchService
from relayfilter.remote.settings import FetchSettings, TestingSettings
from tests.support.fediverse import Fediverse
from tests.support.servers import Conversation, Script
from tests.support.world_answers import reply


@asynccontextmanager
async def fetch_service(path: Path, settings: FetchSettings, classifier: Classifier) -> AsyncIterator[FetchProcess]:
    socket_path = str(path / "fetch.sock")
    with trio.socket.socket(trio.socket.AF_UNIX) as socket:
        await socket.bind(socket_path)
        socket.listen(64)
        async with GuardedClient(settings) as client, trio.open_nursery() as nursery:
            service = FetchService(settings, client, classifier)
            await nursery.start(service.serve, trio.SocketListener(socket))
            yield FetchProcess(socket_path)
            nursery.cancel_scope.cancel()


def settings_for(fediverse: Fediverse) -> FetchSettings:
    """Settings under which the hosts of `fediverse` can be reached, and no others."""
    ca_file = str(fediverse.ca_file)
    return FetchSettings(
        testing=TestingSettings(allow_addresses=("127.0.0.1/32",), ca_file=ca_file, hosts=fediverse.hosts)
    )


def is_signed_by(head: bytes, actor: bytes) -> bool:
    """Does the head of this GET carry a signature by the key in the actor's document? As strict as Mastodon."""
    lines = head.decode("ascii").split("\r\n")
    method, target, _ = lines[0].split(" ")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:] if line)}
    parameters = dict(re.findall(r'([a-zA-Z]+)="([^"]*)"', headers.get("signature", "")))
    published = json.loads(actor)["publicKey"]
    if parameters.get("keyId") != published["id"] or parameters.get("algorithm") not in ("rsa-sha256", "hs2019"):
        return False
    covered = parameters["headers"].split(" ")
    if not {"(request-target)", "host", "date"} <= set(covered):
        return False
    values = {"(request-target)": f"{method.lower()} {target}", **headers}
    key = load_pem_public_key(published["publicKeyPem"].encode())
    assert isinstance(key, rsa.RSAPublicKey)
    signed = "\n".join(f"{name}: {values[name]}" for name in covered).encode()
    try:
        key.verify(b64decode(parameters["signature"]), signed, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True


def secure(script: Script, actor: bytes, *, otherwise: Script | None = None) -> Script:
    """`script` for questions that `actor` signed; for others 401 or the script `otherwise`."""

    async def answer(conversation: Conversation) -> None:
        chosen = script if is_signed_by(conversation.head, actor) else otherwise or reply(status=401)
        await chosen(conversation)

    return answer
