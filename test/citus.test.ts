import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openDb, type DbOptions } from "../src/db/db.ts";
import { browserCookie } from "../src/http/cookies.ts";
import { startCampaign } from "../src/incidents/campaign.ts";
import { addsUp, letterSum } from "../src/incidents/letter-sum.ts";
import { walk } from "../src/incidents/walk.ts";
import type { IncidentId, TitleId } from "../src/kernel/brand.ts";
import { dayMs, minuteMs, sleep, systemClock, toDate } from "../src/kernel/clock.ts";
import { silentLog } from "../src/kernel/log.ts";
import { newId, systemRandom } from "../src/kernel/random.ts";
import { Secret } from "../src/kernel/secret.ts";
import { openSmtp } from "../src/mail/smtp.ts";
import { containedCase } from "./contained-case.ts";
import { populate } from "./population.ts";
import { asCookie, goodPassword, testService, type Answer } from "./service.ts";
import { reachOf, type Layout } from "./shard-reading.ts";
import { startTestRelay } from "./smtp-server.ts";

/** Ready for Citus: every table has its place in docs/design/citus.md, and no hot statement visits more shards than it must. */
const page = readFileSync("docs/design/citus.md", "utf8");
const distributed = new Map(
  [...page.matchAll(/create_distributed_table\('(\w+)', '(\w+)'(?:, colocate_with => '(\w+)')?\)/g)].map(
    ([, table = "", column = "", group]) => [table, { column, group: group === "account" ? "account" : table }],
  ),
);
const references = [...page.matchAll(/create_reference_table\('(\w+)'/g)].map(([, table = ""]) => table);
const local = [...page.matchAll(/^\| ((?:`\w+`(?:, )?)+)\s*\|/gm)].flatMap(([, names = ""]) =>
  [...names.matchAll(/`(\w+)`/g)].map(([, table = ""]) => table),
);

/** What the driver sends, whoever asks: literal statements, the query builder's, and those of the queue. */
const sent = new Set<string>();
const open = (options: DbOptions) => {
  const db = openDb(options);
  db.pool.on("connect", (client) => {
    const query = client.query.bind(client) as (...asked: unknown[]) => unknown;
    client.query = ((asked: unknown, ...more: unknown[]) => {
      const sql = typeof asked === "string" ? asked : (asked as { text?: unknown }).text;
      if (typeof sql === "string") sent.add(sql);
      return query(asked, ...more);
    }) as typeof client.query;
  });
  return db;
};
const crowd = { hashesPerSecond: 1_000_000 };
const service = await testService({
  open,
  lobby: { everyMs: dayMs, hashesPerSecond: () => crowd.hashesPerSecond },
});
const { plainDb, db, keyholders } = service.ground;

test("every table has its place, once", async () => {
  const tables = await plainDb.many<{ name: string }>(
    `select tablename as name from pg_tables where schemaname = 'public' order by 1`,
  );
  expect([...distributed.keys(), ...references, ...local].toSorted()).toEqual(tables.map(({ name }) => name));
});

test("every unique index of a distributed table holds the column that it is distributed by, and no key leads out of its shard", async () => {
  const indexes = await plainDb.many<{ table: string; index: string; columns: string[] }>(
    `select t.relname as table, i.relname as index, array(
              select a.attname::text from unnest(x.indkey) k join pg_attribute a on a.attrelid = t.oid and a.attnum = k) as columns
       from pg_index x join pg_class t on t.oid = x.indrelid join pg_class i on i.oid = x.indexrelid
       join pg_namespace n on n.oid = t.relnamespace
      where x.indisunique and n.nspname = 'public'`,
  );
  const without = indexes.filter(({ table, columns }) => {
    const lies = distributed.get(table);
    return lies !== undefined && !columns.includes(lies.column);
  });
  expect(without).toEqual([]);
  const keys = await plainDb.many<{ from: string; to: string; columns: string[] }>(
    `select conrelid::regclass::text as from, confrelid::regclass::text as to,
            array(select attname::text from pg_attribute where attrelid = conrelid and attnum = any(conkey)) as columns
       from pg_constraint where contype = 'f'`,
  );
  const leading = keys.filter(({ from, to, columns }) => {
    if (references.includes(to)) return false;
    const [one, other] = [distributed.get(from), distributed.get(to)];
    // The coordinator's tables may name each other; rows of one account lie on one shard.
    if (one === undefined && other === undefined) return references.includes(from);
    return one?.group !== other?.group || !columns.includes(one?.column ?? "");
  });
  expect(leading).toEqual([]);
  const withTriggers = await plainDb.many<{ table: string }>(
    `select distinct tgrelid::regclass::text as table from pg_trigger where not tgisinternal`,
  );
  const needLeave = withTriggers.filter(({ table }) => !local.includes(table)).map(({ table }) => table);
  expect(needLeave).toEqual(["floor"]);
  expect(page).toContain("set citus.enable_unsafe_triggers = on;");
});

async function layoutOf(): Promise<Layout> {
  const rows = await plainDb.many<{ table: string; columns: string[] }>(
    `select table_name as table, array_agg(column_name::text) as columns
       from information_schema.columns where table_schema = 'public' group by 1`,
  );
  return { distributed, local: new Set(local), columns: new Map(rows.map(({ table, columns }) => [table, columns])) };
}

test("the reader sees what would visit two shards", async () => {
  const layout = await layoutOf();
  for (const [sql, kind] of [
    [`select 1 from session where id = $1`, "wide"],
    [`select 1 from session where account_id = $1 or id = $2`, "wide"],
    [`select 1 from session s join unnest($1::uuid[]) as x (account_id) using (account_id)`, "wide"],
    [`select 1 from session s join account a on a.id = s.account_id where s.account_id = $1`, "one shard"],
    [
      `select 1 from session s join account a on a.id = s.account_id where s.account_id = any($1::uuid[])`,
      "shards of values",
    ],
    [`select 1 from session s, account a where s.account_id = $1 and a.id = $2`, "wide"],
    [`select 1 from account where id = (select account_id from address where blind_index = $1)`, "wide"],
    [`select 1 from account a join letter l on l.account_id = a.id where a.id = $1`, "wide"],
    [`select 1 from account a where a.id = $1 and exists (select from floor where kind = 'tv')`, "one shard"],
    [`with gone as (delete from session where account_id = $1 returning id) select count(*) from gone`, "one shard"],
    [`update session set ended_at = $1 where account_id = $2`, "one shard"],
    [`update session set ended_at = $1 where (account_id, id) in (select account_id, id from session limit 5)`, "wide"],
    [`insert into session (id) values ($1)`, "wide"],
    [`insert into session (account_id, id) values ($1, $2), ($3, $4)`, "wide"],
    [`insert into session (account_id, id) values ($1, $2), ($1, $4)`, "one shard"],
    [`insert into session (account_id, id) select $1, $2 from account where id = $1`, "one shard"],
    [`insert into session (account_id, id) select $1, $2 from account where id = $3`, "wide"],
    [`select max(epoch) from floor`, "none"],
  ] as const) {
    expect([sql, (await reachOf(sql, layout)).kind]).toEqual([sql, kind]);
  }
});

/** What names the rows of several accounts, on purpose. */
const gathered: readonly (readonly [what: string, sql: RegExp])[] = [
  ["the check, of all requests of one moment", /from session s\s+join account/],
  ["the way from an address, under each of two keys of its index", /from address where blind_index = any/],
  [
    "the accounts of a batch of letters; or of one person, by the same statement",
    /from account a\s.*where a.id = any/s,
  ],
  ["which addresses of a batch of letters came back", /from address_bounce\s+where account_id = any/],
  [
    "which of them do not count; or of one person's, by the same statement",
    /from account_address d where d.account_id = any/,
  ],
];

const hot: Readonly<Record<string, () => Promise<unknown>>> = {
  "signing in, right and wrong": async () => {
    await service.signIn("ada@example.org", goodPassword);
    const wrong = { address: "ada@example.org", password: "wrong" };
    expect((await service.call("POST", "/api/sessions", { body: wrong })).status).toBe(401);
    const nobody = { address: "nobody@example.org", password: "wrong" };
    expect((await service.call("POST", "/api/sessions", { body: nobody })).status).toBe(401);
  },
  "checking a session": async () => {
    const cookies = asCookie(await service.signIn("ada@example.org", goodPassword));
    expect((await service.call("GET", "/api/session", { cookies })).status).toBe(200);
  },
  "playing: a grant, a segment, how far": async () => {
    const cookies = asCookie(await service.signIn("ada@example.org", goodPassword));
    const granted = await service.call("POST", `/api/titles/${titleId}/grants`, { body: {}, cookies });
    expect(granted.status, granted.text).toBe(201);
    // The file is away: what is asked of the database before that is what counts.
    expect((await service.call("GET", String(granted.body["playlist"]))).status).not.toBe(403);
    const body = { positionSeconds: 60, durationSeconds: 600 };
    expect((await service.call("PUT", `/api/titles/${titleId}/progress`, { body, cookies })).status).toBe(204);
  },
  "linking a television that polls": async () => {
    const asked = await service.call("POST", "/oauth/device_authorization", { body: { client_id: "houselights-tv" } });
    const poll = () =>
      service.call("POST", "/oauth/token", {
        body: {
          grant_type: "urn:ietf:params:oauth:grant-type:device_code",
          device_code: asked.body["device_code"],
          client_id: "houselights-tv",
        },
      });
    expect((await poll()).body["error"]).toBe("authorization_pending");
    const cookies = asCookie(await service.signIn("ada@example.org", goodPassword));
    const userCode = asked.body["user_code"];
    expect((await service.call("POST", "/api/links/lookup", { body: { userCode }, cookies })).status).toBe(200);
    const decided = await service.call("POST", "/api/links/decide", {
      body: { userCode, decision: "approve" },
      cookies,
    });
    expect(decided.status, decided.text).toBe(200);
    service.clock.advance(minuteMs);
    await service.web.waitingLinks.reread();
    expect((await poll()).body["token_type"]).toBe("Bearer");
  },
  "standing in line": async () => {
    crowd.hashesPerSecond = 0.001;
    await service.web.lobby.advance();
    let place: Answer | undefined;
    for (let asks = 0; place?.body["kind"] !== "in-line" && asks < 50; asks++) {
      place = await service.call("POST", "/api/renewals", { body: { address: `early-${asks}@example.org` } });
    }
    const stand = () => service.call("POST", "/api/renewals/place", { body: {}, cookies: place?.cookies ?? {} });
    expect((await stand()).body["kind"]).toBe("in-line");
    crowd.hashesPerSecond = 1_000_000;
    await service.web.lobby.advance();
    await service.web.lobby.advance();
    expect((await stand()).body["kind"]).toBe("called");
  },
  "renewing, with devices signed out": async () => {
    const asked = await service.call("POST", "/api/renewals", { body: { address: "ada@example.org" } });
    const code = (await service.letters()).find(({ to }) => to === "ada@example.org")?.code;
    const renewed = await service.call("POST", "/api/renewals/complete", {
      body: { code, password: "eight lanterns over the harbour" },
      cookies: { [browserCookie]: asked.cookies[browserCookie] ?? "" },
    });
    expect(renewed.status, renewed.text).toBe(200);
  },
  "walking a campaign": async () => {
    const transport = await openSmtp({
      url: Secret.fromText(relay.url),
      from: "no-reply@films.example",
      clock: systemClock,
      log: silentLog,
    });
    const needs = {
      ...campaignNeeds,
      keyholder: keyholders.mailer,
      transport,
      neverMailed: () => Promise.resolve(new Set<string>()),
    };
    while ((await walk(needs, incidentId)).kind !== "finished") await sleep(20);
    await transport.close();
    expect(await letterSum(plainDb, incidentId)).toSatisfy(addsUp);
    expect(relay.letters.length).toBeGreaterThan(4);
  },
};

const titleId = newId<TitleId>(systemRandom, systemClock.now());
const campaignNeeds = {
  db,
  clock: systemClock,
  random: systemRandom,
  log: silentLog,
  keyholder: keyholders.web,
  service: { name: "House of Films", origin: "https://films.example", contact: "help@films.example" },
};
let incidentId: IncidentId;
const relay = await startTestRelay();
afterAll(() => relay.stop());

beforeAll(async () => {
  await service.account("ada@example.org", goodPassword);
  await populate(plainDb, keyholders.web, { accounts: 5 });
  const at = toDate(systemClock.now());
  await plainDb.run(
    `insert into title (id, kind, identity, name, search_text, sort_key, added_at, visible)
     values ($1, 'film', $2, 'Heat', 'heat', 'heat', $3, true)`,
    [titleId, systemRandom.bytes(32), at],
  );
  await plainDb.run(
    `insert into file (id, title_id, path, fingerprint, size_bytes, state, facts, index, sidecars, pictures,
                       first_seen_at, inspected_at)
     values ($1, $1, 'Heat.mp4', 'x', 1, 'playable', '{}', '{}', '[]', '[]', $2, $2)`,
    [titleId, at],
  );
  incidentId = await containedCase(campaignNeeds, { at: systemClock.now() });
  await startCampaign(campaignNeeds, incidentId, "operator");
});

test.each(Object.entries(hot))(
  "%s stays on one shard, or on those of the accounts that it names",
  async (_name, run) => {
    sent.clear();
    await run();
    expect(sent.size).toBeGreaterThan(3);
    const layout = await layoutOf();
    const broken: string[] = [];
    let onShards = 0;
    for (const sql of sent) {
      const reach = await reachOf(sql, layout);
      if (reach.kind !== "none") onShards++;
      if (reach.kind === "wide") broken.push(`${reach.because.join("; ")}: ${sql.replaceAll(/\s+/g, " ")}`);
      if (reach.kind === "shards of values" && !gathered.some(([, known]) => known.test(sql))) {
        broken.push(`several of ${reach.because.join(", ")}: ${sql.replaceAll(/\s+/g, " ")}`);
      }
    }
    expect(broken).toEqual([]);
    expect(onShards).toBeGreaterThan(0);
  },
);
