import { createHash } from "node:crypto";
import { beforeAll, expect, test } from "vitest";
import { testAlarm } from "../src/canaries/alarm-words.ts";
import { neverMailed, plantCanaries } from "../src/canaries/plant.ts";
import { raiseAlarm } from "../src/canaries/raise-alarm.ts";
import { findAccount } from "../src/accounts/accounts.ts";
import type { Tx } from "../src/db/db.ts";
import { browserCookie, passkeyCookie, secretText, sessionCookie } from "../src/http/cookies.ts";
import { campaignTask } from "../src/incidents/campaign-tasks.ts";
import { startWorker } from "../src/jobs/worker.ts";
import { newId } from "../src/kernel/random.ts";
import { silentLog } from "../src/kernel/log.ts";
import { sleep } from "../src/kernel/clock.ts";
import { letterTasks } from "../src/mail/letter-tasks.ts";
import { lookUpForm } from "../src/mail/address.ts";
import { openMailbox } from "../src/mail/mailbox.ts";
import { makeOperatorLink } from "../src/sessions/operator-link.ts";
import { sessionLifetimesMs } from "../src/sessions/open-session.ts";
import { integrate } from "../src/timeline/integrate.ts";
import { copyOf, findIn, type Copy, type Sought } from "./copy-search.ts";
import { authenticator } from "./authenticator.ts";
import { authenticatorOf } from "./totp-app.ts";
import { asCookie, testService, type CallOptions } from "./service.ts";

/**
 * P4, first form: a stolen copy of the database is worthless by itself. Every table of a service in which every feature
 * was used, read in one snapshot, holds no address, name, device name, network address, password, token, grant or code
 * that went in: not in clear, not encoded, not hashed without a key.
 */
const service = await testService();
const { ground, clock } = service;
const { db, random, keyholders } = ground;
const call: typeof service.call = (...request) => service.call(...request);

const sought: Sought[] = [];
function went(what: string, value: string): string {
  expect(value.length, what).toBeGreaterThanOrEqual(4);
  sought.push({ what, value });
  return value;
}
/** A token or another text of 256 random bits: the digest of its secret part is what the design keeps. */
function wentSecret(what: string, text: string): string {
  const secret = Buffer.from(text, "base64url").subarray(-32);
  expect(secret.length, what).toBe(32);
  sought.push({ what, value: text }, { what: `${what}, its secret part`, value: secret, mayBeDigest: true });
  return text;
}
/** A code as it was mailed or shown, and as it is typed. */
function wentCode(what: string, code: string): string {
  went(what, code);
  if (code.includes("-")) went(`${what}, typed`, code.replaceAll("-", ""));
  return code;
}

const person = (name: string, network: string) => ({
  name: went("a name", `${name} Quillfeather`),
  address: went("an address", `${name}.Quill+Feather@Some.Example.org`),
  password: went("a password", `${name} counts seven lanterns`),
  network: went("a network address", network),
});
type Person = ReturnType<typeof person>;

const browser = (text: string | undefined): Record<string, string> => ({
  [browserCookie]: wentSecret("a browser binding", text ?? ""),
});

async function codeSentTo(address: string, letter: string): Promise<string> {
  const found = (await service.letters()).find((one) => one.to === address && one.letter === letter);
  return wentCode("a mailed code", found?.code ?? "");
}

async function expectStatus(status: number, ...request: [string, string, CallOptions]) {
  const [method, path, options] = request;
  const answer = await call(method as "GET", path, options);
  expect([method, path, answer.status, answer.text]).toEqual([method, path, status, answer.text]);
  return answer;
}

async function beginSignUp({ name, address, password, network }: Person) {
  const asked = await expectStatus(202, "POST", "/api/accounts", { body: { address, password, name }, from: network });
  return { code: await codeSentTo(address, "sign-up code"), cookies: browser(asked.cookies[browserCookie]) };
}

