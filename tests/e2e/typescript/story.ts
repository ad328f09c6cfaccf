// The demo's story, told by a client whose types come from the running backend's document.
// `node story.js <url>` ends with one line of JSON: what happened.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import createClient from "openapi-fetch";
import type { paths } from "./api.js";

const url = process.argv[2];
assert(url !== undefined, "say where the backend is");

function api(token?: string) {
  return createClient<paths>({
    baseUrl: url as string,
    ...(token === undefined ? {} : { headers: { Authorization: `Bearer ${token}` } }),
  });
}

/** What a call brought; an unexpected problem ends the story. */
function brought<T>(answer: { data?: T; error?: unknown; response: Response }): T {
  if (answer.data === undefined) {
    throw new Error(`${answer.response.status}: ${JSON.stringify(answer.error)}`);
  }
  return answer.data;
}

/** Look until there is something, at most 600 times. */
async function waitFor<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (let times = 0; times < 600; times += 1) {
    const found = await look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("the backend has not caught up");
}

async function newGuest() {
  const session = brought(await api().POST("/v1/identity/guest"));
  return { id: session.identity.id, client: api(session.access_token) };
}

const NOTES = [
  { title: "Reading a file", body: "open() gives a file to read from.", kind: "function", lines: 12 },
  { title: "Sockets", body: "connect() speaks to another machine.", kind: "class", lines: 240 },
  { title: "Threads", body: "A thread shares memory; start() runs it.", kind: "class", lines: 90 },
];
const notes = { space: "me", collection: "notes" };

const ada = await newGuest();
const grace = await newGuest();
assert.equal(brought(await ada.client.GET("/v1/identity")).kind, "guest");

for (const [number, data] of NOTES.entries()) {
  const { response } = await ada.client.PUT("/v1/records/{space}/{collection}/{id}", {
    params: { path: { ...notes, id: `note-${number}` } },
    body: data,
  });
  assert.equal(response.status, 201);
}

const found = await waitFor(async () => {
  const result = brought(
    await ada.client.GET("/v1/search", {
      params: { query: { ...notes, facet: ["kind"], highlight: ["title"], sort: "-lines" } },
    }),
  );
  return result.total === NOTES.length ? result : undefined;
});
assert.deepEqual(
  found.hits.map((hit) => hit.record.id),
  ["note-1", "note-2", "note-0"],
);
assert.deepEqual(found.facets["kind"], [
  { value: "class", count: 2 },
  { value: "function", count: 1 },
]);
const read = brought(
  await ada.client.POST("/v1/search", { body: { q: "reading", highlight: ["title"] } }),
);
const [hit] = read.hits;
assert.equal(hit?.record.data?.["title"], "Reading a file");
assert.match(hit?.highlights["title"]?.[0] ?? "", /<em>/);
const hidden = brought(await grace.client.GET("/v1/search", { params: { query: { q: "reading" } } }));
assert.equal(hidden.total, 0);

const page = brought(
  await ada.client.GET("/v1/records/{space}/{collection}", {
    params: { path: notes, query: { limit: 2, order: "-id" } },
  }),
);
assert.equal(page.items.length, 2);
assert(page.cursor !== undefined);

const note = { params: { path: { ...notes, id: "note-0" } } };
const before = await ada.client.GET("/v1/records/{space}/{collection}/{id}", note);
const tag = before.response.headers.get("etag");
assert(tag !== null);
const conditional = { params: { ...note.params, header: { "If-Match": tag } } };
const merge = { "Content-Type": "application/merge-patch+json" };
const patched = brought(
  await ada.client.PATCH("/v1/records/{space}/{collection}/{id}", {
    ...conditional,
    headers: merge,
    body: { lines: 13, kind: null },
  }),
);
assert.deepEqual(patched.data, { title: NOTES[0]?.title, body: NOTES[0]?.body, lines: 13 });
const late = await ada.client.PATCH("/v1/records/{space}/{collection}/{id}", {
  ...conditional,
  headers: merge,
  body: { lines: 14 },
});
assert.equal(late.response.status, 412);
assert.equal(late.error?.status, 412);
assert.equal(late.error?.type, "urn:homeport:problem:version-mismatch");

const phone = brought(
  await grace.client.PUT("/v1/devices/{device}", {
    params: { path: { device: "phone" } },
    body: { platform: "apns", environment: "sandbox", token: "0a1b2c3d".repeat(8) },
  }),
);
assert.equal(phone.platform, "apns");
const devices = brought(await grace.client.GET("/v1/devices"));
assert.deepEqual(
  devices.items.map((device) => device.id),
  ["phone"],
);

const sent = brought(
  await ada.client.POST("/v1/messages", {
    params: { header: { "Idempotency-Key": randomUUID() } },
    body: { to: [grace.id], title: "A note for you", text: "Have you read it?", data: { note: 0 } },
  }),
);
assert.equal(sent.state, "queued");
const inbox = await waitFor(async () => {
  const { items } = brought(
    await grace.client.GET("/v1/records/{space}/{collection}", {
      params: { path: { space: "me", collection: "inbox" } },
    }),
  );
  return items.find((one) => one.data?.["message"] === sent.id);
});
assert.equal(inbox.data?.["from"], ada.id);

console.log(
  JSON.stringify({
    found: found.total,
    patched: patched.data,
    refused: late.response.status,
    devices: devices.items.length,
    inbox: inbox.data?.["title"],
  }),
);
