import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { dayMs, minuteMs } from "../src/kernel/clock.ts";
import type { AccountId, Epoch, TitleId } from "../src/kernel/brand.ts";
import { newId } from "../src/kernel/random.ts";
import { integrate } from "../src/timeline/integrate.ts";
import { prove, proveConsistency } from "../src/timeline/proof.ts";
import { hashLeaf, verifyConsistency, verifyInclusion } from "../src/timeline/tree.ts";
import { verifyTimeline } from "../src/timeline/verify.ts";
import { startRecovery } from "../src/renewal/recovery.ts";
import { prepareSession, sessionLifetimesMs, writeSession } from "../src/sessions/open-session.ts";
import { deleteAccount, deleteDue, forgetLate } from "../src/leaving/delete-account.ts";
import { forgetProgress, saveProgress } from "../src/streaming/progress.ts";
import { containAccount } from "../src/incidents/contain.ts";
import { containNeedsOf } from "./contain-needs.ts";
import { peopleOf, type Person } from "./people.ts";
import { asCookie, goodPassword, testService } from "./service.ts";

/** Leaving: a deletion that can be taken back for a week and leaves nothing readable, and a copy of everything known. */
const service = await testService();
const { ground, clock } = service;
const { db, random, log } = ground;
const deleteNeeds = { db, keyholder: ground.keyholders.mailer, clock, random, log, forgetProgress };

const { person, count } = peopleOf(service, "Ada Quillfeather");
const call = ({ session }: Pick<Person, "session">, method: "GET" | "POST" | "DELETE", path: string, body?: object) =>
  service.call(method, path, { ...(body === undefined ? {} : { body }), cookies: asCookie(session) });
const ask = (who: Person, confirmation = who.address) => call(who, "POST", "/api/account/deletion", { confirmation });
const signs = async (address: string, password = goodPassword): Promise<number> =>
  (await service.call("POST", "/api/sessions", { body: { address, password } })).status;
const exists = async (accountId: AccountId): Promise<boolean> =>
  (await db.one(`select 1 as it from account where id = $1`, [accountId])) !== undefined;

/** Uses what an account can have, so that the search below has something to find. */
async function useEverything(who: Person): Promise<void> {
  const second = `second-${count()}@example.org`;
  for (const address of [second, `third-${count()}@example.org`]) {
    clock.advance(1_000);
    await call(who, "POST", "/api/account/addresses", { address });
    const code = (await service.letters()).find(({ to }) => to === address)?.code;
    expect((await call(who, "POST", "/api/account/addresses/confirm", { code })).status).toBe(200);
  }
  const listed = (await call(who, "GET", "/api/account")).body["addresses"] as { id: string }[];
  expect((await call(who, "DELETE", `/api/account/addresses/${listed[2]?.id}`)).status).toBe(200);
  await call(who, "POST", "/api/account/addresses", { address: `waiting-${count()}@example.org` });
  await service.call("POST", "/api/renewals", { body: { address: who.address } });
  const address = `recovered-${count()}@example.org`;
  const { accountId } = who;
  const recovery = { accountId, address, withoutSecondFactor: false, by: "host" };
  expect((await startRecovery({ ...ground, keyholder: ground.keyholders.web }, recovery)).kind).toBe("started");
  const asked = await service.call("POST", "/oauth/device_authorization", { body: { client_id: "houselights-tv" } });
  await call(who, "POST", "/api/links/decide", { userCode: asked.body["user_code"], decision: "approve" });
  const titleId = newId<TitleId>(random, clock.now());
  await db.run(
    `insert into title (id, kind, identity, name, year, search_text, sort_key, added_at, visible)
     values ($1, 'film', $2, 'Heat', 1995, ' heat', 'heat', $3, true)`,
    [titleId, random.bytes(32), new Date(clock.now())],
  );
  await db.run(`insert into address_bounce (account_id, address_id, status, at) values ($1, $2, '5.1.1', $3)`, [
    who.accountId,
    listed[1]!.id,
    new Date(clock.now()),
  ]);
  await db.run(
    `insert into progress (account_id, title_id, position_seconds, duration_seconds, watched, updated_at)
     values ($1, $2, 61, 7200, false, $3)`,
    [who.accountId, titleId, new Date(clock.now())],
  );
}

