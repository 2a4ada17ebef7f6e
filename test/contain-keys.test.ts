import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { honeywordTried } from "../src/canaries/alarm-words.ts";
import { listAlarms } from "../src/canaries/alarms.ts";
import { raiseAlarm } from "../src/canaries/raise-alarm.ts";
import { testConnection } from "../src/db/test-database.ts";
import { forEachRole } from "../src/keyholder/permissions.ts";
import type { AccountId } from "../src/kernel/brand.ts";
import { newId } from "../src/kernel/random.ts";
import { dayMs, systemClock, toIso, type EpochMs } from "../src/kernel/clock.ts";
import { keysStatus } from "../src/rotation/rotate.ts";
import { readFloors } from "../src/credentials/floors.ts";
import { programEnvironment } from "./program-environment.ts";
import { beginSignIn, completeSignIn, setUpTotp } from "./totp-app.ts";
import { goodPassword, testService, type Answer } from "./service.ts";

/** `incident contain --keys`, as somebody gives it on the host of a service whose keys could be read as well as its database. */
const startAt = systemClock.now() - 200 * dayMs;
const service = await testService({ startAt });
const { ground, clock } = service;
const passwords = ["eleven owls above the orchard", "a lamp for every window here"];

interface Said {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function command(...words: string[]): Promise<Said> {
  const connection = testConnection(String(ground.plainDb.pool.options.database));
  const credentials = join(service.folder, "credentials.json");
  const texts = forEachRole((role) => Buffer.from(service.keyholder.credentials[role].reveal()).toString("base64url"));
  await writeFile(credentials, JSON.stringify(texts), { mode: 0o600 });
  const env = {
    ...programEnvironment,
    DATA_DIR: join(service.folder, "data"),
    LIBRARY_DIR: join(service.folder, "library"),
    DATABASE_URL: `postgres://houselights@localhost:5432/${connection.database}?host=${encodeURIComponent(String(connection.host))}`,
    KEYHOLDER_URL: `unix:${service.keyholder.socketPath}`,
    KEYHOLDER_CREDENTIALS: credentials,
  };
  return new Promise((resolve) => {
    execFile(process.execPath, [join(import.meta.dirname, "../src/cli.ts"), ...words], { env }, (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code), out, err }),
    );
  });
}

/** Renews with whatever the service asks for. @returns the answer to the new password alone. */
async function renew(address: string, password: string, code?: string): Promise<Answer> {
  const asked = await service.call("POST", "/api/renewals", { body: { address } });
  const mailed = (await service.letters()).find(({ to }) => to === address)?.code ?? "";
  const complete = (extra: object): Promise<Answer> =>
    service.call("POST", "/api/renewals/complete", {
      body: { code: mailed, password, ...extra },
      cookies: asked.cookies,
    });
  const alone = await complete({});
  if (alone.status !== 403 || code === undefined) return alone;
  expect((await complete({ secondFactor: code })).status).toBe(200);
  return alone;
}

const newest = async (): Promise<Record<string, number>> => {
  const { states } = await keysStatus({ db: ground.plainDb, keys: ground.keyholders.operator.keys, clock });
  return Object.fromEntries(states.map((state) => [state.purpose, state.newest]));
};

test("contain alone spares a second factor from before the copy; with --keys it is refused, and every key is new", async () => {
  const ada = "ada@example.org";
  await service.account(ada, goodPassword);
  const { app } = await setUpTotp(service, await service.signIn(ada, goodPassword));
  clock.set(systemClock.now());
  const copiedAt = toIso((clock.now() - dayMs) as EpochMs);
  expect(await command("incident", "open", "--reason", "test", "--copied-at", copiedAt)).toMatchObject({ code: 0 });

  const alone = await command("incident", "contain", "--yes");
  expect([alone.code, alone.err]).toEqual([0, ""]);
  expect(alone.out).toMatch(/refused from now on: 1 password · .* tickets?\n {24}still good: 0 passkeys\n/);
  const spared = await readFloors(ground.plainDb);
  const asked = await renew(ada, passwords[0]!, app.code());
  expect([asked.status, asked.body["code"]]).toEqual([403, "second-factor-needed"]);
  clock.advance(60_000);
  const step = await beginSignIn(service, ada, passwords[0]);
  const session = await completeSignIn(service, step, app.code());
  expect(session.status, session.text).toBe(201);

  const keysBefore = await newest();
  const wouldRefuse = await command("incident", "contain", "--keys", "--dry-run");
  expect(wouldRefuse.out).toMatch(/^would contain, .* 1 authenticator app · 10 recovery codes$/ms);
  expect([await readFloors(ground.plainDb), await newest()]).toEqual([spared, keysBefore]);
  const waiting = await beginSignIn(service, ada, passwords[0]);

  const contained = await command("incident", "contain", "--keys", "--yes");
  expect([contained.code, contained.err]).toEqual([0, ""]);
  expect(contained.out).toMatch(/^ {2}keys +new ones are in use/m);
  const again = await command("incident", "contain", "--keys", "--dry-run");
  expect(again.out).toMatch(
    /refused from now on: 0 passwords · 0 sessions .*\n {24}nothing of that was good any more\n/,
  );
  const floors = await readFloors(ground.plainDb);
  expect([floors.totp, floors.recovery]).toEqual([floors.password, floors.password]);
  expect(floors.totp).toBeGreaterThan(spared.totp);
  expect(floors.passkey).toBe(spared.passkey);
  clock.set(systemClock.now() + 120_000);
  // A code that is right by the clock opens nothing, neither the step that was waiting nor a new one.
  expect((await completeSignIn(service, waiting, app.code())).status).toBeGreaterThanOrEqual(400);
  expect((await renew(ada, passwords[1]!)).status).toBe(200);
  const withoutApp = await service.call("POST", "/api/sessions", { body: { address: ada, password: passwords[1] } });
  expect(withoutApp.status).toBe(201);
  // The first DKIM key is in use at once; a later one is prepared until its record is published.
  for (const [purpose, version] of Object.entries(await newest())) {
    expect([purpose, version]).toEqual([purpose, (keysBefore[purpose] ?? 0) + 1]);
  }
  const { keysReachable } = (await ground.plainDb.one<{ keysReachable: string }>(
    `select keys_reachable as "keysReachable" from incident`,
  ))!;
  expect(keysReachable).toBe("yes");
}, 120_000);

