import { describe, expect, test } from "vitest";
import { browserCookie, passkeyCookie } from "../src/http/cookies.ts";
import { raiseFloors } from "../src/credentials/floors.ts";
import { revivable } from "../src/credentials/refuse-copy.ts";
import { containAccount } from "../src/incidents/contain.ts";
import type { AccountId } from "../src/kernel/brand.ts";
import type { Viewer } from "../src/http/viewer.ts";
import { signOutOthers } from "../src/sessions/devices.ts";
import { readTimeline } from "../src/timeline/read.ts";
import { containNeedsOf } from "./contain-needs.ts";
import { authenticator } from "./authenticator.ts";
import { asCookie, goodPassword, testService, type Answer } from "./service.ts";
import { authenticatorOf, setUpTotp } from "./totp-app.ts";
import { pausing } from "./pausable-db.ts";

/**
 * The owner takes the account back while a thief's request is on its way: paused before its write, resumed afterwards,
 * and what the thief proved with the old things sets nothing.
 */
const pause = pausing();
const service = await testService({ open: pause.open });
const { ground } = service;
const ownersPassword = "eleven owls above the orchard";
const thiefsPassword = "a thief was here this evening";

let people = 0;
async function person(): Promise<{ address: string; accountId: AccountId; session: string }> {
  const address = `person-${++people}@example.org`;
  const accountId = (await service.account(address, goodPassword)) as AccountId;
  return { address, accountId, session: await service.signIn(address, goodPassword) };
}

async function renewal(
  address: string,
): Promise<(password: string, signOutDevices: boolean, secondFactor?: string) => Promise<number>> {
  const asked = await service.call("POST", "/api/renewals", { body: { address } });
  const letter = (await service.letters()).find(({ to, letter: kind }) => to === address && kind === "renewal code");
  const cookies = { [browserCookie]: asked.cookies[browserCookie] ?? "" };
  return async (password, signOutDevices, secondFactor) => {
    const body = { code: letter?.code, password, signOutDevices, secondFactor };
    return (await service.call("POST", "/api/renewals/complete", { body, cookies })).status;
  };
}

const change = (session: string, newPassword: string) =>
  service.call("POST", "/api/password", {
    body: { currentPassword: goodPassword, newPassword, signOutDevices: false },
    cookies: asCookie(session),
  });
const signs = async (address: string, password: string): Promise<number> =>
  (await service.call("POST", "/api/sessions", { body: { address, password } })).status;

const contain = (accountId: AccountId) =>
  containAccount(containNeedsOf(ground), accountId, { reason: "test", operator: "test" });

/** Holds `late` up before its write, lets `first` happen, resumes. */
async function overtaken<Result>(late: () => Promise<Result>, first: () => Promise<unknown>): Promise<Result> {
  pause.hold();
  const running = late();
  await pause.reached();
  try {
    await first();
  } finally {
    pause.letGo();
  }
  return running;
}

