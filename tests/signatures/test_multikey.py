from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayfilter.signatures.multikey import MAX_MULTIBASE, decode_multibase, ed25519_pem
from tests.support.linked_signing import multibase, multikey
from tests.support.signing import keypair


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("zUXE7GvtEk8XTXs1GF8HSGbVA9FCX9SEBPe", b"Decentralize everything!!"),  # Multibase, test2.csv
        ("z2NEpo7TZRRrLZSi2U", b"Hello World!"),  # draft-msporny-base58, section 5
        ("z11233QC4", bytes.fromhex("0000287fb4cd")),
        ("z", b""),
        ("z1", b"\0"),
    ],
)
def test_published_vectors(text: str, data: bytes) -> None:
    assert decode_multibase(text) == data


@given(st.binary(max_size=80))
def test_every_sequence_of_bytes(data: bytes) -> None:
    assert decode_multibase(multibase(data)) == data


@pytest.mark.parametrize("text", ["", "abc", "Z2", "z0", "zO", "zI", "zl", "z é", "z" + "2" * MAX_MULTIBASE])
def test_what_is_no_base58(text: str) -> None:
    assert decode_multibase(text) is None


def test_an_ed25519_key() -> None:
    key = keypair("alice", "ed25519")
    assert multikey(key).startswith("z6Mk")
    assert ed25519_pem(multikey(key)) == key.public_pem


@pytest.mark.parametrize(
    "multikey",
    [
        multibase(b"\xed\x01" + bytes(31)),
        multibase(b"\xed\x01" + bytes(33)),
        multibase(b"\x80\x24" + bytes(33)),
        multibase(bytes(32)),
        "z",
        "junk",
    ],
)
def test_other_keys(multikey: str) -> None:
    assert ed25519_pem(multikey) is None