/** Every column of every table, in which a row names the account in any form: found from the catalogue. */
async function tracesOf(accountId: AccountId): Promise<string[]> {
  const columns = await db.many<{ table: string; column: string }>(
    `select c.relname as table, a.attname as column from pg_class c
       join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid
      where n.nspname = 'public' and c.relkind = 'r' and a.attnum > 0 and not a.attisdropped order by 1, 2`,
  );
  const found: string[] = [];
  for (const { table, column } of columns) {
    const hit = await db.one(
      `select 1 as hit from "${table}" where strpos("${column}"::text, $1) > 0
          or strpos("${column}"::text, $2) > 0 or strpos("${column}"::text, encode(convert_to($1, 'utf8'), 'hex')) > 0 limit 1`,
      [accountId, accountId.replaceAll("-", "")],
    );
    if (hit !== undefined) found.push(`${table}.${column}`);
  }
  return found;
}

test("deleting is planned, told to every address, works as before for a week, and then leaves nothing of the account", async () => {
  const ada = await person();
  await useEverything(ada);
  const before = await tracesOf(ada.accountId);
  expect(before).toEqual(
    expect.arrayContaining([
      "account.id",
      "account_address.account_id",
      "account_change.account_id",
      "address.account_id",
      "address_bounce.account_id",
      "address_claim.account_id",
      "link.account_id",
      "password.account_id",
      "progress.account_id",
      "recovery.account_id",
      "removed_address.account_id",
      "security_event.account_id",
      "session.account_id",
      "sign_up.account_id",
      "ticket.account_id",
    ]),
  );
  const planned = await ask(ada);
  expect([planned.status, planned.body["deleteAfter"]]).toEqual([202, new Date(clock.now() + 7 * dayMs).toISOString()]);
  expect((await service.letters()).filter(({ letter }) => letter === "deletion asked")).toHaveLength(2);
  expect((await call(ada, "GET", "/api/session")).status).toBe(200);
  clock.advance(7 * dayMs - 1);
  expect(await deleteDue(deleteNeeds)).toBe(0);
  expect(await signs(ada.address)).toBe(201);
  clock.advance(1);
  const [row] = await db.many<{ dataKey: Buffer; sealed: Buffer }>(
    `select a.data_key as "dataKey", a.sealed_name as sealed from account a where id = $1`,
    [ada.accountId],
  );
  expect(row).toBeDefined();
  // A receipt that names this account, made before it goes.
  const { id: recordId } = (await db.one<{ id: string }>(`select id from instance`))!;
  const signing = { db, keyholder: service.ground.keyholders.mailer, clock, databaseId: recordId };
  const { head: older } = await integrate(signing);
  const entry = await db.one<{ index: number }>(
    `select leaf_index as index from timeline_entry
      where kind = 'account created' and strpos(convert_from(body, 'utf8'), $1) > 0`,
    [ada.accountId],
  );
  const receipt = (await prove(db, entry!.index))!;
  expect(await deleteDue(deleteNeeds)).toBe(1);
  // The tree has lost nothing by it: it begins with the older one, and the receipt leads to both.
  const { head: newer } = await integrate(signing);
  expect(newer.size).toBeGreaterThan(older.size);
  const rootOf = ({ size, rootHex }: typeof newer) => ({ size, root: Buffer.from(rootHex, "hex") });
  const consistency = await proveConsistency(db, older.size, newer.size);
  expect(verifyConsistency(rootOf(older), rootOf(newer), consistency)).toBe(true);
  expect(verifyInclusion(hashLeaf(receipt.body), receipt, rootOf(older).root)).toBe(true);
  const renewed = (await prove(db, entry!.index))!;
  expect(renewed.body).toEqual(receipt.body);
  expect(verifyInclusion(hashLeaf(renewed.body), renewed, rootOf(newer).root)).toBe(true);
  // What proves the record of what happened, and nothing else: a random id that leads to nobody.
  expect(await tracesOf(ada.accountId)).toEqual(["timeline_entry.body"]);
  expect(await signs(ada.address)).toBe(401);
  expect((await call(ada, "GET", "/api/session")).status).toBe(401);
  expect((await service.letters()).filter(({ letter }) => letter === "account deleted").map(({ to }) => to)).toEqual(
    expect.arrayContaining([ada.address, `second-${count()}@example.org`]),
  );
  // The address is free: somebody else may have it.
  const again = await service.account(ada.address, "a wholly new account of mine");
  expect(again).not.toBe(ada.accountId);
  expect(await deleteDue(deleteNeeds)).toBe(0);

  // The record is whole, the deletion in it.
  const instance = await db.one<{ id: string }>(`select id from instance`);
  const databaseId = instance?.id ?? "";
  await integrate({ db, keyholder: ground.keyholders.mailer, clock, databaseId });
  const keys = await ground.keyholders.web.publicKeys("checkpoint");
  const verdict = await verifyTimeline({ db, databaseId, publicKeys: keys.map(({ publicKey }) => publicKey) });
  expect(verdict.kind).toBe("intact");
});

