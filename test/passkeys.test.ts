import { describe, expect, test } from "vitest";
import { sessionCookie } from "../src/http/cookies.ts";
import { contain, containAccount } from "../src/incidents/contain.ts";
import { openIncident } from "../src/incidents/open.ts";
import type { AccountId } from "../src/kernel/brand.ts";
import { dayMs, hourMs, minuteMs, toIso } from "../src/kernel/clock.ts";
import { containNeedsOf } from "./contain-needs.ts";
import { askPasskey } from "./ask-passkey.ts";
import { authenticator, type Authenticator, type Wrong } from "./authenticator.ts";
import { asCookie, goodPassword, testService, type Answer } from "./service.ts";

/**
 * Passkeys against the whole web side: each refusal beside the same request that worked, each challenge good once, and
 * what a containment does to a passkey from before the copy and to one that was added since.
 */
const service = await testService();
const { ground, clock } = service;
const origin = ground.config.publicOrigin;

const containNeeds = () => containNeedsOf(ground);
const order = { mode: "everyone-out", keepTools: false, reason: "test", operator: "test" } as const;
const closeCase = () => ground.plainDb.run(`update incident set state = 'closed'`);

interface Person {
  readonly address: string;
  readonly accountId: AccountId;
  readonly session: string;
  readonly device: Authenticator;
}

let people = 0;
async function person(): Promise<Person> {
  const address = `person-${++people}@example.org`;
  const accountId = (await service.account(address, goodPassword)) as AccountId;
  return { address, accountId, session: await service.signIn(address, goodPassword), device: authenticator(origin) };
}

const ask = (path: string, cookies?: Readonly<Record<string, string>>) => askPasskey(service, path, cookies);

async function add(
  { session, device }: Pick<Person, "session" | "device">,
  wrong?: Parameters<Authenticator["create"]>[1],
): Promise<Answer> {
  const asked = await ask("/api/account/passkeys/options", asCookie(session));
  return service.call("POST", "/api/account/passkeys", {
    body: { answer: device.create(asked.options, wrong), name: "A telephone" },
    cookies: asked.cookies,
  });
}

async function withPasskey(): Promise<Person> {
  const one = await person();
  const added = await add(one);
  expect(added.status, added.text).toBe(201);
  return one;
}

async function signIn(device: Authenticator, wrong?: Parameters<Authenticator["get"]>[1]): Promise<Answer> {
  const asked = await ask("/api/sessions/passkey/options");
  return service.call("POST", "/api/sessions/passkey", {
    body: { answer: device.get(asked.options, wrong) },
    cookies: asked.cookies,
  });
}

const opens = async (answer: Answer): Promise<boolean> =>
  (await service.call("GET", "/api/session", { cookies: asCookie(answer.cookies[sessionCookie] ?? "x") })).status ===
  200;

async function list(session: string): Promise<{ id: string; name: string; doubt: string | null }[]> {
  const answer = await service.call("GET", "/api/account/passkeys", { cookies: asCookie(session) });
  return answer.body["passkeys"] as { id: string; name: string; doubt: string | null }[];
}

/** Presses the button of the newest letter of a kind. @returns the answer's status. */
async function takeBack(address: string, kind: string): Promise<number> {
  const letter = (await service.letters()).find((one) => one.to === address && one.letter === kind);
  return (await service.call("POST", "/not-me", { body: { token: letter?.undo } })).status;
}

