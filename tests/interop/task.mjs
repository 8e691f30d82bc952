// What every sender in this folder does: read a task from stdin, deliver its activities, and print what was sent and
// answered. Connections go to loopback, whatever host the delivery is for.

import http from "node:http";

export async function readTask() {
  let text = "";
  for await (const piece of process.stdin) text += piece;
  return JSON.parse(text);
}

// Sends one request as it is; resolves to { status, headers, body }.
export function send(port, { method, path, headers, body }) {
  return new Promise((resolve, reject) => {
    const request = http.request({ host: "127.0.0.1", port, method, path, headers, setHost: false }, async (answer) => {
      let text = "";
      for await (const piece of answer) text += piece;
      report(headers, answer.statusCode);
      resolve({ status: answer.statusCode, headers: answer.headers, body: text });
    });
    request.on("error", reject);
    request.end(body);
  });
}

export function report(headers, status) {
  const names = Object.keys(headers).map((name) => name.toLowerCase());
  const signed = names.includes("signature-input") ? "rfc9421" : "cavage";
  process.stdout.write(`${JSON.stringify({ signed, status })}\n`);
}