test("what a report that was let in before the deletion writes after it is forgotten with the next clean-up", async () => {
  const ada = await person();
  const bob = await person();
  await useEverything(bob);
  const title = (await db.one<{ id: TitleId }>(`select id from title limit 1`))!.id;
  const report = (): Promise<void> =>
    saveProgress(db, ada.accountId, title, { positionSeconds: 61, durationSeconds: 7_200 }, clock.now());
  expect(await deleteAccount(deleteNeeds, ada.accountId, { by: "host", due: false })).toBe("deleted");
  await report();
  expect(await tracesOf(ada.accountId)).toContain("progress.account_id");
  clock.advance(70 * minuteMs);
  await forgetLate(deleteNeeds);
  expect(await tracesOf(ada.accountId)).toEqual(["timeline_entry.body"]);
  expect(await tracesOf(bob.accountId)).toContain("progress.account_id");
});

test("a session that a sign-in wrote while the account was deleted is forgotten with the next clean-up, and its event too", async () => {
  const { accountId } = await person();
  const keyholder = ground.keyholders.web;
  const account = (await db.one<{ dataKey: Buffer; generation: number; epoch: Epoch }>(
    `select data_key as "dataKey", generation, (select max(epoch) from floor) as epoch from account where id = $1`,
    [accountId],
  ))!;
  const now = clock.now();
  const session = await prepareSession(
    { keyholder, random, lifetimesMs: sessionLifetimesMs(30, 180) },
    { accountId, dataKey: account.dataKey, class: "browser", label: "Firefox", network: "192.0.2.7", now },
  );
  await db.transaction(async (tx) => {
    const proof = { ...account, floors: ["password"], by: "password" } as const;
    expect(await writeSession(tx, session, proof, now)).toBe(true);
    // Before it commits.
    expect(await deleteAccount(deleteNeeds, accountId, { by: "host", due: false })).toBe("deleted");
  });
  expect(await tracesOf(accountId)).toEqual(
    expect.arrayContaining(["session.account_id", "security_event.account_id"]),
  );
  clock.advance(70 * minuteMs);
  await forgetLate(deleteNeeds);
  expect(await tracesOf(accountId)).toEqual(["timeline_entry.body"]);
});

test("every table that has an account's id is emptied of it by name: one that is added tomorrow is missed here", async () => {
  const rooms = [
    "accounts/deletion",
    "credentials/clean-up",
    "sessions/clean-up",
    "links/clean-up",
    "renewal/clean-up",
  ];
  const code = [...rooms, "incidents/bounced-addresses", "streaming/progress"]
    .map((file) => readFileSync(`src/${file}.ts`, "utf8"))
    .join("\n");
  const tables = await db.many<{ name: string }>(
    `select table_name as name from information_schema.columns
      where table_schema = 'public' and column_name = 'account_id' order by 1`,
  );
  expect(tables.length).toBeGreaterThan(15);
  const missed = tables.filter(({ name }) => !code.includes(`delete from ${name} where account_id = $1`));
  // A campaign's letter keeps its one outcome, so that the sum holds. Signals outlive the account until they are told: it
  // is the deletion that they tell of, and the subjects go when it is given out.
  expect(missed.map(({ name }) => name)).toEqual(["letter", "signal", "signal_delivery", "signal_subject"]);
});

