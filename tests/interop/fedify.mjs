// Fedify: its own sendActivity, with its own memory of what an inbox understands. Only `fetch` is replaced, by one that
// connects to loopback.

import { createFederation, importJwk, MemoryKvStore } from "@fedify/fedify";
import { Activity } from "@fedify/vocab";
import { readTask, send } from "./task.mjs";

const task = await readTask();

globalThis.navigator ??= { userAgent: "Node.js" }; // Fedify is for Node.js 22, which has one

globalThis.fetch = async (input, options) => {
  const request = new Request(input, options);
  const { host, pathname, search } = new URL(request.url);
  const headers = Object.fromEntries(request.headers);
  headers.host ??= host;
  const body = Buffer.from(await request.arrayBuffer());
  headers["content-length"] = String(body.length);
  const answer = await send(task.port, { method: request.method, path: pathname + search, headers, body });
  return new Response(answer.body, { status: answer.status, headers: answer.headers });
};

const federation = createFederation({ kv: new MemoryKvStore() });
const context = federation.createContext(new URL(task.actor.id), undefined);
const keys = [];
for (const { id, jwk } of task.actor.keys) {
  keys.push({ keyId: new URL(id), privateKey: await importJwk(jwk, "private") });
}
const recipient = { id: new URL("https://lemmy.example/u/bob"), inboxId: new URL(task.inbox) };
for (const document of task.activities) {
  const activity = await Activity.fromJsonLd(document, context);
  await context.sendActivity(keys, recipient, activity, { immediate: true });
}
