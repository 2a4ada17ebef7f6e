import { expect, test } from "vitest";
import type { AccountId, SessionId, TitleId, FileId } from "../kernel/brand.ts";
import { hourMs, plus, type EpochMs } from "../kernel/clock.ts";
import { newId } from "../kernel/random.ts";
import { Secret } from "../kernel/secret.ts";
import type { KeyPurpose } from "../keyholder/keyholder.ts";
import { keyPurposes } from "../keyholder/keys.ts";
import { browserCookie } from "../http/cookies.ts";
import { addressPlace, openAccounts } from "../accounts/accounts.ts";
import { listMailbox, openMailbox } from "../mail/mailbox.ts";
import { markAddress, neverMailed, writeMark } from "../canaries/plant.ts";
import { newGrants } from "../streaming/grants.ts";
import { makeArtifacts, takenOf } from "../../test/key-artifacts.ts";
import { populate, populationPassword } from "../../test/population.ts";
import { asCookie, goodPassword, testService } from "../../test/service.ts";
import { keepingNeedsOf } from "../../test/keeping-needs.ts";
import { countVersions } from "./count-versions.ts";
import { keepKeys } from "./keep-keys.ts";
import { beginWalk, rewrapColumn } from "./rewrap-column.ts";
import { keysStatus, retireKey, rotateKeys, usePreparedKey } from "./rotate.ts";
import { rewrappedColumns } from "./sealed-columns.ts";

/** P9: every key that protects stored data is changed while the service runs, and nobody notices. */
const service = await testService();
const { ground, clock } = service;
const call: typeof service.call = (...request) => service.call(...request);
const { db, random, keyholders } = ground;
const keys = keyholders.keeper.keys;
const needs = keepingNeedsOf(ground);

const namedBy = async (version: number): Promise<string[]> => {
  const counted = await countVersions(db, clock.now());
  return counted
    .filter((each) => each.version === version && each.rows > 0)
    .map((each) => `${each.table}.${each.column}`);
};
const newestOf = async (purpose: KeyPurpose): Promise<number> =>
  (await keys.states()).states.find((state) => state.purpose === purpose)?.newest ?? 0;
const dataKeyOf = async (accountId: string): Promise<Buffer> =>
  (await db.one<{ dataKey: Buffer }>(`select data_key as "dataKey" from account where id = $1`, [accountId]))!.dataKey;
const recordOf = async (accountId: string): Promise<Buffer> =>
  (await db.one<{ record: Buffer }>(`select record from password where account_id = $1`, [accountId]))!.record;
const cookieOf = (answer: { cookies: Readonly<Record<string, string>> }) => ({
  [browserCookie]: answer.cookies[browserCookie] ?? "",
});
const codeTo = async (address: string): Promise<string | undefined> =>
  (await service.letters()).find(({ to, code }) => to === address && code !== undefined)?.code;

async function askLink(): Promise<{ userCode: string; deviceCode: string }> {
  const { body } = await call("POST", "/oauth/device_authorization", {
    body: { client_id: "houselights-tv", device_name: "Attic television" },
  });
  return { userCode: String(body["user_code"]), deviceCode: String(body["device_code"]) };
}

