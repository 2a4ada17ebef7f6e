import { describe, expect, test } from "vitest";
import { testAlarm } from "../src/canaries/alarm-words.ts";
import { raiseAlarm } from "../src/canaries/raise-alarm.ts";
import { browserCookie, secretText } from "../src/http/cookies.ts";
import { reviewItems } from "../src/incidents/review.ts";
import type { TitleId } from "../src/kernel/brand.ts";
import { hourMs } from "../src/kernel/clock.ts";
import { newId } from "../src/kernel/random.ts";
import { addReceiver, tokenText } from "../src/signals/receivers.ts";
import { makeOperatorLink } from "../src/sessions/operator-link.ts";
import { askPasskey } from "./ask-passkey.ts";
import { authenticator, type Authenticator } from "./authenticator.ts";
import { containedCase } from "./contained-case.ts";
import { peopleOf, type Person } from "./people.ts";
import { asCookie, goodPassword, testService, type Answer, type CallOptions } from "./service.ts";
import { authenticatorOf, beginSignIn, setUpTotp, stepCookie } from "./totp-app.ts";

/**
 * Every route that changes something, sent many times at the same instant with the same body and the same session, as an
 * impatient finger, a proxy that tries again or a thief beside the owner does. What the first does is done once; none is
 * answered as a fault of ours. The routes are those of the table: one that is added says here what it does.
 */
const service = await testService();
const { ground, clock } = service;
const { person } = peopleOf(service);
const copies = 8;
const newPassword = "eleven owls above the orchard";

type Shot = () => Promise<Answer>;
interface Recipe {
  /** Makes ready what one request needs that works. */
  readonly make: () => Promise<Shot>;
  /**
   * `once`: all copies together leave what one leaves. `each`: every copy that is answered as done leaves as much as one,
   * since that many were asked for.
   */
  readonly leaves: "once" | "each";
}

const shot =
  (method: "POST" | "PUT" | "PATCH" | "DELETE", path: string, options: CallOptions): Shot =>
  () =>
    service.call(method, path, options);
const by = ({ session }: Pick<Person, "session">, body: object = {}): CallOptions => ({
  body,
  cookies: asCookie(session),
});

const once = (make: Recipe["make"]): Recipe => ({ make, leaves: "once" });
const each = (make: Recipe["make"]): Recipe => ({ make, leaves: "each" });
/** For somebody new each time. */
const own =
  (send: (who: Person) => Shot | Promise<Shot>): Recipe["make"] =>
  async () =>
    send(await person());
const asOperator =
  (send: (session: { session: string }) => Shot | Promise<Shot>): Recipe["make"] =>
  async () => {
    await noCases();
    return send({ session: await service.operator() });
  };

let numbers = 0;
const newAddress = (): string => `other-${++numbers}@example.org`;
const codeTo = async (address: string): Promise<string> =>
  (await service.letters()).find(({ to }) => to === address)?.code ?? "none";
const good = (answer: Answer): Answer => {
  expect(answer.status, answer.text).toBeLessThan(300);
  return answer;
};

/** One case at a time is open; a test begins without. */
async function noCases(): Promise<void> {
  await ground.plainDb.run(`update incident set state = 'closed', closed_at = now() where state <> 'closed'`);
}

async function openCase(session: { session: string }): Promise<string> {
  const opened = good(await service.call("POST", "/api/incidents", by(session, { reason: "a copy is for sale" })));
  return String(opened.body["id"]);
}

async function withAddress(who: Person): Promise<{ id: string }> {
  const address = newAddress();
  good(await service.call("POST", "/api/account/addresses", by(who, { address })));
  good(await service.call("POST", "/api/account/addresses/confirm", by(who, { code: await codeTo(address) })));
  const { body } = await service.call("GET", "/api/account", { cookies: asCookie(who.session) });
  const found = (body["addresses"] as { id: string; address: string }[]).find((one) => one.address === address);
  return { id: found?.id ?? "" };
}

