// Run by tests/e2e/test_typescript_client.py with the packed package: every family, under Node, against a real stack.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";

import { CODES, ConnectionError, Guest, ROUTES, Strongroom, StrongroomError, revisionOf } from "strongroom-client";

const { url, token, admin, picture } = JSON.parse(process.argv[2] ?? "{}");
let asked = 0;
const client = new Strongroom({ url, token: async () => ((asked += 1), token) });
const image = () => new File([Buffer.from(picture, "base64")], "katze ü.png", { type: "image/png" });
const bytes = async (response) => Buffer.from(await response.arrayBuffer());

async function refused(work, code, status) {
  await assert.rejects(work, (error) => {
    assert(error instanceof StrongroomError, String(error));
    assert.deepEqual([error.code, error.status], [code, status]);
    assert(CODES.includes(error.code) && error.requestId !== "" && error.message !== "");
    return true;
  });
}

async function plainFiles() {
  const progress = [];
  const stored = await client.files.upload(image(), {}, { onProgress: (sent, total) => progress.push([sent, total]) });
  assert.deepEqual(await bytes(await client.files.read(stored.key)), Buffer.from(picture, "base64"));
  assert.deepEqual(progress.at(-1), [image().size, image().size]);
  assert.equal((await client.files.list()).files.length, 1);
  assert.equal((await client.files.metadata(stored.key)).metadata.original_filename, "katze ü.png");
  assert((await (await fetch(stored.url)).arrayBuffer()).byteLength === image().size);
  await client.files.delete(stored.key);
  assert.equal(await client.files.exists(stored.key), false);
  await refused(() => client.files.read(stored.key), "FILE_NOT_FOUND", 404);
}

async function generations() {
  const saved = await client.generations.upload(image(), { type: "text-to-image", prompt: "a fox" });
  const { id } = saved.generation;
  assert.equal((await client.generations.get(id)).prompt, "a fox");
  assert.equal((await client.generations.list({ type: "text-to-image", limit: 5 })).generations[0].id, id);
  assert.equal((await client.generations.stats()).total, 1);
  await refused(() => client.generations.list({ limit: "many" }), "INVALID_FIELD", 422);
  await client.generations.delete(id);
}

async function media() {
  const event = randomUUID();
  const stored = await client.media.upload(event, image(), { title: "First dance" });
  assert.equal((await client.media.edit(event, stored.id, { tags: ["dance"] })).tags[0], "dance");
  assert.deepEqual((await client.media.upload(event, image(), { tags: ["a", "b"] })).tags, ["a", "b"]);
  assert.equal((await client.media.list(event, { tag: "dance" })).total, 1);
  assert.equal(await client.media.delete(event, stored.id), undefined);
  await client.profilePicture.put(image());
  assert.equal((await bytes(await client.profilePicture.read())).length, image().size);
  const temp = await client.temp.upload(image());
  assert.equal(temp.content_type, "image/png");
}

async function projects() {
  const files = [{ path: "src/ü b.txt", content: "hello" }];
  const saved = await client.projects.save({ name: "Site", slug: "site", files });
  assert.equal(saved.project.version, 1);
  assert.equal(await (await client.projects.read("site", "src/ü b.txt")).text(), "hello");
  const zip = new Blob([await (await client.projects.archive("site")).arrayBuffer()]);
  assert.equal((await client.projects.saveArchive("site", zip, { name: "Site" })).project.slug, "site");
  assert((await client.projects.versions("site")).length >= 1);
  await refused(() => client.projects.save({ name: "Site", slug: "site", files }, { expected_version: 99 }), "VERSION_CONFLICT", 409);
  await refused(() => client.projects.patch("site", { files }, { expected_version: 99 }), "VERSION_CONFLICT", 409);
  const once = { idempotencyKey: randomUUID() };
  const versions = [await client.projects.save({ name: "Site", slug: "site", files }, {}, once), await client.projects.save({ name: "Site", slug: "site", files }, {}, once)];
  assert.equal(versions[0].project.version, versions[1].project.version);
  await client.projects.delete("site");
}

async function library() {
  const file = await client.uploadDirect(image(), { family: "path", path: "a/b.png" });
  assert.equal(file.key.endsWith("/a/b.png"), true);
  const seen = revisionOf(await client.library.get(file.id));
  assert.equal((await client.library.edit(file.id, { filename: "c.png" }, seen)).filename, "c.png");
  await refused(() => client.library.edit(file.id, { filename: "d.png" }, seen), "PRECONDITION_FAILED", 412);
  const share = await client.shares.create({ file_id: file.id });
  assert.equal((await fetch(share.url, { headers: { accept: "application/json" } })).status, 200);
  await client.shares.revoke(share.id);
  const link = await client.links.make({ file_id: file.id });
  assert.equal((await fetch(link.url)).status, 200);
  const gone = await client.library.delete(file.id, { soft: true });
  assert.notEqual(gone, undefined);
  assert.equal((await client.trash.list()).files.length, 1);
  await client.trash.restore(file.id);
  assert((await client.library.usage()) !== undefined);
}