test("every key is changed under everything that people have begun, and the old ones are refused afterwards", async () => {
  const ada = await service.account("ada@example.org", goodPassword, "Ada");
  const cookies = asCookie(await service.signIn("ada@example.org", goodPassword));
  const others = await populate(db, keyholders.web, { accounts: 30, sessionsEach: 2 });

  // Begun before: a registration, a renewal, a link, a second address, a grant, a letter in the mailbox.
  const begun = await call("POST", "/api/accounts", { body: { address: "bob@example.org", password: goodPassword } });
  const renewal = await call("POST", "/api/renewals", { body: { address: "ada@example.org" } });
  const renewalCode = await codeTo("ada@example.org");
  const link = await askLink();
  await call("POST", "/api/account/addresses", { body: { address: "ada@second.example" }, cookies });
  const secondCode = await codeTo("ada@second.example");
  const grants = newGrants({ keyholder: keyholders.web, clock });
  const claims = {
    accountId: ada as AccountId,
    sessionId: newId<SessionId>(random, clock.now()),
    titleId: newId<TitleId>(random, clock.now()),
    fileId: newId<FileId>(random, clock.now()),
    expiresAt: plus(clock.now(), hourMs),
  };
  const grant = await grants.issue(claims);
  const mailbox = openMailbox({ db, keyholder: keyholders.mailer, clock, random });
  const written = { subject: "Hello", text: "text", html: "html" };
  await mailbox.send({ to: "ada@example.org", written, messageId: "one" });
  const dkimVersion = async () => (await keyholders.mailer.dkimPublicKeys()).find(({ inUse }) => inUse)?.version;
  expect(await dkimVersion()).toBe(1);
  await keyholders.transmitter.setKeys();

  const old = {
    dataKey: await dataKeyOf(ada),
    record: await recordOf(ada),
    index: await keyholders.web.index("address", "ada@example.org"),
    mac: await keyholders.web.codeMac("renewal", Buffer.alloc(32, 1), Secret.fromText("BCDFGHJKLM")),
    sealed: await keyholders.web.sealForMailer("x", Secret.fromText("secret")),
    signature: await keyholders.web.sign("grant", Buffer.from("signed")),
  };
  const tag = new Secret(Buffer.alloc(32, 7));
  const oldRecord = await keyholders.web.sealPassword(ada as AccountId, tag);

  const artifacts = await makeArtifacts(keyholders, ada as AccountId);
  expect(await takenOf(keyholders, artifacts)).toEqual(keyPurposes);

  const canary = "m3xq2k@watch.example.org";
  const sealing = { keyholder: keyholders.web, random };
  await writeMark(db, await markAddress(sealing, canary, clock.now()), "backup-2026-11", "account", clock.now());
  const outcome = await rotateKeys(needs);
  expect(outcome.kind).toBe("rotated");
  expect(outcome.rotated.map(({ purpose }) => purpose)).toEqual(keyPurposes);
  for (const purpose of keyPurposes)
    expect([purpose, await newestOf(purpose)]).toEqual([purpose, purpose === "dkim" || purpose === "signal" ? 1 : 2]);

  // New writes use the new keys at once, on every connection.
  await service.account("eve@example.org", goodPassword, "Eve");
  expect((await recordOf((await idOf("eve@example.org"))!)).readUInt32BE(1)).toBe(2);
  expect((await keyholders.web.newDataKey(ada as AccountId)).readUInt32BE(1)).toBe(2);

  async function whatWasBegunStillWorks(): Promise<void> {
    expect((await call("GET", "/api/session", { cookies })).status).toBe(200);
    await service.signIn("ada@example.org", goodPassword);
    await service.signIn("eve@example.org", goodPassword);
    await service.signIn(others[7]!.address, populationPassword);
    const devices = await call("GET", "/api/sessions", { cookies });
    expect(devices.text).not.toContain('"label":""');
    const [account] = await openAccounts({ db, keyholder: keyholders.web }, [ada as AccountId]);
    expect([account?.name, account?.addresses[0]?.address]).toEqual(["Ada", "ada@example.org"]);
    expect(await newGrants({ keyholder: keyholders.web, clock }).verify(grant)).toEqual(claims);
    expect((await listMailbox({ db, keyholder: keyholders.mailer }, { limit: 1 }))[0]?.to).toBe("ada@example.org");
    const isCanary = await neverMailed({ db, keyholder: keyholders.mailer }, [canary, "ada@example.org"]);
    expect([...isCanary]).toEqual([canary]);
    // The same address cannot be taken a second time, whichever key it was written under.
    const again = await call("POST", "/api/accounts", { body: { address: "ada@example.org", password: goodPassword } });
    expect(again.status).toBe(202);
    expect((await service.letters())[0]?.letter).toBe("already registered");
  }
  await whatWasBegunStillWorks();
  await expect(retireKey(needs, "password")).resolves.toMatchObject({ kind: "needed", version: 1 });
  await expect(retireKey(needs, "index.address")).resolves.toMatchObject({ kind: "needed", version: 1 });

  expect(await namedBy(1)).toContain("account.data_key");
  await keepKeys(needs);
  const left = await namedBy(1);
  for (const done of [
    "account.data_key",
    "password.record",
    "mailbox_letter.sealed",
    "jobs.payload",
    "sign_up.record",
  ]) {
    expect(left).not.toContain(done);
  }
  expect(left).not.toContain("account_address.blind_index");
  await whatWasBegunStillWorks();

  // What was begun under the old keys is finished after everything has been sealed again.
  const bobCode = await codeTo("bob@example.org");
  const confirmed = await call("POST", "/api/accounts/confirm", { body: { code: bobCode }, cookies: cookieOf(begun) });
  expect(confirmed.status, confirmed.text).toBe(201);
  await service.signIn("bob@example.org", goodPassword);
  const second = await call("POST", "/api/account/addresses/confirm", { body: { code: secondCode }, cookies });
  expect(second.status, second.text).toBe(200);
  const approved = await call("POST", "/api/links/decide", {
    body: { userCode: link.userCode, decision: "approve" },
    cookies,
  });
  expect(approved.status, approved.text).toBe(200);
  const password = "eleven boats went out at dawn";
  const renewed = await call("POST", "/api/renewals/complete", {
    body: { code: renewalCode, password, signOutDevices: false },
    cookies: cookieOf(renewal),
  });
  expect(renewed.status, renewed.text).toBe(200);
  expect((await call("GET", "/api/session", { cookies })).status).toBe(200);

  // All of it works under the old keys until they are retired; counts of tries are short, and have the newest alone.
  expect(await takenOf(keyholders, artifacts)).toEqual(keyPurposes.filter((purpose) => purpose !== "index.throttle"));
  expect(await keyholders.web.verifyPassword(ada as AccountId, oldRecord, tag)).toBe(true);
  const binding = Buffer.alloc(32, 1);
  const code = Secret.fromText("BCDFGHJKLM");
  expect(await keyholders.web.checkCode("renewal", binding, code, old.mac)).toBe(true);
  expect((await keyholders.mailer.openForMailer("x", old.sealed)).revealText()).toBe("secret");
  expect(await dataKeyOf(ada)).not.toEqual(old.dataKey);
  const place = { table: "account", column: "sealed_name", accountId: ada as AccountId };
  const sealedName = await keyholders.web.seal(old.dataKey, place, "Ada");
  expect(await keyholders.web.open([{ dataKey: old.dataKey, place, sealed: sealedName }])).toEqual(["Ada"]);
  expect((await keyholders.web.index("address", "ada@example.org")).subarray(-32)).toEqual(old.index);

  expect(await usePreparedKey(needs, "dkim")).toBe(2);
  expect(await dkimVersion()).toBe(2);
  // Receivers are shown the new key of signals for an hour before anything is signed with it.
  expect(await newestOf("signal")).toBe(1);
  expect(await keyholders.transmitter.setKeys()).toHaveLength(2);
  // Addresses that were proved after the walk have an index of the old key from before it: the next run finds them.
  expect(await retireKey(needs, "index.address")).toMatchObject({ kind: "needed" });
  await keepKeys(needs);
  clock.set(Math.max(clock.now(), Date.now()) + hourMs);
  await keepKeys(needs);
  expect(await newestOf("signal")).toBe(2);
  // Codes run out in a day, grants in hours after the keyholder's own clock made their key.
  clock.set(Math.max(clock.now(), Date.now()) + 25 * hourMs);
  for (const purpose of keyPurposes) {
    expect([purpose, await retireKey(needs, purpose)]).toEqual([purpose, { kind: "closing", version: 1 }]);
  }
  await keepKeys(needs);
  for (const { purpose, versions, retiredUpTo } of (await keys.states()).states) {
    expect([purpose, versions.map(({ version }) => version), retiredUpTo]).toEqual([purpose, [2], 1]);
  }

  // Old keys are refused, with the very values that worked above; what a checkpoint's key signed can be checked for ever.
  expect(await takenOf(keyholders, artifacts)).toEqual(["sign.checkpoint"]);
  expect(await keyholders.web.verifyPassword(ada as AccountId, oldRecord, tag)).toBe(false);
  expect(await keyholders.web.checkCode("renewal", binding, code, old.mac)).toBe(false);
  await expect(keyholders.mailer.openForMailer("x", old.sealed)).rejects.toMatchObject({ code: "SEALED_UNREADABLE" });
  expect(await keyholders.web.open([{ dataKey: old.dataKey, place, sealed: sealedName }])).toEqual([null]);
  expect((await keyholders.web.index("address", "ada@example.org")).subarray(-32)).not.toEqual(old.index);
  expect((await keyholders.web.publicKeys("grant")).map(({ keyId }) => keyId)).toEqual([2]);
  // Checkpoints that the old key signed are still checked with its public half.
  expect((await keyholders.web.publicKeys("checkpoint")).map(({ keyId }) => keyId)).toEqual([2, 1]);
  expect((await db.many(`select 1 from address where octet_length(blind_index) = 32`)).length).toBe(0);

  await service.signIn("ada@example.org", password);
  await service.signIn(others[3]!.address, populationPassword);
  const token = others[5]!.sessions[0]!.token.revealText();
  expect((await call("GET", "/api/session", { cookies: asCookie(token) })).status).toBe(200);
  const [account] = await openAccounts({ db, keyholder: keyholders.web }, [ada as AccountId]);
  expect(account?.addresses.map(({ address }) => address).toSorted()).toEqual([
    "ada@example.org",
    "ada@second.example",
  ]);
  const entries = await db.one<{ count: number }>(
    `select count(*) as count from timeline_entry where kind in ('key rotated', 'key retired')`,
  );
  expect(entries?.count).toBe(2 * keyPurposes.length);
}, 120_000);