describe("a passkey signs in", () => {
  test("with nothing else, as the account that made it, and again", async () => {
    const ada = await withPasskey();
    const first = await signIn(ada.device);
    expect(first.status, first.text).toBe(201);
    expect(first.body).toMatchObject({ kind: "signed-in", accountId: ada.accountId, role: "viewer" });
    expect(await opens(first)).toBe(true);
    expect(await opens(await signIn(ada.device))).toBe(true);
  });

  test("for an app: the binding in the body, a bearer token and no cookie", async () => {
    const ada = await withPasskey();
    const asked = await service.call("POST", "/api/sessions/passkey/options", { body: { token: true } });
    const answer = ada.device.get(asked.body["options"] as Record<string, unknown>);
    const signedIn = await service.call("POST", "/api/sessions/passkey", {
      body: { answer, browser: asked.body["browser"], token: true, label: "Ada's telephone" },
    });
    expect(signedIn.status, signedIn.text).toBe(201);
    expect(signedIn.cookies[sessionCookie]).toBeUndefined();
    const session = await service.call("GET", "/api/session", { bearer: String(signedIn.body["token"]) });
    expect(session.body).toMatchObject({ class: "app", accountId: ada.accountId });
  });

  test("is asked for with user verification and without naming anybody", async () => {
    const { options } = await ask("/api/sessions/passkey/options");
    expect(options).toMatchObject({ rpId: "localhost", userVerification: "required" });
    expect(options["allowCredentials"] ?? []).toEqual([]);
    const ada = await person();
    const { options: creation } = await ask("/api/account/passkeys/options", asCookie(ada.session));
    expect(creation).toMatchObject({
      attestation: "none",
      authenticatorSelection: { residentKey: "required", requireResidentKey: true, userVerification: "required" },
    });
    expect(JSON.stringify(creation)).not.toContain(ada.accountId);
    const handle = Buffer.from((creation["user"] as { id: string }).id, "base64url");
    expect(handle).toHaveLength(32);
  });

  test("each authenticator is told the same handle, and which passkeys the account has", async () => {
    const ada = await withPasskey();
    const { options } = await ask("/api/account/passkeys/options", asCookie(ada.session));
    expect((options["excludeCredentials"] as { id: string }[]).map(({ id }) => id)).toEqual(ada.device.credentialIds);
    expect((await add(ada)).status).toBe(201);
    const handles = await ground.db.many<{ handle: Buffer }>(
      `select distinct handle_digest as handle from passkey where account_id = $1`,
      [ada.accountId],
    );
    expect(handles).toHaveLength(1);
    expect(await list(ada.session)).toHaveLength(2);
  });
});