async function signUp(who: Person): Promise<void> {
  const { code, cookies } = await beginSignUp(who);
  await expectStatus(201, "POST", "/api/accounts/confirm", { body: { code }, cookies, from: who.network });
}

async function signIn(who: Person, password = who.password): Promise<string> {
  const { address, network } = who;
  const userAgent = went("a user agent", `Peculiar Browser of ${who.name}`);
  const answer = await expectStatus(201, "POST", "/api/sessions", {
    body: { address, password },
    headers: { "user-agent": userAgent },
    from: network,
  });
  return wentSecret("a session cookie", answer.cookies[sessionCookie] ?? "");
}

async function bearer({ name, address, password, network }: Person, sessionClass: "app" | "tool"): Promise<string> {
  const label = went("a device name", `${name}'s ${sessionClass} in the cellar`);
  const answer = await expectStatus(201, "POST", "/api/sessions", {
    body: { address, password, token: true, class: sessionClass, label },
    from: network,
  });
  return wentSecret("a bearer token", String(answer.body["token"]));
}

async function askLink(network: string): Promise<{ userCode: string; deviceCode: string }> {
  const { body } = await expectStatus(200, "POST", "/oauth/device_authorization", {
    body: { client_id: "houselights-tv", device_name: went("a device name", `Television behind ${network}`) },
    from: went("a network address", network),
  });
  return {
    userCode: wentCode("a user code", String(body["user_code"])),
    deviceCode: wentSecret("a device code", String(body["device_code"])),
  };
}

const decide = (userCode: string, cookie: string, decision: "approve" | "deny") =>
  expectStatus(200, "POST", "/api/links/decide", { body: { userCode, decision }, cookies: asCookie(cookie) });

const claim = (deviceCode: string, network: string) =>
  call("POST", "/oauth/token", {
    body: {
      grant_type: "urn:ietf:params:oauth:grant-type:device_code",
      device_code: deviceCode,
      client_id: "houselights-tv",
    },
    from: network,
  });

async function askRenewal(address: string, from: string) {
  const asked = await expectStatus(202, "POST", "/api/renewals", { body: { address }, from });
  return { cookies: browser(asked.cookies[browserCookie]), asked };
}

/** An app that is set up, its recovery codes, and a sign-in that is completed with one of them. */
async function secondFactor(who: Person, cookie: string): Promise<void> {
  const cookies = asCookie(cookie);
  const begun = await expectStatus(201, "POST", "/api/account/totp", { body: {}, cookies });
  const key = went("a TOTP key", String(begun.body["key"]));
  sought.push({ what: "a TOTP seed", value: seedOf(key) });
  const app = authenticatorOf(service, key);
  const confirm = { body: { code: app.code() }, cookies };
  const added = await expectStatus(200, "POST", "/api/account/totp/confirm", confirm);
  const codes = (added.body["recoveryCodes"] as string[]).map((code) => wentCode("a recovery code", code));
  const { address, password, network } = who;
  const asked = await expectStatus(202, "POST", "/api/sessions", {
    body: { address, password, token: true },
    from: network,
  });
  const step = wentSecret("a sign-in's step", String(asked.body["step"]));
  const completed = await expectStatus(201, "POST", "/api/sessions/second-factor", {
    body: { step, code: codes[0] },
    from: network,
  });
  wentSecret("a bearer token", String(completed.body["token"]));
}

/** Base32 (RFC 4648 section 6) of 20 bytes. */
function seedOf(key: string): Buffer {
  const bits = Array.from(key, (letter) =>
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(letter).toString(2).padStart(5, "0"),
  );
  return Buffer.from((bits.join("").match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)));
}