async function idOf(address: string): Promise<string | undefined> {
  const rows = await db.many<{ id: AccountId }>(`select id from account`);
  const opened = await openAccounts(
    { db, keyholder: keyholders.web },
    rows.map(({ id }) => id),
  );
  return opened.find(({ addresses }) => addresses.some((each) => each.address === address))?.accountId;
}

test("a walk that is cut off at any batch goes on there, and two at once lose nothing", async () => {
  const people = await populate(db, keyholders.web, { accounts: 60, prefix: "walker" });
  await rotateKeys(needs, ["password"]);
  const toVersion = await newestOf("password");
  const column = rewrappedColumns.find(({ table }) => table === "password")!;
  const total = (await db.one<{ count: number }>(`select count(*) as count from password`))!.count;

  // Cut off inside the third batch: before its commit, after its call.
  let calls = 0;
  const cutOff = {
    ...needs,
    keys: {
      rewrap: async (...asked: Parameters<typeof keys.rewrap>) => {
        const sealed = await keys.rewrap(...asked);
        if (++calls === 3) throw new Error("killed");
        return sealed;
      },
    },
  };
  await expect(rewrapColumn(cutOff, column, toVersion, { batchRows: 10 })).rejects.toThrow("killed");
  // And told to stop: before the next batch, and not at the end.
  const signal = AbortSignal.abort();
  expect(await rewrapColumn(needs, column, toVersion, { batchRows: 10, signal })).toBe(false);
  const halfway = await beginWalk(db, clock, column, toVersion);
  expect(halfway.rewrapped).toBe(20);
  await Promise.all([
    rewrapColumn(needs, column, toVersion, { batchRows: 7 }),
    rewrapColumn(needs, column, toVersion, { batchRows: 5 }),
  ]);
  expect((await beginWalk(db, clock, column, toVersion)).rewrapped).toBe(total);
  const counted = await countVersions(db, clock.now(), (purpose) => purpose === "password");
  expect(counted.filter(({ table }) => table === "password")).toEqual([
    { purpose: "password", table: "password", column: "record", version: toVersion, rows: total },
  ]);
  await service.signIn(people[59]!.address, populationPassword);
});

