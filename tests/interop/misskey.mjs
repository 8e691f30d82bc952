// @misskey-dev/node-http-message-signatures, which Misskey signs with.

import { genRFC3230DigestHeader, signAsDraftToRequest } from "@misskey-dev/node-http-message-signatures";
import { readTask, send } from "./task.mjs";

const task = await readTask();

for (const document of task.activities) {
  const body = JSON.stringify(document);
  const request = {
    method: "POST",
    url: task.inbox,
    headers: {
      host: new URL(task.inbox).host,
      date: new Date().toUTCString(),
      digest: await genRFC3230DigestHeader(body, "SHA-256"),
      "content-type": "application/activity+json",
      "content-length": String(Buffer.byteLength(body)),
    },
  };
  await signAsDraftToRequest(
    request,
    { keyId: task.actor.keyId, privateKeyPem: task.actor.pem },
    ["(request-target)", "date", "host", "digest"],
  );
  const path = new URL(task.inbox).pathname;
  await send(task.port, { method: request.method, path, headers: request.headers, body });
}