async function withPasskey(who: Person): Promise<{ device: Authenticator; id: string }> {
  const device = authenticator(ground.config.publicOrigin);
  const { options, cookies } = await askPasskey(service, "/api/account/passkeys/options", asCookie(who.session));
  const body = { answer: device.create(options), name: "A telephone" };
  good(await service.call("POST", "/api/account/passkeys", { body, cookies }));
  const listed = await service.call("GET", "/api/account/passkeys", { cookies: asCookie(who.session) });
  return { device, id: String((listed.body["passkeys"] as { id: string }[])[0]?.id) };
}

async function newLink(): Promise<{ userCode: string; deviceCode: string }> {
  const body = { client_id: "houselights-tv" };
  const asked = good(await service.call("POST", "/oauth/device_authorization", { body }));
  return { userCode: String(asked.body["user_code"]), deviceCode: String(asked.body["device_code"]) };
}

async function askedRenewal({ address }: Person): Promise<CallOptions> {
  const asked = good(await service.call("POST", "/api/renewals", { body: { address } }));
  return {
    body: { code: await codeTo(address), password: newPassword },
    cookies: { [browserCookie]: asked.cookies[browserCookie] ?? "" },
  };
}

async function askedSignUp(): Promise<CallOptions> {
  const address = newAddress();
  const asked = good(await service.call("POST", "/api/accounts", { body: { address, password: goodPassword } }));
  return {
    body: { code: await codeTo(address) },
    cookies: { [browserCookie]: asked.cookies[browserCookie] ?? "" },
  };
}

async function newAlarm(): Promise<string> {
  await ground.plainDb.run(`update alarm set acknowledged_at = now() where acknowledged_at is null`);
  await ground.plainDb.transaction((tx) => raiseAlarm(tx, clock.now(), ground.random, testAlarm()));
  const row = await ground.plainDb.one<{ id: string }>(`select id from alarm where acknowledged_at is null`);
  return row!.id;
}

const subjectOf = (accountId: string) => ({ format: "iss_sub", iss: ground.config.publicOrigin, sub: accountId });

let services = 0;
async function relyingService(): Promise<{ bearer: string }> {
  const order = { name: "Music", addressesBecause: null, pushOrigin: null, privateNetwork: false, by: "test" };
  const audience = `https://rely-${++services}.example`;
  const added = await addReceiver({ ...ground, keyholder: ground.keyholders.operator }, { ...order, audience });
  return { bearer: tokenText(added!.token) };
}

async function withStream(): Promise<{ bearer: string; stream_id: string }> {
  const { bearer } = await relyingService();
  const { body } = good(await service.call("POST", "/signals/stream", { bearer, body: {} }));
  return { bearer, stream_id: String(body["stream_id"]) };
}

async function newTitle(): Promise<string> {
  const id = newId<TitleId>(ground.random, clock.now());
  await ground.plainDb.run(
    `insert into title (id, kind, identity, name, search_text, sort_key, added_at, visible)
     values ($1, 'film', $2, 'Heat', ' heat', 'heat', now(), true)`,
    [id, ground.random.bytes(32)],
  );
  await ground.plainDb.run(
    `insert into file (id, title_id, path, fingerprint, size_bytes, state, facts, index, sidecars, pictures,
                       first_seen_at, inspected_at)
     values ($1, $1, $2, 'x', 1, 'playable', '{}', '{}', '[]', '[]', now(), now())`,
    [id, `${id}.mp4`],
  );
  return id;
}