test("a password that is changed between a walk's reading and its writing keeps the change", async () => {
  const [person] = await populate(db, keyholders.web, { accounts: 1, prefix: "changing" });
  const { accountId } = person!;
  await rotateKeys(needs, ["password"]);
  const toVersion = await newestOf("password");
  const column = rewrappedColumns.find(({ table }) => table === "password")!;
  const before = await recordOf(accountId);
  const changed = await keyholders.web.sealPassword(accountId, new Secret(Buffer.alloc(32, 7)));
  let writes = 0;
  const overtaken = {
    ...needs,
    keys: {
      rewrap: async (...asked: Parameters<typeof keys.rewrap>) => {
        const sealed = await keys.rewrap(...asked);
        if (asked[1].includes(accountId)) {
          writes += await db.run(`update password set record = $2 where account_id = $1`, [accountId, changed]);
        }
        return sealed;
      },
    },
  };
  await rewrapColumn(overtaken, column, toVersion);
  expect(writes).toBe(1);
  const after = await recordOf(accountId);
  expect([after.equals(before), after]).toEqual([false, changed]);
});

test("a value that does not open stays as it is, is counted, and keeps its key", async () => {
  const [person] = await populate(db, keyholders.web, { accounts: 1, prefix: "damaged" });
  await rotateKeys(needs, ["wrap"]);
  const { accountId } = person!;
  const whole = await dataKeyOf(accountId);
  const damaged = Buffer.from(whole);
  damaged.writeUInt8(damaged.readUInt8(40) ^ 1, 40);
  await db.run(`update account set data_key = $2 where id = $1`, [accountId, damaged]);
  await keepKeys(needs);
  expect(await dataKeyOf(accountId)).toEqual(damaged);
  const walk = (await keysStatus(needs)).walks.find(({ table }) => table === "account");
  expect(walk).toMatchObject({ unreadable: 1, finishedAt: expect.any(Number) });
  const oldest = damaged.readUInt32BE(1);
  expect(await retireKey(needs, "wrap")).toEqual({
    kind: "needed",
    version: oldest,
    by: ["1 row of account.data_key"],
  });
  // Mended, it goes the way of the others.
  await db.run(`update account set data_key = $2 where id = $1`, [accountId, whole]);
  await keepKeys(needs);
  const again = await dataKeyOf(accountId);
  expect(again.readUInt32BE(1)).toBe(await newestOf("wrap"));
  expect(await retireKey(needs, "wrap")).toEqual({ kind: "closing", version: oldest });
  // A row that names it once more keeps it, although it is on its way out.
  await db.run(`update account set data_key = $2 where id = $1`, [accountId, damaged]);
  const versions = async () =>
    (await keys.states()).states.find(({ purpose }) => purpose === "wrap")?.versions.map(({ version }) => version);
  await keepKeys(needs);
  expect(await versions()).toContain(oldest);
  await db.run(`update account set data_key = $2 where id = $1`, [accountId, again]);
  await keepKeys(needs);
  expect(await versions()).not.toContain(oldest);
});