async function uploads() {
  const large = new Blob([new Uint8Array(17 * 1024 * 1024)]);
  const shares = [];
  const direct = await client.uploadDirect(large, { family: "files" }, { filename: "l.bin", onProgress: (sent) => shares.push(sent) });
  assert.equal(direct.size, large.size);
  assert.equal(shares.at(-1), large.size);
  const seen = [];
  const tus = await client.uploadResumable(image(), { family: "files" }, { onProgress: (sent) => seen.push(sent) }).done;
  assert.deepEqual([tus.filename, tus.size, seen.at(-1)], ["katze ü.png", image().size, image().size]);
  await refused(() => client.uploadResumable(image(), { family: "event_media", event_id: "none" }).done, "INVALID_FIELD", 422);
  await lostAnswers();
}

/** What was stored stays stored, whoever loses which answer. */
async function lostAnswers() {
  const without = (path, method) => async (input, init) => {
    const answer = await fetch(input, init);
    if (path.test(String(input)) && init.method === method) throw new TypeError("broken off");
    return answer;
  };
  const unlucky = (fetch) => new Strongroom({ url, token, fetch, retries: 0 });
  const under = { idempotencyKey: randomUUID() };
  const stored = await unlucky(without(/\/complete$/, "POST")).uploadDirect(image(), { family: "files" });
  const keyed = await unlucky(without(/\/complete$/, "POST")).uploadDirect(image(), { family: "files" }, under);
  const again = await client.uploadDirect(image(), { family: "files" }, under);
  assert.equal(again.id, keyed.id);
  const away = unlucky(async (input, init) => {
    if (/uploads\/.*/.test(String(input)) && init.method !== "DELETE") throw new TypeError("away");
    return fetch(input, init);
  });
  await assert.rejects(away.uploadDirect(image(), { family: "files" }, under), ConnectionError);
  for (const { key } of [stored, keyed]) assert.equal((await bytes(await client.files.read(key))).length, image().size);
}

async function events() {
  const stop = new AbortController();
  let opened = 0;
  let cut = () => undefined;
  const through = async (input, init) => {
    const response = await fetch(input, init);
    if (!String(input).endsWith("/api/notifications") || opened > 1) return response;
    const reader = response.body.getReader(); // the first stream breaks when we say so
    const body = new ReadableStream({
      start(controller) {
        cut = () => controller.error(new TypeError("cut"));
      },
      async pull(controller) {
        const { done, value } = await reader.read();
        if (done) controller.close();
        else controller.enqueue(value);
      },
    });
    return new Response(body, { status: response.status, headers: response.headers });
  };
  const watcher = new Strongroom({ url, token, fetch: through });
  const happened = [];
  let first = () => undefined;
  const isOpen = new Promise((resolve) => (first = resolve));
  const uploads = [];
  const stored = async () => (await Promise.all(uploads)).map((file) => file.id);
  const watching = (async () => {
    for await (const event of watcher.events({ signal: stop.signal, onOpen: () => ((opened += 1), first()) })) {
      // What was stored just before the stream opened may still come.
      if (event.type !== "file_ready" || !(await stored()).includes(event.subject_id)) continue;
      happened.push(event.subject_id);
      if (happened.length === 1) {
        cut();
        uploads.push(client.temp.upload(image()));
      } else {
        stop.abort();
      }
    }
  })();
  await isOpen;
  uploads.push(client.temp.upload(image()));
  await watching;
  assert.deepEqual(happened, await stored());
  assert.equal(opened, 2);
  await refused(() => new Strongroom({ url, token: "none" }).events().next(), "TOKEN_INVALID", 401);
}