const recipes: Readonly<Record<string, Recipe>> = {
  "POST /api/accounts": each(async () =>
    shot("POST", "/api/accounts", { body: { address: newAddress(), password: goodPassword } }),
  ),
  "POST /api/accounts/confirm": once(async () => shot("POST", "/api/accounts/confirm", await askedSignUp())),
  "POST /api/sessions": each(
    own(({ address }) => shot("POST", "/api/sessions", { body: { address, password: goodPassword } })),
  ),
  "POST /api/sessions/second-factor": once(
    own(async (who) => {
      const { app } = await setUpTotp(service, who.session);
      const step = await beginSignIn(service, who.address);
      return shot("POST", "/api/sessions/second-factor", {
        body: { code: app.code() },
        cookies: { [stepCookie]: step },
      });
    }),
  ),
  "POST /api/sessions/passkey": once(
    own(async (who) => {
      const { device } = await withPasskey(who);
      const { options, cookies } = await askPasskey(service, "/api/sessions/passkey/options");
      return shot("POST", "/api/sessions/passkey", { body: { answer: device.get(options) }, cookies });
    }),
  ),
  "POST /api/session/proof": once(
    own((who) => shot("POST", "/api/session/proof", by(who, { password: goodPassword }))),
  ),
  "POST /api/session/proof/passkey": once(
    own(async (who) => {
      const { device } = await withPasskey(who);
      const { options, cookies } = await askPasskey(
        service,
        "/api/session/proof/passkey/options",
        asCookie(who.session),
      );
      return shot("POST", "/api/session/proof/passkey", { body: { answer: device.get(options) }, cookies });
    }),
  ),
  "POST /sign-out": once(own((who) => shot("POST", "/sign-out", by(who)))),
  "DELETE /api/sessions": once(
    own(async (who) => {
      await service.signIn(who.address, goodPassword);
      return shot("DELETE", "/api/sessions?except=current", { cookies: asCookie(who.session) });
    }),
  ),
  "DELETE /api/sessions/:id": once(
    own(async (who) => {
      await service.signIn(who.address, goodPassword);
      const { body } = await service.call("GET", "/api/sessions", { cookies: asCookie(who.session) });
      const other = (body["devices"] as { id: string; current: boolean }[]).find(({ current }) => !current);
      return shot("DELETE", `/api/sessions/${other?.id ?? ""}`, { cookies: asCookie(who.session) });
    }),
  ),
  "POST /api/password": once(
    own((who) => shot("POST", "/api/password", by(who, { currentPassword: goodPassword, newPassword }))),
  ),
  "POST /api/account/addresses": each(
    own((who) => shot("POST", "/api/account/addresses", by(who, { address: newAddress() }))),
  ),
  "POST /api/account/addresses/confirm": once(
    own(async (who) => {
      const address = newAddress();
      good(await service.call("POST", "/api/account/addresses", by(who, { address })));
      return shot("POST", "/api/account/addresses/confirm", by(who, { code: await codeTo(address) }));
    }),
  ),
  "DELETE /api/account/addresses/:id": once(
    own(async (who) => {
      const { id } = await withAddress(who);
      return shot("DELETE", `/api/account/addresses/${id}`, { cookies: asCookie(who.session) });
    }),
  ),
  "POST /api/account/addresses/:id/first": once(
    own(async (who) => {
      const { id } = await withAddress(who);
      return shot("POST", `/api/account/addresses/${id}/first`, by(who));
    }),
  ),
  "POST /api/account/passkeys": once(
    own(async (who) => {
      const { options, cookies } = await askPasskey(service, "/api/account/passkeys/options", asCookie(who.session));
      const body = { answer: authenticator(ground.config.publicOrigin).create(options), name: "A telephone" };
      return shot("POST", "/api/account/passkeys", { body, cookies });
    }),
  ),
  "PUT /api/account/passkeys/:id": once(
    own(async (who) => {
      const { id } = await withPasskey(who);
      return shot("PUT", `/api/account/passkeys/${id}`, by(who, { name: "Another" }));
    }),
  ),
  "DELETE /api/account/passkeys/:id": once(
    own(async (who) => {
      const { id } = await withPasskey(who);
      return shot("DELETE", `/api/account/passkeys/${id}`, { cookies: asCookie(who.session) });
    }),
  ),
  "POST /api/account/passkeys/options": each(own((who) => shot("POST", "/api/account/passkeys/options", by(who)))),
  "POST /api/sessions/passkey/options": each(async () => shot("POST", "/api/sessions/passkey/options", { body: {} })),
  "POST /api/session/proof/passkey/options": each(
    own(async (who) => {
      await withPasskey(who);
      return shot("POST", "/api/session/proof/passkey/options", by(who));
    }),
  ),
  "POST /api/account/passkeys/:id/keep": once(
    own(async (who) => {
      const { id } = await withPasskey(who);
      await ground.plainDb.run(`update passkey set doubted_at = now() where id = $1`, [id]);
      return shot("POST", `/api/account/passkeys/${id}/keep`, { cookies: asCookie(who.session) });
    }),
  ),
  "POST /api/account/addresses/:id/keep": once(
    own(async (who) => {
      const { id } = await withAddress(who);
      await ground.plainDb.run(`update account_address set doubted_at = now() where id = $1`, [id]);
      return shot("POST", `/api/account/addresses/${id}/keep`, { cookies: asCookie(who.session) });
    }),
  ),
  "POST /api/account/totp/keep": once(
    own(async (who) => {
      const { app } = await setUpTotp(service, who.session);
      await ground.plainDb.run(`update totp set doubted_at = now() where account_id = $1`, [who.accountId]);
      return shot("POST", "/api/account/totp/keep", by(who, { code: app.code() }));
    }),
  ),
  "POST /api/account/export": each(
    own((who) => shot("POST", "/api/account/export", { cookies: asCookie(who.session) })),
  ),
  "POST /api/account/totp": once(own((who) => shot("POST", "/api/account/totp", by(who)))),
  "POST /api/account/totp/confirm": once(
    own(async (who) => {
      const begun = good(await service.call("POST", "/api/account/totp", by(who)));
      const app = authenticatorOf(service, String(begun.body["key"]));
      return shot("POST", "/api/account/totp/confirm", by(who, { code: app.code() }));
    }),
  ),
  "POST /api/account/totp/remove": once(
    own(async (who) => {
      await setUpTotp(service, who.session);
      return shot("POST", "/api/account/totp/remove", by(who, { password: goodPassword }));
    }),
  ),
  "POST /api/account/recovery-codes": each(
    own(async (who) => {
      await setUpTotp(service, who.session);
      return shot("POST", "/api/account/recovery-codes", by(who));
    }),
  ),
  "POST /api/account/deletion": once(
    own((who) => shot("POST", "/api/account/deletion", by(who, { confirmation: who.address }))),
  ),
  "DELETE /api/account/deletion": once(
    own(async (who) => {
      good(await service.call("POST", "/api/account/deletion", by(who, { confirmation: who.address })));
      return shot("DELETE", "/api/account/deletion", { cookies: asCookie(who.session) });
    }),
  ),
  "POST /api/renewals": each(own(({ address }) => shot("POST", "/api/renewals", { body: { address } }))),
  "POST /api/renewals/complete": once(
    own(async (who) => shot("POST", "/api/renewals/complete", await askedRenewal(who))),
  ),
  "POST /not-me": once(
    own(async (who) => {
      const body = { currentPassword: goodPassword, newPassword };
      good(await service.call("POST", "/api/password", by(who, body)));
      const undo = (await service.letters()).find(({ to, undo: token }) => to === who.address && token !== undefined);
      return shot("POST", "/not-me", { body: { token: undo?.undo } });
    }),
  ),
  "POST /oauth/device_authorization": each(async () =>
    shot("POST", "/oauth/device_authorization", { body: { client_id: "houselights-tv" } }),
  ),
  "POST /api/links/lookup": each(
    own(async (who) => shot("POST", "/api/links/lookup", by(who, { userCode: (await newLink()).userCode }))),
  ),
  "POST /api/links/decide": once(
    own(async (who) => {
      const { userCode } = await newLink();
      return shot("POST", "/api/links/decide", by(who, { userCode, decision: "approve" }));
    }),
  ),
  "POST /oauth/token": once(
    own(async (who) => {
      const { userCode, deviceCode } = await newLink();
      good(await service.call("POST", "/api/links/decide", by(who, { userCode, decision: "approve" })));
      const grant = "urn:ietf:params:oauth:grant-type:device_code";
      return shot("POST", "/oauth/token", {
        body: { grant_type: grant, device_code: deviceCode, client_id: "houselights-tv" },
      });
    }),
  ),
  "POST /api/operator-sessions": once(async () => {
    // The first one makes the account.
    await service.operator();
    const { secret } = await makeOperatorLink(ground);
    return shot("POST", "/api/operator-sessions", { body: { secret: secretText(secret) } });
  }),
  "POST /api/operators": once(
    asOperator(async (operator) => shot("POST", "/api/operators", by(operator, { address: (await person()).address }))),
  ),
  "POST /api/operators/:id/keep": once(
    asOperator(async (operator) => {
      const { address, accountId } = await person();
      good(await service.call("POST", "/api/operators", by(operator, { address })));
      // As a containment would have found, and of nobody else.
      await ground.plainDb.run(
        `insert into added_since (epoch, since, operators)
         select 1 - count(*), '9999-01-01', (select array_agg(id) from account where role = 'operator' and id <> $1)
           from added_since`,
        [accountId],
      );
      return shot("POST", `/api/operators/${accountId}/keep`, { cookies: asCookie(operator.session) });
    }),
  ),
  "DELETE /api/operators/:id": once(
    asOperator(async (operator) => {
      const { address, accountId } = await person();
      good(await service.call("POST", "/api/operators", by(operator, { address })));
      return shot("DELETE", `/api/operators/${accountId}`, { cookies: asCookie(operator.session) });
    }),
  ),
  "POST /api/recoveries": once(
    asOperator(async (operator) => {
      const { accountId } = await person();
      return shot("POST", "/api/recoveries", by(operator, { accountId, address: newAddress() }));
    }),
  ),
  "POST /api/recoveries/lookup": each(
    asOperator(async (operator) => {
      const { address } = await person();
      return shot("POST", "/api/recoveries/lookup", by(operator, { address }));
    }),
  ),
  "DELETE /api/recoveries/:id": once(
    asOperator(async (operator) => {
      const { accountId } = await person();
      good(await service.call("POST", "/api/recoveries", by(operator, { accountId, address: newAddress() })));
      return shot("DELETE", `/api/recoveries/${accountId}`, { cookies: asCookie(operator.session) });
    }),
  ),
  "POST /api/alarms/:id/acknowledge": once(
    asOperator(async (operator) => shot("POST", `/api/alarms/${await newAlarm()}/acknowledge`, by(operator))),
  ),
  "POST /api/alarms/:id/case": once(
    asOperator(async (operator) => shot("POST", `/api/alarms/${await newAlarm()}/case`, by(operator))),
  ),
  "POST /api/incidents": once(
    asOperator((operator) => shot("POST", "/api/incidents", by(operator, { reason: "a copy is for sale" }))),
  ),
  "PUT /api/incidents/:id/facts": once(
    asOperator(async (operator) =>
      shot("PUT", `/api/incidents/${await openCase(operator)}/facts`, by(operator, { foundBy: "a reader" })),
    ),
  ),
  "PUT /api/incidents/:id/way-in": once(
    asOperator(async (operator) =>
      shot(
        "PUT",
        `/api/incidents/${await openCase(operator)}/way-in`,
        by(operator, { what: "a key in a log", closedAt: new Date(clock.now()).toISOString(), evidence: "the log" }),
      ),
    ),
  ),
  "PUT /api/incidents/:id/review": once(
    asOperator(async (operator) =>
      shot(
        "PUT",
        `/api/incidents/${await openCase(operator)}/review`,
        by(operator, { item: reviewItems[0]!.item, state: "done" }),
      ),
    ),
  ),
  "POST /api/incidents/:id/notify": once(
    asOperator(async (operator) => {
      const id = await containedCase({ ...ground, db: ground.plainDb });
      return shot("POST", `/api/incidents/${id}/notify`, by(operator, { action: "start" }));
    }),
  ),
  "POST /api/incidents/:id/close": once(
    asOperator(async (operator) => {
      const id = await containedCase({ ...ground, db: ground.plainDb });
      // Told, and nobody was in scope.
      await ground.plainDb.run(
        `update incident set notified_at = now(), letters_finished_at = now(), state = 'readmitting' where id = $1`,
        [id],
      );
      const review = reviewItems.map(({ item }) => ({ item, state: "done" }));
      const wayIn = { what: "a key in a log", closedAt: new Date(clock.now()).toISOString(), evidence: "the log" };
      return shot("POST", `/api/incidents/${id}/close`, by(operator, { review, wayIn }));
    }),
  ),
  "POST /api/titles/:id/grants": each(
    own(async (who) => shot("POST", `/api/titles/${await newTitle()}/grants`, by(who))),
  ),
  "PUT /api/titles/:id/progress": once(
    own(async (who) =>
      shot("PUT", `/api/titles/${await newTitle()}/progress`, by(who, { positionSeconds: 9, durationSeconds: 99 })),
    ),
  ),
  "POST /signals/stream": each(async () => {
    const { bearer } = await relyingService();
    return shot("POST", "/signals/stream", { bearer, body: {} });
  }),
  "PUT /signals/stream": once(async () => {
    const { bearer, stream_id } = await withStream();
    return shot("PUT", "/signals/stream", { bearer, body: { stream_id, description: "of music" } });
  }),
  "PATCH /signals/stream": once(async () => {
    const { bearer, stream_id } = await withStream();
    return shot("PATCH", "/signals/stream", { bearer, body: { stream_id, description: "of music" } });
  }),
  "DELETE /signals/stream": once(async () => {
    const { bearer, stream_id } = await withStream();
    return shot("DELETE", `/signals/stream?stream_id=${stream_id}`, { bearer });
  }),
  "POST /signals/status": once(async () => {
    const { bearer, stream_id } = await withStream();
    return shot("POST", "/signals/status", { bearer, body: { stream_id, status: "paused" } });
  }),
  "POST /signals/subjects/add": once(async () => {
    const { bearer, stream_id } = await withStream();
    const { accountId: id } = await person();
    return shot("POST", "/signals/subjects/add", { bearer, body: { stream_id, subject: subjectOf(id) } });
  }),
  "POST /signals/subjects/remove": once(async () => {
    const { bearer, stream_id } = await withStream();
    const { accountId: id } = await person();
    return shot("POST", "/signals/subjects/remove", { bearer, body: { stream_id, subject: subjectOf(id) } });
  }),
  "POST /signals/verify": once(async () => {
    const { bearer, stream_id } = await withStream();
    return shot("POST", "/signals/verify", { bearer, body: { stream_id } });
  }),
  // Whoever asks for one again wants what came in between contained as well.
  "POST /api/incidents/:id/contain": each(
    asOperator(async (operator) => {
      const { accountId } = await person();
      return shot("POST", `/api/incidents/${await openCase(operator)}/contain`, by(operator, { accountId }));
    }),
  ),
};