test("a walk that goes on where it was cut off begins once more: what is written behind it is sealed again too", async () => {
  const people = await populate(db, keyholders.web, { accounts: 3, prefix: "behind" });
  const { accountId } = people[0]!;
  const before = await recordOf(accountId);
  await rotateKeys(needs, ["password"]);
  const toVersion = await newestOf("password");
  const column = rewrappedColumns.find(({ table }) => table === "password")!;
  await rewrapColumn(needs, column, toVersion);
  expect((await recordOf(accountId)).readUInt32BE(1)).toBe(toVersion);
  await db.run(`update password set record = $2 where account_id = $1`, [accountId, before]);
  expect(before.readUInt32BE(1)).toBe(toVersion - 1);
  await keepKeys(needs);
  expect((await recordOf(accountId)).readUInt32BE(1)).toBe(toVersion);
  // Room for the next.
  expect(await retireKey(needs, "password")).toMatchObject({ kind: "closing" });
  await keepKeys(needs);
});

test("a letter in the queue that does not open stays as it is, and the others are sealed again", async () => {
  const versionsOfLetters = async () =>
    (await countVersions(db, clock.now(), (purpose) => purpose === "mailer"))
      .filter(({ table }) => table === "jobs")
      .map(({ version, rows }) => [version, rows]);
  await db.run(`delete from graphile_worker._private_jobs`);
  for (const name of ["one", "two", "three"])
    await call("POST", "/api/renewals", { body: { address: `letter-${name}@example.org` } });
  const [older] = await versionsOfLetters();
  const total = older?.[1] ?? 0;
  expect(total).toBeGreaterThan(1);
  await db.run(
    `update graphile_worker._private_jobs j
        set payload = jsonb_set(payload::jsonb, '{sealed}', to_jsonb(overlay(payload->>'sealed' placing 'AAAA' from 60)))::json
      where id = (select min(id) from graphile_worker._private_jobs)`,
  );
  await rotateKeys(needs, ["mailer"]);
  await keepKeys(needs);
  expect(await versionsOfLetters()).toEqual([
    [older?.[0], 1],
    [await newestOf("mailer"), total - 1],
  ]);
});