/** The rows that a scan leaves of one film; the film itself is not looked at. */
async function aTitle(): Promise<string> {
  const now = new Date(clock.now());
  const [titleId, fileId] = [newId(random, clock.now()), newId(random, clock.now())];
  await db.run(
    `insert into title (id, kind, identity, name, year, search_text, sort_key, added_at, visible)
     values ($1, 'film', sha256('heat'), 'Heat', 1995, ' heat', 'heat', $2, true)`,
    [titleId, now],
  );
  await db.run(
    `insert into file (id, title_id, path, fingerprint, size_bytes, state, facts, index, sidecars, pictures, first_seen_at, inspected_at)
     values ($1, $2, 'Heat (1995).mp4', '1', 1, 'playable', '{}', '{}', '[]', '[]', $3, $3)`,
    [fileId, titleId, now],
  );
  return titleId;
}

/** Everything queued is done by the real tasks; letters stay in the built-in mailbox. */
async function work(until: () => Promise<boolean>): Promise<void> {
  const transport = openMailbox({ db, keyholder: keyholders.mailer, clock, random });
  const facts = { name: "Houselights", origin: ground.config.publicOrigin, contact: null };
  const needs = { db, keyholder: keyholders.mailer, transport, clock, random, log: silentLog, service: facts };
  const worker = await startWorker({
    db,
    log: silentLog,
    tasks: [
      ...letterTasks(needs),
      campaignTask({ ...needs, neverMailed: (addresses) => neverMailed(needs, addresses) }),
    ],
    concurrency: { letters: 2, work: 2 },
  });
  while (!(await until())) await sleep(25);
  await worker.stop();
}

const queued = async (): Promise<number> => {
  const row = await db.one<{ count: number }>(
    `select count(*) as count from graphile_worker._private_jobs j join graphile_worker._private_tasks t on t.id = j.task_id
      where t.identifier in ('send-code', 'send-letter', 'campaign')`,
  );
  return row?.count ?? 0;
};

async function integrateNow(): Promise<void> {
  const instance = await db.one<{ id: string }>(`select id from instance`);
  await integrate({ db, keyholder: keyholders.mailer, clock, databaseId: instance?.id ?? "" });
}

/** Adds a passkey, signs in by it, and leaves a challenge of each kind that nobody answers. */
async function goThroughPasskeys(cookie: string): Promise<void> {
  const device = authenticator(ground.config.publicOrigin);
  const ask = async (path: string, cookies: Readonly<Record<string, string>>) => {
    const asked = await expectStatus(200, "POST", path, { body: {}, cookies });
    const options = asked.body["options"] as { challenge: string };
    wentSecret("a passkey's challenge", options.challenge);
    const binding = wentSecret("a browser binding", asked.cookies[passkeyCookie] ?? "");
    return { options: options as Record<string, unknown>, cookies: { ...cookies, [passkeyCookie]: binding } };
  };
  const added = await ask("/api/account/passkeys/options", asCookie(cookie));
  wentSecret("a user handle", (added.options["user"] as { id: string }).id);
  const answer = device.create(added.options);
  wentSecret("a credential id", answer.id);
  await expectStatus(201, "POST", "/api/account/passkeys", {
    body: { answer, name: went("a passkey's name", "Ada's key of old brass") },
    cookies: added.cookies,
  });
  const asked = await ask("/api/sessions/passkey/options", {});
  const signedIn = await expectStatus(201, "POST", "/api/sessions/passkey", {
    body: { answer: device.get(asked.options), label: went("a device name", "Ada's telephone with a crack") },
    cookies: asked.cookies,
  });
  const session = wentSecret("a session cookie", signedIn.cookies[sessionCookie] ?? "");
  await ask("/api/session/proof/passkey/options", asCookie(session));
  await ask("/api/account/passkeys/options", asCookie(session));
}