/** Forms of pages that need no script: each calls the very operation of the route beside it. */
const pages: Readonly<Record<string, string>> = {
  "POST /sign-up": "POST /api/accounts",
  "POST /sign-up/confirm": "POST /api/accounts/confirm",
  "POST /sign-in": "POST /api/sessions",
  "POST /sign-in/code": "POST /api/sessions/second-factor",
  "POST /renew": "POST /api/renewals",
  "POST /renew/code": "POST /api/renewals/complete",
  "POST /link": "POST /api/links/decide",
};

/** What another test sends many times at once, and where nothing is left. */
const elsewhere: Readonly<Record<string, string>> = {
  "POST /api/renewals/place": "test/lobby.test.ts: a place is asked after as often as anybody likes",
  "POST /signals/streams/:id/poll":
    "src/signals/poll.test.ts: what eight polls acknowledge and refuse in one moment is counted once",
};

test("every route that changes something says what many copies of it leave", () => {
  const unsafe = service.web.app.routeTable
    .filter(({ method }) => !["GET", "HEAD", "OPTIONS"].includes(method))
    .map(({ method, url }) => `${method} ${url}`);
  expect(unsafe.length).toBeGreaterThan(50);
  const known = [...Object.keys(recipes), ...Object.keys(pages), ...Object.keys(elsewhere)];
  expect(unsafe.filter((route) => !known.includes(route))).toEqual([]);
  expect(known.filter((route) => !unsafe.includes(route))).toEqual([]);
  expect(Object.values(pages).filter((route) => recipes[route] === undefined)).toEqual([]);
});