test("a sealed value that was moved to another row is not sealed again there", async () => {
  const [one, other] = await populate(db, keyholders.web, { accounts: 2, prefix: "moved" });
  const moved = await recordOf(one!.accountId);
  expect(await keys.rewrap("password", [one!.accountId], [moved])).toEqual([expect.any(Buffer)]);
  await rotateKeys(needs, ["password"]);
  expect(await keys.rewrap("password", [other!.accountId], [moved])).toEqual([null]);
});

test("an address whose sealed text was changed to another is not given that one's index", async () => {
  const [one, other] = await populate(db, keyholders.web, { accounts: 2, prefix: "indexed" });
  const indexOf = async (accountId: AccountId): Promise<Buffer> =>
    (await db.one<{ index: Buffer }>(`select blind_index as index from account_address where account_id = $1`, [
      accountId,
    ]))!.index;
  const dataKey = await dataKeyOf(one!.accountId);
  const sealed = await keyholders.web.seal(dataKey, addressPlace(one!.accountId), "thief@elsewhere.example");
  await db.run(`update account_address set sealed = $2 where account_id = $1`, [one!.accountId, sealed]);
  const before = await Promise.all([indexOf(one!.accountId), indexOf(other!.accountId)]);
  await rotateKeys(needs, ["index.address"]);
  await keepKeys(needs);
  expect(await indexOf(one!.accountId)).toEqual(before[0]);
  expect(await indexOf(other!.accountId)).not.toEqual(before[1]);
});

test("a third index of an address is refused until the one before is retired", async () => {
  const refused = await rotateKeys(needs, ["index.address"]);
  expect(refused).toMatchObject({ kind: "refused", rotated: [] });
  expect((await db.one<{ now: EpochMs }>(`select count(*) as now from address`))?.now).toBeGreaterThan(0);
});
