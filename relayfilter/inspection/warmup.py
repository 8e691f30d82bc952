"""One look at a picture of every kind, and at a document, before workers are forked.

Pillow and numpy import parts of themselves, and build tables, at first use. A locked-down worker cannot open a file,
so whatever it will need has to be there; and what is made before the fork is shared by all workers.
"""

from __future__ import annotations

import io
import json

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from PIL import Image

from relayfilter.inspection.linked_job import read_linked
from relayfilter.inspection.messages import LinkedJob, LinkedReport
from relayfilter.inspection.worker import look
from relayfilter.media.checks.check import Check
from relayfilter.media.finding import CheckFailed
from relayfilter.media.image import MAX_PIXELS
from relayfilter.signatures.contexts import ACTIVITYSTREAMS, KNOWN

_ORIENTATION = 0x0112


def warm_up(checks: tuple[Check, ...]) -> None:
    """Looks at samples of every format, mode and failure. Raises RuntimeError when a sound sample is not understood."""
    for name, sample in _sound():
        picture, findings, _ = look(bytearray(sample), checks, max_pixels=MAX_PIXELS)
        if picture is None or any(isinstance(finding, CheckFailed) for finding in findings):
            raise RuntimeError(f"cannot look at a {name}: {findings}")
    for sample in _broken():
        look(bytearray(sample), checks, max_pixels=MAX_PIXELS)
    _read_document()


def _read_document() -> None:
    """Expansion, canonicalisation, both kinds of key, every context; the signatures are nobody's."""
    rsa = RSAPublicNumbers(65537, (1 << 2047) | 1).public_key()
    ed25519 = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key()
    keys = [key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode() for key in (rsa, ed25519)]
    document = {
        "@context": [ACTIVITYSTREAMS, {"bild": "as:image"}],
        "id": "https://relayfilter.invalid/1",
        "content": "<img src='https://relayfilter.invalid/1.png'> ![](https://relayfilter.invalid/2.png)",
        "bild": {"type": "Image", "url": "https://relayfilter.invalid/3.png"},
        "signature": {
            "type": "RsaSignature2017",
            "creator": "https://relayfilter.invalid/#key",
            "signatureValue": "AAAA",
        },
        "tag": [{"@context": url, "id": url} for url in sorted(KNOWN)],
        "proof": {
            "type": "DataIntegrityProof",
            "cryptosuite": "eddsa-jcs-2022",
            "verificationMethod": "https://relayfilter.invalid/#key",
            "proofPurpose": "assertionMethod",
            "proofValue": "z" + "1" * 64,
        },
    }
    body = json.dumps(document).encode()
    report = read_linked(body, LinkedJob(len(body), 1.0, media=True, signature_key=keys[0], proof_key=keys[1]))
    read = LinkedReport("invalid: signature-mismatch", "invalid: proof-mismatch", report.media, None)
    if report != read or len(report.media) != 3:
        raise RuntimeError(f"cannot read linked data: {report}")


def _sound() -> list[tuple[str, bytes]]:
    colours = Image.linear_gradient("L").resize((64, 48)).convert("RGB")
    clear = colours.convert("RGBA")
    clear.putalpha(128)
    turned = Image.Exif()
    turned[_ORIENTATION] = 6
    moving = {"save_all": True, "append_images": [colours.rotate(90), colours.rotate(180)]}
    return [
        ("JPEG", _file(colours, "JPEG", exif=turned)),
        ("large JPEG", _file(colours.resize((1280, 1024)), "JPEG", progressive=True)),
        ("CMYK JPEG", _file(colours.convert("CMYK"), "JPEG")),
        ("grey JPEG", _file(colours.convert("L"), "JPEG")),
        ("PNG", _file(clear, "PNG")),
        ("large PNG", _file(clear.resize((1280, 1024)), "PNG")),
        ("16-bit PNG", _file(Image.new("I;16", (64, 48)), "PNG")),
        ("palette PNG", _file(colours.quantize(16), "PNG", transparency=0)),
        ("animated PNG", _file(colours, "PNG", **moving)),
        ("GIF", _file(colours.quantize(16), "GIF", transparency=0)),
        ("animated GIF", _file(colours, "GIF", **moving)),
        ("WebP", _file(clear, "WEBP", exif=turned)),
        ("animated WebP", _file(colours, "WEBP", **moving)),
        ("AVIF", _file(clear, "AVIF", max_threads=1)),
        ("animated AVIF", _file(colours, "AVIF", max_threads=1, **moving)),
    ]


def _broken() -> list[bytes]:
    halves = [sample[: len(sample) // 2] for _, sample in _sound()]
    starts = [sample[:16] + bytes(64) for _, sample in _sound()]
    return [*halves, *starts, b"", b"junk", b"<svg/>"]


def _file(image: Image.Image, format: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()