describe("a change of password proved by the old one", () => {
  test("works by itself", async () => {
    const ada = await person();
    expect((await change(ada.session, thiefsPassword)).status).toBe(200);
    expect(await signs(ada.address, thiefsPassword)).toBe(201);
    const [recorded] = await readTimeline(ground.plainDb, { kinds: ["password changed"], limit: 1 });
    expect(recorded?.detail).toMatchObject({ account: ada.accountId, "signed out devices": false });
  });

  test("does not replace a password that was changed meanwhile", async () => {
    const ada = await person();
    const { accountId } = ada;
    // The owner's own change, written the moment the thief's is about to be.
    const answer = await overtaken(
      () => change(ada.session, thiefsPassword),
      () =>
        ground.plainDb.run(`update password set salt = substr(sha256(salt), 1, 16) where account_id = $1`, [accountId]),
    );
    expect(answer.status).not.toBe(200);
    expect(await signs(ada.address, thiefsPassword)).toBe(401);
  });

  test("nor is a first one set where one was set meanwhile", async () => {
    const ada = await person();
    const cookies = asCookie(await service.operator());
    const { body } = await service.call("GET", "/api/session", { cookies });
    const operator = String(body["accountId"]);
    const first = (newPassword: string) => service.call("POST", "/api/password", { body: { newPassword }, cookies });
    const late = await overtaken(
      () => first(thiefsPassword),
      () =>
        ground.plainDb.run(
          `insert into password select (jsonb_populate_record(p, jsonb_build_object('account_id', $2::uuid))).*
             from password p where account_id = $1`,
          [ada.accountId, operator],
        ),
    );
    expect(late.status).toBe(401);
    const held = () =>
      ground.plainDb.one<{ salt: Buffer }>(`select salt from password where account_id = $1`, [operator]);
    const meanwhile = await ground.plainDb.one<{ salt: Buffer }>(`select salt from password where account_id = $1`, [
      ada.accountId,
    ]);
    expect(await held()).toEqual(meanwhile);
    // With nothing meanwhile it is.
    await ground.plainDb.run(`delete from password where account_id = $1`, [operator]);
    expect((await first(ownersPassword)).status).toBe(200);
    expect(await held()).not.toEqual(meanwhile);
    await ground.plainDb.run(`delete from password where account_id = $1`, [operator]);
  });

  test("does not set one after the account was contained", async () => {
    const ada = await person();
    const answer = await overtaken(
      () => change(ada.session, thiefsPassword),
      () => contain(ada.accountId),
    );
    expect(answer.status).toBe(401);
    expect(await signs(ada.address, thiefsPassword)).toBe(401);
  });

  test("does not set one after the account was signed out everywhere", async () => {
    const ada = await person();
    const answer = await overtaken(
      () => change(ada.session, thiefsPassword),
      () => ground.plainDb.run(`update account set generation = generation + 1 where id = $1`, [ada.accountId]),
    );
    expect(answer.status).toBe(401);
    expect(await signs(ada.address, thiefsPassword)).toBe(401);
    expect(await signs(ada.address, goodPassword)).toBe(201);
  });
});

describe("a sign-in by a passkey", () => {
  test("opens nothing when the passkey is removed meanwhile", async () => {
    const ada = await person();
    const device = authenticator(ground.config.publicOrigin);
    const ask = async (path: string, cookies: Readonly<Record<string, string>> = {}) => {
      const asked = await service.call("POST", `${path}/options`, { body: {}, cookies });
      const options = asked.body["options"] as Record<string, unknown>;
      return { options, cookies: { ...cookies, [passkeyCookie]: asked.cookies[passkeyCookie] ?? "" } };
    };
    const adding = await ask("/api/account/passkeys", asCookie(ada.session));
    const body = { answer: device.create(adding.options), name: "A telephone" };
    expect((await service.call("POST", "/api/account/passkeys", { body, cookies: adding.cookies })).status).toBe(201);
    const signIn = async () => {
      const { options, cookies } = await ask("/api/sessions/passkey");
      return () => service.call("POST", "/api/sessions/passkey", { body: { answer: device.get(options) }, cookies });
    };
    expect((await (await signIn())()).status).toBe(201);
    const late = await overtaken(await signIn(), () =>
      ground.plainDb.run(`update passkey set removed_at = now() where account_id = $1`, [ada.accountId]),
    );
    expect(late.status).toBe(401);
  });
});

describe("a sign-out of the other devices", () => {
  const alone = (session: string) =>
    service.call("DELETE", "/api/sessions?except=current", { cookies: asCookie(session) });
  const isSignedIn = async (session: string): Promise<boolean> =>
    (await service.call("GET", "/api/session", { cookies: asCookie(session) })).status === 200;

  test("keeps the device that asks", async () => {
    const ada = await person();
    expect((await alone(ada.session)).status).toBe(200);
    expect(await isSignedIn(ada.session)).toBe(true);
  });

  test("keeps none that its owner has signed out meanwhile", async () => {
    const ada = await person();
    // Ids are in the order of time.
    service.clock.advance(1_000);
    const owners = await service.signIn(ada.address, goodPassword);
    const { db, keyholders, clock, random } = { ...ground, db: ground.plainDb };
    const viewer = await ground.plainDb.one<Viewer>(
      `select account_id as "accountId", id as "sessionId", generation from session where account_id = $1
        order by id desc limit 1`,
      [ada.accountId],
    );
    const late = await overtaken(
      () => alone(ada.session),
      () => signOutOthers({ db, keyholder: keyholders.web, clock, random }, viewer!),
    );
    expect(late.status).toBe(401);
    expect(await isSignedIn(ada.session)).toBe(false);
    expect(await isSignedIn(owners)).toBe(true);
  });
});

