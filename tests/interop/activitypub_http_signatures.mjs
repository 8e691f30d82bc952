// activitypub-http-signatures, as its README says.

import { Sha256Signer } from "activitypub-http-signatures";
import { createHash } from "node:crypto";
import { readTask, send } from "./task.mjs";

const task = await readTask();
const signer = new Sha256Signer({
  publicKeyId: task.actor.keyId,
  privateKey: task.actor.pem,
  headerNames: ["(request-target)", "host", "date", "digest"],
});

for (const document of task.activities) {
  const body = JSON.stringify(document);
  const headers = {
    "content-type": "application/activity+json",
    "content-length": String(Buffer.byteLength(body)),
    digest: `SHA-256=${createHash("sha256").update(body).digest("base64")}`,
  };
  const signed = signer.generateHeaders({ url: task.inbox, method: "POST", headers, body });
  await send(task.port, { method: "POST", path: new URL(task.inbox).pathname, headers: signed, body });
}