async function useEverything(): Promise<void> {
  const ada = person("Ada", "203.0.113.17");
  const bob = person("Bob", "2001:db8:77::b0b:1");
  const eve = person("Eve", "198.51.100.23");
  await signUp(ada);
  await signUp(bob);
  await beginSignUp(eve);
  // Somebody who has an account already.
  await expectStatus(202, "POST", "/api/accounts", {
    body: { address: ada.address, password: ada.password, name: ada.name },
    from: ada.network,
  });

  const link = await makeOperatorLink(ground);
  await makeOperatorLink(ground).then(({ secret }) => wentSecret("an operator link", secretText(secret)));
  const operated = await expectStatus(201, "POST", "/api/operator-sessions", {
    body: { secret: wentSecret("an operator link", secretText(link.secret)) },
    from: went("a network address", "192.0.2.201"),
  });
  let operator = wentSecret("a session cookie", operated.cookies[sessionCookie] ?? "");
  const operatorAddress = went("an address", "night.watch@operators.example");
  await expectStatus(202, "POST", "/api/account/addresses", {
    body: { address: operatorAddress },
    cookies: asCookie(operator),
  });
  await expectStatus(200, "POST", "/api/account/addresses/confirm", {
    body: { code: await codeSentTo(operatorAddress, "sign-up code") },
    cookies: asCookie(operator),
  });
  await expectStatus(200, "POST", "/api/password", {
    body: { newPassword: went("a password", "the night watch never sleeps") },
    cookies: asCookie(operator),
  });
  operator = await signIn(
    { ...ada, name: "Night", address: operatorAddress, network: "192.0.2.201" },
    "the night watch never sleeps",
  );
  // What operators do takes more than a password.
  await goThroughPasskeys(operator);
  await expectStatus(200, "POST", "/api/operators", { body: { address: bob.address }, cookies: asCookie(operator) });

  const adaCookie = await signIn(ada);
  const tool = await bearer(ada, "tool");
  await bearer(bob, "app");
  await expectStatus(200, "GET", "/api/account", { bearer: tool });
  await expectStatus(200, "GET", "/api/sessions", { cookies: asCookie(adaCookie) });
  await expectStatus(200, "POST", "/api/session/proof", {
    body: { password: ada.password },
    cookies: asCookie(adaCookie),
  });
  // Tried and wrong, by somebody from elsewhere.
  await expectStatus(401, "POST", "/api/sessions", {
    body: {
      address: went("an address", "nobody.here@elsewhere.example"),
      password: went("a password", "guessed at random by a thief"),
    },
    from: went("a network address", "198.51.100.99"),
  });

  const removed = went("an address", "ada.removed@mail.example.net");
  await expectStatus(202, "POST", "/api/account/addresses", {
    body: { address: removed },
    cookies: asCookie(adaCookie),
  });
  await expectStatus(200, "POST", "/api/account/addresses/confirm", {
    body: { code: await codeSentTo(removed, "sign-up code") },
    cookies: asCookie(adaCookie),
  });
  const { body: account } = await expectStatus(200, "GET", "/api/account", { cookies: asCookie(adaCookie) });
  const added = (account["addresses"] as { id: string; address: string }[]).find(({ address }) => address === removed);
  await expectStatus(200, "POST", `/api/account/addresses/${added?.id}/first`, { cookies: asCookie(adaCookie) });
  await expectStatus(200, "DELETE", `/api/account/addresses/${added?.id}`, { cookies: asCookie(adaCookie) });
  await expectStatus(200, "GET", "/api/account/events", { cookies: asCookie(adaCookie) });
  const second = went("an address", "ada.second@mail.example.net");
  await expectStatus(202, "POST", "/api/account/addresses", {
    body: { address: second },
    cookies: asCookie(adaCookie),
  });
  await codeSentTo(second, "sign-up code");

  await goThroughPasskeys(adaCookie);

  const tv = await askLink("203.0.113.66");
  await decide(tv.userCode, adaCookie, "approve");
  const claimed = await claim(tv.deviceCode, "203.0.113.66");
  expect(claimed.status).toBe(200);
  wentSecret("a television's token", String(claimed.body["access_token"]));
  const denied = await askLink("203.0.113.67");
  await decide(denied.userCode, adaCookie, "deny");

  const titleId = await aTitle();
  const granted = await expectStatus(201, "POST", `/api/titles/${titleId}/grants`, { cookies: asCookie(adaCookie) });
  const grant = String(granted.body["playlist"]).split("/")[2] ?? "";
  went("a grant", grant);
  sought.push({ what: "a grant's signature", value: Buffer.from(grant, "base64url").subarray(-64) });
  await expectStatus(204, "PUT", `/api/titles/${titleId}/progress`, {
    body: { positionSeconds: 61, durationSeconds: 7200 },
    cookies: asCookie(adaCookie),
  });
  await expectStatus(200, "POST", "/api/password", {
    body: { currentPassword: ada.password, newPassword: went("a password", "ada counts eight lanterns now") },
    cookies: asCookie(adaCookie),
  });
  const told = (await service.letters()).find(({ undo }) => undo !== undefined);
  wentSecret("an undo secret", told?.undo ?? "");
  await db.transaction((tx) => raiseAlarm(tx, clock.now(), random, testAlarm()));
  const planting = {
    db,
    keyholder: keyholders.operator,
    clock,
    random,
    lifetimesMs: sessionLifetimesMs(30, 180),
    watchSomething: async () => undefined,
    forgetWatched: async () => undefined,
  };
  const order = { place: "backup", kind: "account", count: 2, domain: "canaries.example.org", by: "host" } as const;
  for (const canary of await plantCanaries(planting, order)) went("a canary's address", canary);
  await secondFactor(bob, await signIn(bob));
  await work(async () => (await queued()) === 0);

  const opened = await expectStatus(201, "POST", "/api/incidents", {
    body: { reason: "a database copy is for sale" },
    cookies: asCookie(operator),
  });
  const incidentId = String(opened.body["id"]);
  const contained = await expectStatus(200, "POST", `/api/incidents/${incidentId}/contain`, {
    body: {},
    cookies: asCookie(operator),
  });
  expect(contained.body["kind"]).toBe("contained");
  await expectStatus(401, "GET", "/api/session", { cookies: asCookie(adaCookie) });
  operator = await service.operator();
  wentSecret("a session cookie", operator);
  for (const action of ["test", "start"]) {
    await expectStatus(200, "POST", `/api/incidents/${incidentId}/notify`, {
      body: { action },
      cookies: asCookie(operator),
    });
  }
  await work(async () => {
    const row = await db.one<{ done: boolean }>(`select letters_finished_at is not null as done from incident`);
    return row?.done === true && (await queued()) === 0;
  });

  const renewal = await askRenewal(ada.address, ada.network);
  const renewed = went("a password", "nine lanterns after the theft");
  await expectStatus(200, "POST", "/api/renewals/complete", {
    body: { code: await codeSentTo(ada.address, "renewal code"), password: renewed },
    cookies: renewal.cookies,
    from: ada.network,
  });
  const back = await signIn(ada, renewed);
  // Under way while the copy is made: letters in the queue, a renewal, a claim, links in each state, a sign-up.
  await askRenewal(bob.address, bob.network);
  await codeSentTo(bob.address, "renewal code");
  await askRenewal(went("an address", "stranger@nowhere.example"), "198.51.100.99");
  const { accountId } = await findAccount(db, await keyholders.web.index("address", lookUpForm(bob.address)));
  await expectStatus(201, "POST", "/api/recoveries", {
    body: { accountId, address: went("an address", "bob.has.lost.all@mail.example.net") },
    cookies: asCookie(operator),
  });
  await askLink("203.0.113.68");
  const approved = await askLink("203.0.113.69");
  await decide(approved.userCode, back, "approve");
  await beginSignUp(person("Zoë", "2001:db8:99::2e:0e"));
  await makeOperatorLink(ground).then(({ secret }) => wentSecret("an operator link", secretText(secret)));
  clock.advance(6 * 60_000);
  await expectStatus(200, "GET", "/api/session", { cookies: asCookie(back) });
  await service.web.writeSignInCounts();
  await integrateNow();
}