describe("a renewal begun before its account was contained", () => {
  test("works by itself", async () => {
    const ada = await person();
    expect(await (await renewal(ada.address))(ownersPassword, false)).toBe(200);
  });

  test("sets nothing when it ends afterwards, even on a node whose clock is behind", async () => {
    const ada = await person();
    const complete = await renewal(ada.address);
    const status = await overtaken(
      () => complete(thiefsPassword, false),
      async () => {
        service.clock.advance(1_000);
        await contain(ada.accountId);
      },
    );
    expect(status).toBe(400);
    expect(await signs(ada.address, thiefsPassword)).toBe(401);
  });
});

/** Each begins what a code ends. @returns the ending: a status, and whether it had any effect. */
const endedByCode: Readonly<Record<string, () => Promise<() => Promise<readonly [number, boolean]>>>> = {
  "a renewal": async () => {
    const { address } = await person();
    const complete = await renewal(address);
    return async () => [await complete(ownersPassword, false), (await signs(address, ownersPassword)) === 201];
  },
  "a registration": async () => {
    const address = `person-${++people}@example.org`;
    const asked = await service.call("POST", "/api/accounts", { body: { address, password: goodPassword } });
    const code = (await service.letters()).find(({ to }) => to === address)?.code;
    const cookies = { [browserCookie]: asked.cookies[browserCookie] ?? "" };
    return async () => {
      const { status } = await service.call("POST", "/api/accounts/confirm", { body: { code }, cookies });
      return [status, (await signs(address, goodPassword)) === 201];
    };
  },
  "an address": async () => {
    const { session, accountId } = await person();
    const address = `second-${people}@example.org`;
    await service.call("POST", "/api/account/addresses", { body: { address }, cookies: asCookie(session) });
    const code = (await service.letters()).find(({ to }) => to === address)?.code;
    return async () => {
      const confirm = { body: { code }, cookies: asCookie(session) };
      const { status } = await service.call("POST", "/api/account/addresses/confirm", confirm);
      const rows = await ground.plainDb.many(`select 1 from account_address where account_id = $1`, [accountId]);
      return [status, rows.length === 2];
    };
  },
};

// A copy that was put back has every session, ticket and code refused, and its passwords spared.
test.each(Object.entries(endedByCode))(
  "%s whose code the repair of a copy refuses meanwhile ends in nothing",
  async (_what, begin) => {
    const [first, second] = [await begin(), await begin()];
    expect(await first()).toEqual([expect.toSatisfy((status: number) => status < 300), true]);
    const { plainDb, clock } = ground;
    const repair = () => plainDb.transaction((tx) => raiseFloors(tx, revivable, clock.now()));
    expect(await overtaken(second, repair)).toEqual([expect.toSatisfy((status: number) => status >= 400), false]);
  },
);

/** Each prepares what somebody asks for in a session. @returns whose it is, the asking, and whether it has had its effect. */
interface Asking {
  readonly accountId: AccountId;
  readonly ask: () => Promise<Answer>;
  readonly isDone: () => Promise<boolean>;
}
const holds = async (sql: string, ...parameters: string[]): Promise<boolean> =>
  (await ground.plainDb.one(sql, parameters)) !== undefined;
const beginApp = (session: string) =>
  service.call("POST", "/api/account/totp", { body: {}, cookies: asCookie(session) });