test("a deletion is taken back from the page or from the letter, and the account stays", async () => {
  const ada = await person();
  expect((await ask(ada)).status).toBe(202);
  expect((await call(ada, "DELETE", "/api/account/deletion")).body).toEqual({ deleteAfter: null });
  expect((await call(ada, "DELETE", "/api/account/deletion")).status).toBe(404);
  clock.advance(2 * minuteMs);
  expect((await ask(ada)).status).toBe(202);
  const undo = (await service.letters()).find(
    ({ to, letter }) => to === ada.address && letter === "deletion asked",
  )?.undo;
  const pressed = await service.call("POST", "/not-me", { body: { token: undo } });
  expect(pressed.headers["location"]).toBe("/not-me/done");
  clock.advance(8 * dayMs);
  expect(await deleteDue(deleteNeeds)).toBe(0);
  expect(await exists(ada.accountId)).toBe(true);
  expect(await signs(ada.address)).toBe(401);
});

test("asking again begins the week anew, unless it is the same asking, sent twice", async () => {
  const ada = await person();
  const first = (await ask(ada)).body["deleteAfter"];
  clock.advance(minuteMs - 1);
  expect((await ask(ada)).body["deleteAfter"]).toBe(first);
  clock.advance(1);
  const second = (await ask(ada)).body["deleteAfter"];
  expect(second).toBe(new Date(clock.now() + 7 * dayMs).toISOString());
  expect(second).not.toBe(first);
  expect((await call(ada, "GET", "/api/account/deletion")).body["deleteAfter"]).toBe(second);
  expect((await call(ada, "DELETE", "/api/account/deletion")).status).toBe(200);
});

test("an account that cannot be deleted keeps no other from it, and is deleted when it can be", async () => {
  const [ada, bob] = [await person(), await person()];
  for (const who of [ada, bob]) {
    expect((await ask(who)).status).toBe(202);
    clock.advance(1_000);
  }
  clock.advance(7 * dayMs);
  const failing: typeof forgetProgress = async (tx, accountId) => {
    if (accountId === ada.accountId) throw new Error("not now");
    return forgetProgress(tx, accountId);
  };
  expect(await deleteDue({ ...deleteNeeds, forgetProgress: failing })).toBe(1);
  expect([await exists(ada.accountId), await exists(bob.accountId)]).toEqual([true, false]);
  expect(await deleteDue(deleteNeeds)).toBe(1);
  expect(await exists(ada.accountId)).toBe(false);
});

test("a deletion that somebody else may have asked for is called off with everything else", async () => {
  const [ada, bob, eve] = [await person(), await person(), await person()];
  for (const who of [ada, bob, eve]) expect((await ask(who)).status).toBe(202);
  clock.advance(2 * minuteMs);
  // Told of a later change, its owner says that it was not them.
  const body = { currentPassword: goodPassword, newPassword: "a thief was here this evening", signOutDevices: false };
  expect((await call(ada, "POST", "/api/password", body)).status).toBe(200);
  const { undo } = (await service.letters()).find(
    ({ to, letter }) => to === ada.address && letter === "password changed",
  ) ?? { undo: undefined };
  const pressed = await service.call("POST", "/not-me", { body: { token: undo } });
  expect(pressed.headers["location"]).toBe("/not-me/done");
  await containAccount(containNeedsOf(ground), bob.accountId, { reason: "test", operator: "test" });
  clock.advance(7 * dayMs);
  expect(await deleteDue(deleteNeeds)).toBe(1);
  expect(await Promise.all([ada, bob, eve].map(({ accountId }) => exists(accountId)))).toEqual([true, true, false]);
  const told = await db.many<{ kind: string }>(
    `select kind from security_event where account_id = any($1) and kind = 'deletion withdrawn'`,
    [[ada.accountId, bob.accountId]],
  );
  expect(told).toHaveLength(2);
});

test("deleting wants a fresh proof and one of the account's addresses, typed", async () => {
  const ada = await person();
  for (const typed of ["nobody@example.org", "delete", "x"]) {
    const refused = await ask(ada, typed);
    expect([refused.status, refused.body["code"]]).toEqual([400, "not-confirmed"]);
    expect(refused.text).not.toContain(typed === "x" ? "nobody@" : typed);
  }
  expect((await call(ada, "GET", "/api/account/deletion")).body).toEqual({ deleteAfter: null });
  expect((await ask(ada, ` ${ada.address.toUpperCase()} `)).status).toBe(202);
  clock.advance(6 * minuteMs);
  expect((await ask(ada)).body["code"]).toBe("proof-needed");
  expect((await call(ada, "DELETE", "/api/account/deletion")).status).toBe(200);
  expect((await call(ada, "POST", "/api/account/export", {})).body["code"]).toBe("proof-needed");
});