describe("a sign-in is refused", () => {
  const wrongs: Readonly<Record<string, Parameters<Authenticator["get"]>[1]>> = {
    "from another origin": { origin: "https://houselights.example" },
    "for another RP ID": { rpId: "example.org" },
    "without user verification": { userVerified: false },
    "without user presence": { userPresent: false, userVerified: false },
    "when it is a registration's": { type: "webauthn.create" },
    "with another account's user handle": { userHandle: Buffer.alloc(32, 7).toString("base64url") },
    "without a user handle": { userHandle: null },
    "with a broken signature": { signature: "broken" },
    "with a good signature in another spelling": { signature: "long" },
    "with a challenge nobody made": { challenge: Buffer.alloc(32, 7).toString("base64url") },
    "inside another site's frame": { crossOrigin: { topOrigin: "https://elsewhere.example" } },
  };
  test.each(Object.entries(wrongs))("%s", async (_why, wrong) => {
    const ada = await withPasskey();
    expect((await signIn(ada.device)).status).toBe(201);
    const refused = await signIn(ada.device, wrong);
    expect([refused.status, refused.body["code"]]).toEqual([401, "passkey-refused"]);
    expect(refused.cookies[sessionCookie] ?? "").toBe("");
    expect((await signIn(ada.device)).status).toBe(201);
  });

  test("when the passkey is not known, with the same answer", async () => {
    const ada = await withPasskey();
    const stranger = authenticator(origin);
    stranger.create({
      rp: { id: "localhost" },
      user: { id: Buffer.alloc(32, 1).toString("base64url") },
      challenge: "x",
    });
    const [unknown, broken] = [await signIn(stranger), await signIn(ada.device, { signature: "broken" })];
    expect([unknown.status, unknown.text]).toEqual([broken.status, broken.text]);
    expect(unknown.status).toBe(401);
  });

  test("when its challenge was used: by the same answer, and by a new one", async () => {
    const ada = await withPasskey();
    const asked = await ask("/api/sessions/passkey/options");
    const answer = ada.device.get(asked.options);
    const send = (body: unknown) => service.call("POST", "/api/sessions/passkey", { body, cookies: asked.cookies });
    expect((await send({ answer })).status).toBe(201);
    expect((await send({ answer })).status).toBe(401);
    expect((await send({ answer: ada.device.get(asked.options) })).status).toBe(401);
  });

  test("of ten at once with one answer, all but one", async () => {
    const ada = await withPasskey();
    const asked = await ask("/api/sessions/passkey/options");
    const answer = ada.device.get(asked.options);
    const all = await Promise.all(
      Array.from({ length: 10 }, () =>
        service.call("POST", "/api/sessions/passkey", { body: { answer }, cookies: asked.cookies }),
      ),
    );
    expect(all.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(all.filter(({ status }) => status === 401)).toHaveLength(9);
  });

  test("in another browser than the one that asked", async () => {
    const ada = await withPasskey();
    const [mine, theirs] = [await ask("/api/sessions/passkey/options"), await ask("/api/sessions/passkey/options")];
    const answer = ada.device.get(mine.options);
    const send = (cookies: Readonly<Record<string, string>>) =>
      service.call("POST", "/api/sessions/passkey", { body: { answer }, cookies });
    expect((await send(theirs.cookies)).status).toBe(401);
    expect((await send({})).status).toBe(401);
    // Refused before it was claimed: the browser that asked still can.
    expect((await send(mine.cookies)).status).toBe(201);
  });

  test("five minutes after it was asked for, and not a moment before", async () => {
    const ada = await withPasskey();
    for (const [waitMs, status] of [
      [5 * minuteMs - 1, 201],
      [5 * minuteMs, 401],
    ] as const) {
      const asked = await ask("/api/sessions/passkey/options");
      const answer = ada.device.get(asked.options);
      clock.advance(waitMs);
      const sent = await service.call("POST", "/api/sessions/passkey", { body: { answer }, cookies: asked.cookies });
      expect(sent.status).toBe(status);
    }
  });

  test("with a challenge that was made for something else", async () => {
    const ada = await withPasskey();
    const asked = await ask("/api/session/proof/passkey/options", asCookie(ada.session));
    const answer = ada.device.get(asked.options);
    const crossed = await service.call("POST", "/api/sessions/passkey", { body: { answer }, cookies: asked.cookies });
    expect(crossed.status).toBe(401);
    const meant = await service.call("POST", "/api/session/proof/passkey", {
      body: { answer },
      cookies: asked.cookies,
    });
    expect(meant.status, meant.text).toBe(200);
  });

  test("after the passkey was removed; a removal that is taken back brings it back", async () => {
    const ada = await withPasskey();
    expect((await signIn(ada.device)).status).toBe(201);
    // "It was not me" also takes back what was changed in the minute before.
    clock.advance(2 * minuteMs);
    const [passkey] = await list(ada.session);
    const removed = await service.call("DELETE", `/api/account/passkeys/${passkey?.id}`, {
      cookies: asCookie(ada.session),
    });
    expect(removed.status, removed.text).toBe(200);
    expect((await signIn(ada.device)).status).toBe(401);
    expect(await list(ada.session)).toEqual([]);
    expect(await takeBack(ada.address, "passkey removed")).toBe(303);
    expect((await signIn(ada.device)).status).toBe(201);
  });
});

describe("a counter", () => {
  test("that goes up is fine; one that goes back refuses the passkey, tells the owner, and may be kept", async () => {
    const ada = await person();
    ada.device.setCounter(10);
    expect((await add(ada)).status).toBe(201);
    const copied = ada.device.clone();
    expect((await signIn(ada.device)).status).toBe(201);
    expect((await signIn(ada.device)).status).toBe(201);
    expect((await service.letters()).filter(({ letter }) => letter === "passkey doubted")).toEqual([]);

    expect((await signIn(copied)).status).toBe(401);
    const told = (await service.letters()).filter(({ letter }) => letter === "passkey doubted");
    expect(told.map(({ to }) => to)).toEqual([ada.address]);
    // Nobody can tell which of the two is the owner's: both are refused, and no second letter is sent.
    expect((await signIn(ada.device)).status).toBe(401);
    expect((await service.letters()).filter(({ letter }) => letter === "passkey doubted")).toHaveLength(1);

    const [passkey] = await list(ada.session);
    expect(passkey).toMatchObject({ doubt: "counter-back" });
    const kept = await service.call("POST", `/api/account/passkeys/${passkey?.id}/keep`, {
      cookies: asCookie(ada.session),
    });
    expect(kept.status, kept.text).toBe(200);
    expect((await signIn(ada.device)).status).toBe(201);
    const { body } = await service.call("GET", "/api/account/events", { cookies: asCookie(ada.session) });
    const happened = (body["events"] as { kind: string }[]).map(({ kind }) => kind);
    const once = ["passkey doubted", "passkey kept"];
    expect(happened.filter((kind) => once.includes(kind)).toSorted()).toEqual(once);
  });

  test("of two signatures with one count, at once, one signs in", async () => {
    const ada = await person();
    ada.device.setCounter(1);
    expect((await add(ada)).status).toBe(201);
    const twin = ada.device.clone();
    const answers = await Promise.all([signIn(ada.device), signIn(twin)]);
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
  });
});

describe("adding a passkey is refused", () => {
  const wrongs: Readonly<Record<string, Wrong>> = {
    "from another origin": { origin: "https://houselights.example" },
    "for another RP ID": { rpId: "example.org" },
    "without user verification": { userVerified: false },
    "with another challenge": { challenge: Buffer.alloc(32, 7).toString("base64url") },
    "as the answer to a sign-in": { type: "webauthn.get" },
    "with an algorithm nobody asked for": { algorithm: -47 },
    "with certificates, which would be checked against lists that they name": { attestation: "certificates" },
    "with self attestation in another spelling": { attestation: "self", signature: "long" },
  };
  test.each(Object.entries(wrongs))("%s", async (_why, wrong) => {
    const ada = await person();
    const refused = await add(ada, wrong);
    expect([refused.status, refused.body["code"]]).toEqual([400, "passkey-not-added"]);
    expect(await list(ada.session)).toEqual([]);
    expect((await add(ada)).status).toBe(201);
  });

  test("twice with one answer, and by another account", async () => {
    const [ada, eve] = [await person(), await person()];
    const asked = await ask("/api/account/passkeys/options", asCookie(ada.session));
    const answer = ada.device.create(asked.options);
    const send = (cookies: Readonly<Record<string, string>>) =>
      service.call("POST", "/api/account/passkeys", { body: { answer, name: "Telephone" }, cookies });
    expect((await send({ ...asked.cookies, ...asCookie(eve.session) })).status).toBe(400);
    expect((await send(asked.cookies)).status).toBe(201);
    expect((await send(asked.cookies)).status).toBe(400);
  });

  test("with a credential id that somebody has", async () => {
    const [ada, eve] = [await withPasskey(), await person()];
    const refused = await add(eve, { credentialId: ada.device.credentialIds[0]! });
    expect([refused.status, refused.body["code"]]).toEqual([400, "passkey-not-added"]);
    expect(await list(eve.session)).toEqual([]);
    expect((await signIn(ada.device)).body["accountId"]).toBe(ada.accountId);
  });

  test("with self attestation it is taken: no maker is named by it", async () => {
    const ada = await person();
    expect((await add(ada, { attestation: "self" })).status).toBe(201);
  });

  test("five minutes after the last proof", async () => {
    const ada = await person();
    expect((await add(ada)).status).toBe(201);
    clock.advance(6 * minuteMs);
    const stale = await service.call("POST", "/api/account/passkeys/options", {
      body: {},
      cookies: asCookie(ada.session),
    });
    expect(stale.body["code"]).toBe("proof-needed");
  });

  test("beyond twenty", async () => {
    const ada = await person();
    for (let made = 0; made < 19; made++) expect((await add(ada)).status).toBe(201);
    const early = await ask("/api/account/passkeys/options", asCookie(ada.session));
    expect((await add(ada)).status).toBe(201);
    // Asked for while there was room, and answered when there is none.
    const body = { answer: ada.device.create(early.options), name: "One too many" };
    const late = await service.call("POST", "/api/account/passkeys", { body, cookies: early.cookies });
    expect([late.status, late.body["code"]]).toEqual([409, "too-many-passkeys"]);
    expect(await list(ada.session)).toHaveLength(20);
    const full = await service.call("POST", "/api/account/passkeys/options", {
      body: {},
      cookies: asCookie(ada.session),
    });
    expect(full.body["code"]).toBe("too-many-passkeys");
    // One that was removed leaves its place at once, and can be brought back for a while all the same.
    const [first] = await list(ada.session);
    const path = `/api/account/passkeys/${first?.id}`;
    expect((await service.call("DELETE", path, { cookies: asCookie(ada.session) })).status).toBe(200);
    const added = await add(ada);
    expect(added.status, added.text).toBe(201);
  });

  test("beyond a hundred with those that were removed and can come back", async () => {
    const ada = await withPasskey();
    expect((await add(ada)).status).toBe(201);
    const cookies = asCookie(ada.session);
    const early = await ask("/api/account/passkeys/options", cookies);
    await ground.plainDb.run(
      `insert into passkey
       select (jsonb_populate_record(p, jsonb_build_object('id', gen_random_uuid(), 'removed_at', p.added_at))).*
         from passkey p, generate_series(1, 49) where p.account_id = $1`,
      [ada.accountId],
    );
    const full = await service.call("POST", "/api/account/passkeys/options", { body: {}, cookies });
    expect(full.body["code"]).toBe("too-many-passkeys");
    const body = { answer: ada.device.create(early.options), name: "One too many" };
    const late = await service.call("POST", "/api/account/passkeys", { body, cookies: early.cookies });
    expect([late.status, late.body["code"]]).toEqual([409, "too-many-passkeys"]);
    expect(await list(ada.session)).toHaveLength(2);
  });
});

describe("an owner", () => {
  test("names, renames and removes passkeys, and is written to about adding and removing", async () => {
    const ada = await withPasskey();
    const [passkey] = await list(ada.session);
    expect(passkey).toMatchObject({ name: "A telephone", doubt: null });
    const path = `/api/account/passkeys/${passkey?.id}`;
    const cookies = asCookie(ada.session);
    expect((await service.call("PUT", path, { body: { name: "The blue key" }, cookies })).status).toBe(200);
    expect(await list(ada.session)).toMatchObject([{ name: "The blue key" }]);
    const other = await service.signIn(ada.address, goodPassword);
    expect((await service.call("DELETE", path, { cookies })).status).toBe(200);
    const about = (await service.letters()).filter(({ to }) => to === ada.address).map(({ letter }) => letter);
    expect(about).toEqual(expect.arrayContaining(["passkey added", "passkey removed"]));
    // Whoever held it may have been signed in: the other device is out, this one is not.
    expect((await service.call("GET", "/api/session", { cookies: asCookie(other) })).status).toBe(401);
    expect((await service.call("GET", "/api/session", { cookies })).status).toBe(200);
    expect((await service.call("DELETE", path, { cookies })).status).toBe(404);
  });

  test("takes back the adding of a passkey that was not theirs", async () => {
    const ada = await withPasskey();
    expect((await signIn(ada.device)).status).toBe(201);
    expect(await takeBack(ada.address, "passkey added")).toBe(303);
    expect((await signIn(ada.device)).status).toBe(401);
    // Nothing leads from the credential to the account any more.
    expect(await ground.db.many(`select 1 from passkey_way where account_id = $1`, [ada.accountId])).toEqual([]);
  });

  test("removes a passkey and keeps the other devices signed in, if they say so", async () => {
    const ada = await withPasskey();
    const other = await service.signIn(ada.address, goodPassword);
    const [passkey] = await list(ada.session);
    const path = `/api/account/passkeys/${passkey?.id}?devices=keep`;
    expect((await service.call("DELETE", path, { cookies: asCookie(ada.session) })).status).toBe(200);
    expect((await signIn(ada.device)).status).toBe(401);
    expect((await service.call("GET", "/api/session", { cookies: asCookie(other) })).status).toBe(200);
  });

  test("cannot touch another's", async () => {
    const [ada, eve] = [await withPasskey(), await person()];
    const [passkey] = await list(ada.session);
    const path = `/api/account/passkeys/${passkey?.id}`;
    const cookies = asCookie(eve.session);
    expect((await service.call("PUT", path, { body: { name: "mine" }, cookies })).status).toBe(404);
    expect((await service.call("DELETE", path, { cookies })).status).toBe(404);
    expect((await service.call("POST", `${path}/keep`, { cookies })).status).toBe(404);
    expect((await signIn(ada.device)).status).toBe(201);
  });

  test("proves again by passkey what asks for a fresh proof, and by nobody else's", async () => {
    const [ada, eve] = [await withPasskey(), await withPasskey()];
    clock.advance(6 * minuteMs);
    const claim = () =>
      service.call("POST", "/api/account/addresses", {
        body: { address: "ada@work.example" },
        cookies: asCookie(ada.session),
      });
    expect((await claim()).body["code"]).toBe("proof-needed");
    const prove = async (device: Authenticator) => {
      const asked = await ask("/api/session/proof/passkey/options", asCookie(ada.session));
      return service.call("POST", "/api/session/proof/passkey", {
        body: { answer: device.get(asked.options) },
        cookies: asked.cookies,
      });
    };
    expect((await prove(eve.device)).status).toBe(401);
    expect((await claim()).body["code"]).toBe("proof-needed");
    expect((await prove(ada.device)).status).toBe(200);
    expect((await claim()).status).toBe(202);
  });
});

describe("after a containment", () => {
  test("a passkey from before the copy signs in at once; one added since does not, until its owner keeps it", async () => {
    const ada = await withPasskey();
    clock.advance(hourMs);
    const copiedAt = clock.now();
    clock.advance(hourMs);
    const thief = { session: await service.signIn(ada.address, goodPassword), device: authenticator(origin) };
    expect((await add(thief)).status).toBe(201);
    expect((await signIn(ada.device)).status).toBe(201);
    expect((await signIn(thief.device)).status).toBe(201);
    clock.advance(hourMs);

    await openIncident(ground, { reason: "test", copiedAt: toIso(copiedAt) }, "test");
    const before = await ground.db.one<{ good: number }>(
      `select count(*) as good from passkey
        where removed_at is null and counter_back_at is null and doubted_at is null`,
    );
    const { counted } = await contain(containNeeds(), order);
    // All but the thief's.
    expect(counted!.passkeysStillGood).toBe((before?.good ?? 0) - 1);
    expect((await signIn(thief.device)).status).toBe(401);
    const back = await signIn(ada.device);
    expect(back.status, back.text).toBe(201);
    // The old password is refused all the same.
    const old = await service.call("POST", "/api/sessions", { body: { address: ada.address, password: goodPassword } });
    expect(old.status).toBe(401);

    const session = back.cookies[sessionCookie] ?? "";
    const [own, added] = await list(session);
    expect([own?.doubt, added?.doubt]).toEqual([null, "added-since-copy"]);
    // A doubted passkey proves nothing again either.
    const asked = await ask("/api/session/proof/passkey/options", asCookie(session));
    expect((asked.options["allowCredentials"] as unknown[]).length).toBe(1);
    const keep = await service.call("POST", `/api/account/passkeys/${added?.id}/keep`, { cookies: asCookie(session) });
    expect(keep.status, keep.text).toBe(200);
    expect((await signIn(thief.device)).status).toBe(201);
    await closeCase();
  });

  test("with renewal, a session from before keeps nothing and adds nothing", async () => {
    const ada = await withPasskey();
    await contain(containNeeds(), { ...order, mode: "with-renewal" });
    expect((await service.call("GET", "/api/session", { cookies: asCookie(ada.session) })).status).toBe(200);
    const [passkey] = await list(ada.session);
    expect(passkey?.doubt).toBe("added-since-copy");
    const keep = await service.call("POST", `/api/account/passkeys/${passkey?.id}/keep`, {
      cookies: asCookie(ada.session),
    });
    expect(keep.status).toBe(404);
    const refused = await add(ada);
    expect([refused.status, refused.body["code"]]).toEqual([403, "renew-first"]);
    await closeCase();
  });

  test("of one account, a code for another address from before it adds none, whoever comes back by a passkey", async () => {
    const [ada, bob] = [await withPasskey(), await withPasskey()];
    clock.advance(91 * dayMs);
    const begin = async ({ address }: Person): Promise<(session: string) => Promise<number>> => {
      const wanted = `second-of-${address}`;
      const cookies = asCookie(await service.signIn(address, goodPassword));
      await service.call("POST", "/api/account/addresses", { body: { address: wanted }, cookies });
      const body = { code: (await service.letters()).find(({ to }) => to === wanted)?.code };
      return async (session) =>
        (await service.call("POST", "/api/account/addresses/confirm", { body, cookies: asCookie(session) })).status;
    };
    const [adas, bobs] = [await begin(ada), await begin(bob)];
    await containAccount(containNeeds(), ada.accountId, { reason: "test", operator: "test" });
    const back = async ({ device }: Person) => (await signIn(device)).cookies[sessionCookie] ?? "";
    expect(await bobs(await back(bob))).toBe(200);
    expect(await adas(await back(ada))).toBe(400);
    await closeCase();
  });

  test("of one account, its passkeys of the last 90 days are doubted and nobody else's", async () => {
    const [ada, bob] = [await withPasskey(), await withPasskey()];
    clock.advance(91 * dayMs);
    const later = { session: await service.signIn(ada.address, goodPassword), device: authenticator(origin) };
    expect((await add(later)).status).toBe(201);
    expect((await signIn(later.device)).status).toBe(201);
    const one = await containAccount(containNeeds(), ada.accountId, { reason: "test", operator: "test" });
    expect(one).toMatchObject({ counted: { passkeysStillGood: 1 } });
    expect((await signIn(later.device)).status).toBe(401);
    expect((await signIn(ada.device)).status).toBe(201);
    expect((await signIn(bob.device)).status).toBe(201);
    await closeCase();
  });
});