/** Rows of every table, waiting jobs by task and timeline entries by kind. */
async function standing(): Promise<Record<string, number>> {
  const { plainDb: db } = ground;
  const tables = await db.many<{ name: string }>(
    `select c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where n.nspname = 'public' and c.relkind in ('r', 'p') and not c.relispartition order by 1`,
  );
  const counts = await db.many<{ name: string; count: number }>(
    [
      ...tables.map(({ name }) => `select 'table ${name}' as name, count(*)::int as count from "${name}"`),
      `select 'job ' || t.identifier, count(*)::int from graphile_worker._private_jobs j
         join graphile_worker._private_tasks t on t.id = j.task_id group by 1`,
      `select 'entry ' || kind, count(*)::int from timeline_entry group by 1`,
      `select 'live session', count(*)::int from session where ended_at is null`,
    ].join(" union all "),
  );
  return Object.fromEntries(counts.map(({ name, count }) => [name, count]));
}

async function left(work: () => Promise<void>): Promise<Record<string, number>> {
  const before = await standing();
  await work();
  const after = await standing();
  return Object.fromEntries(
    [...new Set([...Object.keys(before), ...Object.keys(after)])]
      .map((name) => [name, (after[name] ?? 0) - (before[name] ?? 0)] as const)
      // Tries are counted each.
      .filter(([name, count]) => count !== 0 && name !== "table throttle"),
  );
}