test("the last operator cannot leave, and of two who leave at once one stays", async () => {
  const all: AccountId[] = [];
  let staying: Person | undefined;
  for (let round = 0; round < 8; round++) {
    const [one, other] = [await person(), await person()];
    all.push(one.accountId, other.accountId);
    await db.run(
      `update account set role = case when id = any($1) then 'operator' else 'viewer' end where id = any($2)`,
      [[one.accountId, other.accountId], all],
    );
    const answers = await Promise.all([ask(one), ask(other)]);
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([202, 409]);
    expect(answers.find(({ status }) => status === 409)?.body["code"]).toBe("last-operator");
    staying = answers[0]?.status === 409 ? one : other;
  }
  if (staying === undefined) throw new Error("unreachable");
  expect(await deleteAccount(deleteNeeds, staying.accountId, { by: "host", due: false })).toBe("last-operator");
  clock.advance(7 * dayMs);
  expect(await deleteDue(deleteNeeds)).toBe(8);
  expect(await exists(staying.accountId)).toBe(true);
  await db.run(`update account set role = 'viewer' where id = $1`, [staying.accountId]);
});

test("one taken back at the last moment is not deleted, and one deleted twice at once is deleted once", async () => {
  const [ada, bob] = [await person(), await person()];
  await ask(ada);
  await ask(bob);
  await call(ada, "DELETE", "/api/account/deletion");
  clock.advance(7 * dayMs);
  expect(await deleteAccount(deleteNeeds, ada.accountId, { by: "owner", due: true })).toBe("not-due");
  const both = await Promise.all(
    [0, 1].map(() => deleteAccount(deleteNeeds, bob.accountId, { by: "owner", due: true })),
  );
  expect(both.filter((outcome) => outcome === "deleted")).toHaveLength(1);
  const entries = await db.many(
    `select 1 from timeline_entry where kind = 'account deleted' and strpos(convert_from(body, 'utf8'), $1) > 0`,
    [bob.accountId],
  );
  expect(entries).toHaveLength(1);
});

test("the copy of one's data says everything in readable form, is a download, and holds no secret", async () => {
  const ada = await person();
  await useEverything(ada);
  const answer = await call(ada, "POST", "/api/account/export", {});
  expect(answer.status, answer.text).toBe(200);
  expect(answer.headers["content-disposition"]).toMatch(/^attachment; filename="account-\d{4}-\d\d-\d\d\.json"$/);
  expect(answer.body["account"]).toMatchObject({ id: ada.accountId, name: "Ada Quillfeather", language: "en" });
  expect(answer.body["addresses"]).toHaveLength(2);
  expect(answer.body["devices"]).toHaveLength(1);
  expect(answer.body["watched"]).toEqual([expect.objectContaining({ title: "Heat (1995)", positionSeconds: 61 })]);
  expect((answer.body["events"] as { kind: string }[]).map(({ kind }) => kind)).toContain("address removed");
  const row = await db.one<{ all: string }>(
    `select concat_ws(' ', encode(a.data_key, 'hex'), encode(a.sealed_name, 'hex'), encode(p.salt, 'hex'), encode(p.record, 'hex'),
                      (select string_agg(encode(digest, 'hex'), ' ') from session where account_id = a.id)) as all
       from account a join password p on p.account_id = a.id where a.id = $1`,
    [ada.accountId],
  );
  for (const secret of [...(row?.all.split(" ") ?? []), ada.session, goodPassword]) {
    expect(answer.text.includes(secret)).toBe(false);
  }
  const events = (await call(ada, "GET", "/api/account/events")).body["events"] as { kind: string }[];
  expect(events.filter(({ kind }) => kind === "exported")).toHaveLength(1);
  for (let more = 0; more < 5; more++) expect((await call(ada, "POST", "/api/account/export", {})).status).toBe(200);
  expect((await call(ada, "POST", "/api/account/export", {})).status).toBe(429);
});