const snapshot = <Result>(look: (tx: Tx) => Promise<Result>): Promise<Result> =>
  db.transaction(async (tx) => {
    await tx.run("set transaction isolation level repeatable read");
    return look(tx);
  });

let copy: Copy;
beforeAll(async () => {
  await useEverything();
  copy = await snapshot(copyOf);
}, 120_000);

test("P4: no table of a populated service holds anything that went in, in clear, encoded or hashed without a key", () => {
  expect(sought.length).toBeGreaterThan(80);
  expect(findIn(copy, sought)).toEqual([]);
});

test("P4: the search has read every table that a feature fills, the queue's own among them", () => {
  const tables = new Set(copy.columns.map(({ name }) => name.split(".").slice(0, 2).join(".")));
  // Written now and then, when it is time; it holds numbers.
  tables.delete("public.refusal_count");
  const empty = [...tables].filter((name) => !copy.filled.has(name)).toSorted();
  // Nothing of an account goes into these: what the library shows, old tree nodes, and schedules.
  expect(empty).toEqual([
    "graphile_worker._private_job_queues",
    "graphile_worker._private_known_crontabs",
    "public.artwork",
    "public.key_rewrap",
    "public.scan",
    "public.series",
    "public.timeline_node",
  ]);
  expect(copy.filled).toContain("graphile_worker._private_jobs");
  expect(copy.filled).toContain("public.mailbox_letter");
});