describe("many copies of one request at the same instant", () => {
  test.each(Object.entries(recipes))("%s", async (_route, { make, leaves }) => {
    const single = await make();
    let first: Answer | undefined;
    const byOne = await left(async () => {
      first = await single();
    });
    expect(first!.status, first!.text).toBeLessThan(400);

    const many = await make();
    let answers: readonly Answer[] = [];
    const byMany = await left(async () => {
      answers = await Promise.all(Array.from({ length: copies }, many));
    });
    const faults = answers.filter(({ status }) => status >= 500);
    expect(faults.map(({ status, text }) => `${status} ${text}`)).toEqual([]);
    const done = answers.filter(({ status }) => status < 400).length;
    expect(done).toBeGreaterThan(0);
    if (leaves === "once") expect(byMany).toEqual(byOne);
    // Letters may be fewer: nobody is sent more than a few an hour.
    else expect(Object.entries(byMany).filter(([name, count]) => count > (byOne[name] ?? 0) * done)).toEqual([]);
  });
});

test("a relying service that turns its stream off and on for ever writes sixty entries an hour", async () => {
  const { bearer, stream_id } = await withStream();
  const turn = (status: string) => service.call("POST", "/signals/status", { bearer, body: { stream_id, status } });
  const answered: number[] = [];
  const byAll = await left(async () => {
    for (let at = 0; at < 70; at++) answered.push((await turn(at % 2 === 0 ? "paused" : "enabled")).status);
  });
  // Making it was the first.
  expect(answered).toEqual([...Array<number>(59).fill(200), ...Array<number>(11).fill(429)]);
  expect(byAll).toEqual({ "entry stream changed": 59, "table timeline_entry": 59 });
  clock.advance(hourMs);
  expect((await turn("enabled")).status).toBe(200);
});