const askedInSession: Readonly<Record<string, () => Promise<Asking>>> = {
  "keeping a passkey": async () => {
    const { accountId, session } = await person();
    const cookies = asCookie(session);
    const asked = await service.call("POST", "/api/account/passkeys/options", { body: {}, cookies });
    const answer = authenticator(ground.config.publicOrigin).create(asked.body["options"] as Record<string, unknown>);
    const bound = { ...cookies, [passkeyCookie]: asked.cookies[passkeyCookie] ?? "" };
    await service.call("POST", "/api/account/passkeys", { body: { answer, name: "A telephone" }, cookies: bound });
    const [passkey] = await ground.plainDb.many<{ id: string }>(
      `update passkey set doubted_at = added_at where account_id = $1 returning id`,
      [accountId],
    );
    return {
      accountId,
      ask: () => service.call("POST", `/api/account/passkeys/${passkey?.id}/keep`, { cookies }),
      isDone: () => holds(`select 1 as it from passkey where account_id = $1 and doubted_at is null`, accountId),
    };
  },
  "keeping an address": async () => {
    const { accountId, session } = await person();
    const [address] = await ground.plainDb.many<{ id: string }>(
      `update account_address set doubted_at = confirmed_at where account_id = $1 returning id`,
      [accountId],
    );
    return {
      accountId,
      ask: () => service.call("POST", `/api/account/addresses/${address?.id}/keep`, { cookies: asCookie(session) }),
      isDone: () =>
        holds(`select 1 as it from account_address where account_id = $1 and doubted_at is null`, accountId),
    };
  },
  "beginning to set an app up": async () => {
    const { accountId, session } = await person();
    return {
      accountId,
      ask: () => beginApp(session),
      isDone: () => holds(`select 1 as it from totp where account_id = $1`, accountId),
    };
  },
  "adding an app": async () => {
    const { accountId, session } = await person();
    const app = authenticatorOf(service, String((await beginApp(session)).body["key"]));
    return {
      accountId,
      ask: () =>
        service.call("POST", "/api/account/totp/confirm", { body: { code: app.code() }, cookies: asCookie(session) }),
      isDone: () => holds(`select 1 as it from totp where account_id = $1 and proved_at is not null`, accountId),
    };
  },
  "making recovery codes": async () => {
    const { accountId, session } = await person();
    return {
      accountId,
      ask: () => service.call("POST", "/api/account/recovery-codes", { body: {}, cookies: asCookie(session) }),
      isDone: () => holds(`select 1 as it from recovery_code where account_id = $1`, accountId),
    };
  },
  "keeping an app": async () => {
    const { accountId, session } = await person();
    const { app } = await setUpTotp(service, session);
    await ground.plainDb.run(`update totp set doubted_at = added_at where account_id = $1`, [accountId]);
    return {
      accountId,
      ask: () =>
        service.call("POST", "/api/account/totp/keep", { body: { code: app.code() }, cookies: asCookie(session) }),
      isDone: () => holds(`select 1 as it from totp where account_id = $1 and doubted_at is null`, accountId),
    };
  },
  "approving a television": async () => {
    const { accountId, session } = await person();
    const asked = await service.call("POST", "/oauth/device_authorization", { body: { client_id: "houselights-tv" } });
    const body = { userCode: asked.body["user_code"], decision: "approve" };
    return {
      accountId,
      ask: () => service.call("POST", "/api/links/decide", { body, cookies: asCookie(session) }),
      isDone: () => holds(`select 1 as it from link where account_id = $1 and state = 'approved'`, accountId),
    };
  },
  "taking the account's deletion back": async () => {
    const { accountId, address, session } = await person();
    const cookies = asCookie(session);
    const planned = await service.call("POST", "/api/account/deletion", { body: { confirmation: address }, cookies });
    expect(planned.status, planned.text).toBe(202);
    return {
      accountId,
      ask: () => service.call("DELETE", "/api/account/deletion", { cookies }),
      isDone: () => holds(`select 1 as it from account where id = $1 and delete_after is null`, accountId),
    };
  },
  "naming an operator": async () => {
    const { address, accountId: named } = await person();
    const cookies = asCookie(await service.operator());
    const { body } = await service.call("GET", "/api/session", { cookies });
    return {
      accountId: String(body["accountId"]) as AccountId,
      ask: () => service.call("POST", "/api/operators", { body: { address }, cookies }),
      isDone: () => holds(`select 1 as it from account where id = $1 and role = 'operator'`, named),
    };
  },
};