test("P4: what the design keeps of a secret, its digest, is the only thing that is excused", () => {
  const strict = sought.map(({ what, value }) => ({ what, value }));
  const found = new Set(findIn(copy, strict).map((line) => line.slice(0, line.indexOf(":"))));
  expect([...found].toSorted()).toEqual([
    "public.account_change.undo_digest",
    "public.link.device_digest",
    "public.operator_link.digest",
    "public.passkey.handle_digest",
    "public.passkey_challenge.browser_digest",
    "public.passkey_challenge.challenge_digest",
    "public.passkey_way.credential_digest",
    "public.session.digest",
    "public.sign_in_step.digest",
    "public.sign_up.browser_digest",
    "public.ticket.browser_digest",
  ]);
});

const planted = "Grace.Planted@Some.Example.org";
const sha = (name: string) => createHash(name).update(planted.toLowerCase()).digest();
const base64Inside = (before: number) => Buffer.from(`${"x".repeat(before)}${planted}, and more`).toString("base64");
const plants: Readonly<Record<string, string | Buffer>> = {
  "in clear": `{"to":"${planted}"}`,
  "in upper case": planted.toUpperCase(),
  "in clear, as bytes": Buffer.from(`to ${planted}`),
  "in hex": Buffer.from(planted).toString("hex").toUpperCase(),
  "in base64 at each of three places, 0": base64Inside(0),
  "in base64 at each of three places, 1": base64Inside(1),
  "in base64 at each of three places, 2": base64Inside(2),
  "in base64url": Buffer.from(planted).toString("base64url"),
  "as SHA-256 bytes": sha("sha256"),
  "as SHA-256 in hex": sha("sha256").toString("hex"),
  "as SHA-1 in base64": sha("sha1").toString("base64"),
  "as SHA-512 bytes inside others": Buffer.concat([Buffer.from([1, 2, 3]), sha("sha512"), Buffer.from([4])]),
  "as MD5 in base64url": sha("md5").toString("base64url"),
};

test.each(Object.entries(plants))("P4: the search finds an address that is planted %s", async (_how, plant) => {
  const lookFor = [{ what: "planted", value: planted }];
  expect(findIn(copy, lookFor)).toEqual([]);
  class Enough extends Error {}
  const found: string[] = [];
  await db
    .transaction(async (tx) => {
      if (typeof plant === "string") await tx.run(`update incident set reason = $1`, [plant]);
      else await tx.run(`update mailbox_letter set sealed = $1`, [plant]);
      found.push(...findIn(await copyOf(tx), lookFor));
      throw new Enough();
    })
    .catch((thrown: unknown) => expect(thrown).toBeInstanceOf(Enough));
  expect(found.join("\n")).toMatch(/^public\.(incident\.reason|mailbox_letter\.sealed): planted/);
});