test("--keys with one account, and an account that is no id, are refused before anything is touched", async () => {
  const before = await readFloors(ground.plainDb);
  const account = "00000000-0000-7000-8000-000000000000";
  expect(await command("incident", "contain", "--keys", "--account", account, "--yes")).toMatchObject({ code: 2 });
  expect(await command("incident", "contain", "--keys", "yes please", "--yes")).toMatchObject({ code: 2 });
  expect(await readFloors(ground.plainDb)).toEqual(before);
}, 60_000);

test("a dry run needs no case; one opened from an alarm that keys were seen at leads to --keys, and without it floors are raised and keys named", async () => {
  await ground.plainDb.run(`update incident set state = 'closed'`);
  const before = await readFloors(ground.plainDb);
  const would = await command("incident", "contain", "--dry-run", "--with-renewal");
  expect([would.code, would.err]).toEqual([0, ""]);
  expect(would.out).toMatch(/^ {2}next +houselights incident contain --reason TEXT --with-renewal$/m);
  expect(would.out).toMatch(/^ {2}floors +password, ticket, code, link$/m);
  expect(await readFloors(ground.plainDb)).toEqual(before);

  const accountId = newId<AccountId>(ground.random, clock.now());
  const { random } = ground;
  await ground.plainDb.transaction((tx) => raiseAlarm(tx, clock.now(), random, honeywordTried(accountId)));
  const [alarm] = await listAlarms(ground.plainDb);
  const opened = await command("incident", "open", "--alarm", alarm?.id ?? "");
  expect(opened.out).toMatch(/^ {2}next +houselights incident contain --keys$/m);
  const keys = await newest();
  const contained = await command("incident", "contain", "--keep-tools", "--yes");
  expect(contained.out).toMatch(/^ {2}floors +password, ticket, code, link, totp, recovery, browser, tv, app$/m);
  expect(contained.out).toMatch(/^ {2}keys +NOT changed, .*houselights keys rotate$/m);
  expect(await newest()).toEqual(keys);
  const again = await command("incident", "contain", "--yes", "--json");
  expect(JSON.parse(again.out)).toMatchObject({ kind: "contained", floors: expect.not.arrayContaining(["totp"]) });
}, 60_000);

test("a case is told on the host what it can be told in the console", async () => {
  await ground.plainDb.run(`update incident set state = 'closed'`);
  const options = {
    reason: "a backup was public",
    "found-at": "2026-11-20 08:00 UTC",
    "copied-at": "2026-11-19T09:00:00+01:00",
    "found-by": "a reader",
    "found-how": "a search engine",
    data: "password records, addresses",
    keys: "yes",
  };
  const opened = await command(
    "incident",
    "open",
    ...Object.entries(options).flatMap(([name, said]) => [`--${name}`, said]),
  );
  expect([opened.code, opened.err]).toEqual([0, ""]);
  expect(opened.out).toMatch(/^ {2}next +houselights incident contain --keys$/m);
  expect(JSON.parse((await command("incident", "status", "--json")).out)).toMatchObject({
    reason: "a backup was public",
    foundAt: "2026-11-20T08:00:00.000Z",
    copiedAt: "2026-11-19T08:00:00.000Z",
    foundBy: "a reader",
    foundHow: "a search engine",
    dataClasses: ["addresses", "password records"],
    keysReachable: "yes",
  });
}, 60_000);