test.each(Object.entries(askedInSession))(
  "%s is done in a session, and not in one that its owner has signed out of meanwhile",
  async (_what, prepare) => {
    const [twin, late] = [await prepare(), await prepare()];
    expect(await twin.isDone()).toBe(false);
    const done = await twin.ask();
    expect(done.status, done.text).toBeLessThan(300);
    expect(await twin.isDone()).toBe(true);
    const answer = await overtaken(late.ask, () =>
      ground.plainDb.run(`update account set generation = generation + 1 where id = $1`, [late.accountId]),
    );
    expect(answer.status, answer.text).toBeGreaterThanOrEqual(400);
    expect(answer.status).toBeLessThan(500);
    expect(await late.isDone()).toBe(false);
  },
);

describe("a password that is short because there is an app", () => {
  const short = "ox7tides";
  const personWithTotp = async () => {
    const ada = await person();
    return { ...ada, ...(await setUpTotp(service, ada.session)) };
  };
  const removeApp = (accountId: AccountId) =>
    ground.plainDb.run(`update totp set removed_at = now() where account_id = $1`, [accountId]);

  test("is not set by a change that the app's removal overtakes, and is by one that nothing does", async () => {
    const [ada, bob] = [await personWithTotp(), await personWithTotp()];
    expect((await change(bob.session, short)).status).toBe(200);
    const answer = await overtaken(
      () => change(ada.session, short),
      () => removeApp(ada.accountId),
    );
    expect(answer.body["code"]).toBe("password-refused");
    expect(await signs(ada.address, short)).toBe(401);
    expect(await signs(ada.address, goodPassword)).toBe(201);
  });

  test("is not set by a renewal with a recovery code either, whose codes stay good", async () => {
    const [ada, bob] = [await personWithTotp(), await personWithTotp()];
    expect(await (await renewal(bob.address))(short, false, bob.recoveryCodes[0])).toBe(200);
    const used = await readTimeline(ground.plainDb, { kinds: ["recovery code used"], limit: 5 });
    expect(used.map(({ detail }) => detail["account"])).toEqual([bob.accountId]);
    const complete = await renewal(ada.address);
    // The last try of its code, which was right.
    await ground.plainDb.run(`update ticket set tries = 4 where account_id = $1`, [ada.accountId]);
    const status = await overtaken(
      () => complete(short, false, ada.recoveryCodes[0]),
      () => removeApp(ada.accountId),
    );
    expect(status).toBe(400);
    expect(await signs(ada.address, short)).toBe(401);
    expect(await complete(ownersPassword, false)).toBe(200);
    const left = await ground.db.many(`select 1 from recovery_code where account_id = $1 and used_at is null`, [
      ada.accountId,
    ]);
    expect(left).toHaveLength(10);
  });

  test("keeps the app if the password that its removal was asked for with is another one by now", async () => {
    const [ada, bob] = [await personWithTotp(), await personWithTotp()];
    const remove = (session: string) =>
      service.call("POST", "/api/account/totp/remove", {
        body: { password: goodPassword },
        cookies: asCookie(session),
      });
    expect((await remove(bob.session)).status).toBe(200);
    const answer = await overtaken(
      () => remove(ada.session),
      // Set again, as by somebody who leaves every device signed in.
      () =>
        ground.plainDb.run(`update password set set_at = set_at + interval '1 s' where account_id = $1`, [
          ada.accountId,
        ]),
    );
    expect(answer.status).toBe(401);
    expect(await signs(ada.address, goodPassword)).toBe(202);
  });

  test("keeps the app of an account that had no password when its removal was asked for", async () => {
    const [ada, bob] = [await personWithTotp(), await personWithTotp()];
    const takePassword = async (accountId: AccountId): Promise<unknown> =>
      (
        await ground.plainDb.one<{ row: unknown }>(
          `delete from password p where account_id = $1 returning to_jsonb(p) as row`,
          [accountId],
        )
      )?.row;
    const remove = (session: string) =>
      service.call("POST", "/api/account/totp/remove", { body: {}, cookies: asCookie(session) });
    await takePassword(bob.accountId);
    expect((await remove(bob.session)).status).toBe(200);
    const password = JSON.stringify(await takePassword(ada.accountId));
    const answer = await overtaken(
      () => remove(ada.session),
      () =>
        ground.plainDb.run(`insert into password select * from jsonb_populate_record(null::password, $1)`, [password]),
    );
    expect(answer.status).toBe(401);
    expect(await signs(ada.address, goodPassword)).toBe(202);
  });
});
