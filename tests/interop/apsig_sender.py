"""apsig, as its README says. The task's `mode` tells what is signed and how; see test_stacks."""

from __future__ import annotations

import http.client
import json
import sys
from datetime import UTC, datetime

from apsig import ProofSigner  # type: ignore[import-not-found]
from apsig.draft import Signer  # type: ignore[import-not-found]
from apsig.rfc9421 import RFC9421Signer  # type: ignore[import-not-found]
from cryptography.hazmat.primitives.serialization import load_pem_private_key

task = json.load(sys.stdin)
mode = task["mode"]
actor = task["actor"]
host = task["inbox"].split("/")[2]
rsa, ed25519 = (load_pem_private_key(key["pem"].encode(), None) for key in actor["keys"])

for activity in task["activities"]:
    if mode == "proof":
        activity = ProofSigner(ed25519).sign(
            activity,
            {
                "type": "DataIntegrityProof",
                "cryptosuite": "eddsa-jcs-2022",
                "proofPurpose": "assertionMethod",
                "verificationMethod": actor["keys"][1]["id"],
                "created": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            },
        )
    body = json.dumps(activity, ensure_ascii=False).encode()
    headers = {"Content-Type": "application/activity+json", "Host": host}
    if mode == "rfc9421":
        signed = RFC9421Signer(rsa, actor["keyId"]).sign("POST", "/inbox", host, headers, body)
    else:
        signed = Signer(headers, rsa, "POST", task["inbox"], actor["keyId"], body).sign()
    if mode != "both-headers":
        signed.pop("Authorization", None)
    connection = http.client.HTTPConnection("127.0.0.1", task["port"])
    connection.request("POST", "/inbox", body, signed)
    status = connection.getresponse().status
    print(json.dumps({"signed": "rfc9421" if mode == "rfc9421" else "cavage", "status": status}))
