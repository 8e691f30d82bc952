// @peertube/http-signature, called as PeerTube calls it.

import http from "node:http";
import { createHash } from "node:crypto";
import httpSignature from "@peertube/http-signature";
import { readTask, report } from "./task.mjs";

const task = await readTask();

for (const document of task.activities) {
  const body = JSON.stringify(document);
  const request = http.request({
    host: "127.0.0.1",
    port: task.port,
    method: "POST",
    path: new URL(task.inbox).pathname,
    setHost: false,
    headers: {
      host: new URL(task.inbox).host,
      date: new Date().toUTCString(),
      digest: `SHA-256=${createHash("sha256").update(body).digest("base64")}`,
      "content-type": "application/activity+json, application/ld+json",
      "content-length": Buffer.byteLength(body),
    },
  });
  httpSignature.sign(request, {
    algorithm: "rsa-sha256",
    authorizationHeaderName: "Signature",
    keyId: task.actor.id,
    key: task.actor.pem,
    headers: ["(request-target)", "host", "date", "digest"],
  });
  const answer = await new Promise((resolve, reject) => request.on("response", resolve).on("error", reject).end(body));
  answer.resume();
  report(request.getHeaders(), answer.statusCode);
}