async function faults() {
  await assert.rejects(new Strongroom({ url: "http://127.0.0.1:9", retries: 0 }).files.list(), ConnectionError);
  let tries = 0;
  const busy = async () => {
    tries += 1;
    return tries < 3 ? new Response("<html>", { status: 503, headers: { "retry-after": "0" } }) : Response.json({ files: [] });
  };
  assert.deepEqual((await new Strongroom({ url, fetch: busy }).files.list()).files, []);
  await repeats();
  await limits();
  await mistakes();
  const stop = AbortSignal.abort();
  await assert.rejects(client.call("list_files", {}, { signal: stop }), { name: "AbortError" });
  await aborts();
  const page = async () => new Response("<html>", { status: 200 });
  await assert.rejects(new Strongroom({ url, fetch: page }).files.list(), { name: "ConnectionError", message: /is `url` the gateway's/ });
}

/** A request that a limit refused was not begun, so even a POST is sent again; but nobody waits for hours. */
async function limits() {
  const refusing = (asked, seconds) => async (input, init) => {
    asked.push(init.method);
    if (asked.length > 2) return Response.json({ id: "s" });
    const problem = { code: "RATE_LIMITED", detail: "later", metadata: { limit: "user_searches" } };
    return Response.json(problem, { status: 429, headers: { "retry-after": String(seconds) } });
  };
  const soon = [];
  assert.equal((await new Strongroom({ url, fetch: refusing(soon, 0) }).shares.create({ file_id: "f" })).id, "s");
  assert.deepEqual(soon, ["POST", "POST", "POST"]);
  const late = [];
  await assert.rejects(new Strongroom({ url, fetch: refusing(late, 3600) }).library.list(), { code: "RATE_LIMITED", retryAfter: 3600 });
  assert.equal(late.length, 1);
}

/** No mistake calls another route, or is taken for a broken connection. */
async function mistakes() {
  const routes = [];
  const noting = new Strongroom({ url, token, fetch: async (input) => (routes.push(input), Response.json({})) });
  for (const file of ["", undefined, "../trash", "..", "a/./b"]) await assert.rejects(noting.library.delete(file), TypeError);
  await assert.rejects(noting.trash.purge(".."), TypeError);
  assert.deepEqual(routes, []);
  for (const address of [undefined, "", "127.0.0.1:8080", "https://"]) assert.throws(() => new Strongroom({ url: address }), TypeError);
  for (const file of ["text", Buffer.from("b"), null]) {
    await assert.rejects(client.files.upload(file), TypeError);
    await assert.rejects(client.uploadDirect(file, { family: "files" }), TypeError);
    assert.throws(() => client.uploadResumable(file, { family: "files" }), TypeError);
  }
}

/** What is aborted ends, is raised as the signal's reason, and sends nothing more. */
async function aborts() {
  const left = new Error("the user has left");
  const gone = AbortSignal.abort(left);
  await assert.rejects(client.call("delete_file", { path: { key: "a" } }, { signal: gone }), left);
  await assert.rejects(client.files.upload(image(), {}, { signal: gone }), left);
  await assert.rejects(client.uploadDirect(image(), { family: "files" }, { signal: gone }), left);
  await assert.rejects(client.uploadResumable(image(), { family: "files" }, { signal: gone }).done, left);
  const late = new AbortController();
  const upload = client.uploadResumable(new File(["late"], "late.txt"), { family: "path", path: "aborts/late.txt" }, { signal: late.signal });
  late.abort(left);
  await assert.rejects(upload.done, left);
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.equal((await client.library.list({ q: "late.txt" })).files.length, 0);
  await firstFailureEndsTheOthers();
}

async function firstFailureEndsTheOthers() {
  const asked = [];
  const counting = async (input, init) => {
    asked.push(`${init.method} ${new URL(input).pathname}`);
    if (!init.method.startsWith("POST") || !input.endsWith("/parts")) return fetch(input, init);
    return new Response("{}", { status: 400 });
  };
  const film = new File([new Uint8Array(40 * 1024 * 1024)], "film.bin");
  const one = new Strongroom({ url, token, fetch: counting });
  const before = globalThis.fetch;
  let sent = 0;
  globalThis.fetch = async (input, init) => {
    if (init?.method !== "PUT") return before(input, init);
    sent += 1;
    if (sent === 1) return before(input, { ...init, signal: init.signal }).then(() => new Response("", { status: 403 }));
    return new Promise((_, reject) => init.signal.addEventListener("abort", () => reject(init.signal.reason)));
  };
  try {
    await assert.rejects(one.uploadDirect(film, { family: "path", path: "aborts/film.bin" }), { status: 400 });
  } finally {
    globalThis.fetch = before;
  }
  assert.equal(asked.filter((line) => line.startsWith("DELETE")).length, 1);
  assert(sent > 1, "several parts at once");
}

async function repeats() {
  let sent = 0;
  const losing = async (input, init) => {
    const answer = await fetch(input, init);
    if (init.method === "GET" || (sent += 1) > 1) return answer;
    throw new TypeError("broken off");
  };
  const unlucky = new Strongroom({ url, token, fetch: losing });
  const file = await client.uploadDirect(image(), { family: "path", path: "repeats/a.png" });
  const moved = await unlucky.library.move(file.id, { target: { family: "path", path: "repeats/b.png" } });
  assert.deepEqual([sent, moved.key.endsWith("/repeats/b.png")], [2, true]);
  sent = 0;
  await assert.rejects(unlucky.library.delete(moved.id), ConnectionError);
  assert.equal(sent, 1);
  await refused(() => client.library.get(moved.id), "FILE_NOT_FOUND", 404);
}

async function guests() {
  const file = await client.uploadDirect(image(), { family: "path", path: "guests/a b.png" });
  const prefix = file.key.slice(0, file.key.indexOf("guests/") + "guests/".length);
  const share = await client.shares.create({ prefix, title: "For you", password: "open sesame" });
  const guest = new Guest(share.url);
  assert.equal((await guest.look()).needs, "password");
  await refused(() => guest.open("wrong"), "SHARE_PASSWORD_WRONG", 403);
  const opened = await guest.open("open sesame");
  assert.equal(opened.needs, null);
  const [one] = opened.files;
  assert.deepEqual(await bytes(await guest.read(one)), Buffer.from(picture, "base64"));
  assert.equal((await bytes(await guest.archive())).subarray(0, 2).toString(), "PK");
  await client.shares.revoke(share.id);
  await refused(() => guest.look(), "SHARE_ENDED", 410);
  const drop = await client.shares.create({ drop: { path: "from-guests" } });
  const told = await new Guest(drop.url).send(image());
  assert.deepEqual(told.files.map(({ name, stored }) => [name, stored]), [["katze ü.png", true]]);
  assert.throws(() => new Guest(url), TypeError);
}

async function operators() {
  await refused(() => client.admin.usage(), "PERMISSION_DENIED", 403);
  const operator = new Strongroom({ url, token: admin });
  assert((await operator.admin.usage({ limit: 1 })).users.length === 1);
  const hook = await operator.admin.webhooks.create({ url: "https://hooks.example.com/all", types: ["webhook_disabled"] });
  assert((await operator.admin.webhooks.list()).webhooks.some(({ id }) => id === hook.id));
  assert.equal((await operator.admin.webhooks.edit(hook.id, { paused: true })).state, "paused");
  assert.equal(await operator.admin.webhooks.delete(hook.id), undefined);
  await refused(() => client.webhooks.get(hook.id), "WEBHOOK_NOT_FOUND", 404);
  const stop = new AbortController();
  const options = { signal: stop.signal, families: ["temp"], types: ["file_ready"], onOpen: () => void client.temp.upload(image()) };
  for await (const event of operator.admin.events(options)) {
    assert.deepEqual([event.type, event.data.family], ["file_ready", "temp"]);
    assert.notEqual(event.user_id, undefined);
    stop.abort();
  }
}

/** Every operation is asked by some method; tus is what tus-js-client speaks. */
async function everyOperation() {
  const hit = new Set();
  const patterns = Object.entries(ROUTES).map(([name, [method, path]]) => {
    const open = /\{(key|path|file|folder|item)\}/;
    return [name, method, new RegExp(`^${path.replace(open, ".+").replace(/\{\w+\}/g, "[^/]+")}$`)];
  });
  const record = async (input, init = {}) => {
    const { pathname } = new URL(input);
    for (const [name, method, pattern] of patterns) if (method === (init.method ?? "GET") && pattern.test(pathname)) hit.add(name);
    return Response.json({ files: [{ url: "/s/x/file/x" }], parts: [] });
  };
  const recorder = new Strongroom({ url: "http://recorder", fetch: record, retries: 0 });
  const any = Object.assign(new File(["x"], "x"), { url: "/s/x/file/x" });
  const walk = async (methods) => {
    for (const [name, member] of Object.entries(methods)) {
      if (typeof member === "object") await walk(member);
      else if (name !== "events") await ask(member(...Array(3).fill(any)));
    }
  };
  const ask = (answer) => (answer?.next ? answer.next() : Promise.resolve(answer)).catch(() => undefined);
  const { call, transport, ...families } = recorder;
  await walk(families);
  await ask(recorder.eventTicket());
  for (const events of [recorder.events, recorder.admin.events]) {
    const stop = new AbortController();
    const asking = ask(events.call(recorder, { signal: stop.signal }));
    stop.abort();
    await asking;
  }
  await ask(recorder.links.read("x"));
  for (const method of ["preview", "readPreview"]) await ask(recorder.projects[method]("x"));
  const guest = new Guest("http://recorder/s/x", { fetch: record });
  for (const method of ["look", "open", "read", "archive", "send"]) await ask(guest[method](any));
  assert.deepEqual(Object.keys(ROUTES).filter((name) => !hit.has(name) && !name.startsWith("tus_")), []);
}

for (const part of [plainFiles, generations, media, projects, library, guests, operators, uploads, events, everyOperation, faults]) {
  await part();
  console.log(part.name);
}
assert(asked > 20, "the token is asked for each time");
