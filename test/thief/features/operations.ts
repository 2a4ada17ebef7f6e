import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { announceUse } from "../../../src/key-use/announce.ts";
import { connectKeyholder } from "../../../src/keyholder/client.ts";
import { Secret } from "../../../src/kernel/secret.ts";
import { readDatabaseId } from "../../../src/credentials/standing.ts";
import { compareKeyUse } from "../../../src/key-use/compare.ts";
import { secretText, sessionCookie } from "../../../src/http/cookies.ts";
import { asCookie } from "../../cookies.ts";
import { testLibrary } from "../../library-fixture.ts";
import { dayMs, minuteMs, plus, sleep, toDate } from "../../../src/kernel/clock.ts";
import { silentLog } from "../../../src/kernel/log.ts";
import { newId, systemRandom } from "../../../src/kernel/random.ts";

import { startWorker } from "../../../src/jobs/worker.ts";
import { makeOperatorLink } from "../../../src/sessions/operator-link.ts";
import { originOf } from "../../../src/timeline/checkpoint.ts";
import { openCosigner } from "../../../src/timeline/cosign.ts";
import { signatureTypes, verifierKey } from "../../../src/timeline/note.ts";
import { startWitness } from "../../../src/timeline/witness-server.ts";
import { integrate } from "../../../src/timeline/integrate.ts";
import { testAlarm } from "../../../src/canaries/alarm-words.ts";
import { plantDecoy } from "../../../src/canaries/decoy.ts";
import { plantCanaries } from "../../../src/canaries/plant.ts";
import { raiseAlarm } from "../../../src/canaries/raise-alarm.ts";
import { signedHeaders } from "../../../src/canaries/webhook.ts";
import type { AccountId, IncidentId } from "../../../src/kernel/brand.ts";
import { campaignKey, newCampaignKey } from "../../../src/incidents/campaign-key.ts";
import { returnPaths } from "../../../src/incidents/return-path.ts";
import { openInspector } from "../../../src/library/inspect-file.ts";
import { keepKeys } from "../../../src/rotation/keep-keys.ts";
import { rotateKeys } from "../../../src/rotation/rotate.ts";
import { libraryTasks, requestScan } from "../../../src/library/tasks.ts";
import { bounceSettings, type World } from "../world.ts";
import type { Feature } from "./feature.ts";
import { sendLetters } from "./send-letters.ts";

/** What the operator called it. */
export const decoyTable = "old_customers";

/** One witness cosigns; another is away, and that is noted. */
async function cosigned({ ground }: World["service"], databaseId: string): Promise<void> {
  const { db, clock, keyholders } = ground;
  const folder = await mkdtemp(join(tmpdir(), "houselights-witness-"));
  const origin = originOf(databaseId);
  const keys = await keyholders.operator.publicKeys("checkpoint");
  const witness = await startWitness({
    folder,
    name: "witness.example",
    logs: keys.map(({ publicKey }) => verifierKey(origin, publicKey)),
    host: "127.0.0.1",
    port: 0,
    clock,
    log: silentLog,
  });
  const url = `http://127.0.0.1:${witness.port}`;
  const away = verifierKey("away.example", Buffer.alloc(32, 1), signatureTypes.cosignature);
  const witnesses = [
    { name: "here", key: witness.key, url },
    { name: "away", key: away, url: "http://127.0.0.1:1" },
  ];
  const contradicted = () => Promise.resolve();
  const cosigner = openCosigner({ db, clock, log: silentLog, witnesses, contradicted });
  await cosigner.cosign(20_000);
  await cosigner.stop();
  await witness.close();
  await rm(folder, { recursive: true });
}

/** One letter comes back, as the relay reports it. */
async function comeBack(world: World, incidentId: IncidentId): Promise<void> {
  const { db, keyholders, clock } = world.service.ground;
  const letter = await db.one<{ accountId: AccountId }>(
    `select account_id as "accountId" from letter where incident_id = $1 and state = 'handed over' order by 1 limit 1`,
    [incidentId],
  );
  if (letter === undefined) throw new Error("no letter was handed over");
  const key = await campaignKey({ db, keyholder: keyholders.mailer }, incidentId);
  const { BOUNCE_ADDRESS: address, BOUNCE_WEBHOOK_SECRET: secret } = bounceSettings;
  const [returnPath = ""] = await returnPaths(keyholders.mailer, key, address, incidentId, [{ ...letter, failed: 0 }]);
  // Many reports, of which one is of a letter of ours: of few, nothing could be told.
  const paths = [returnPath, ...Array.from({ length: 60 }, (_, number) => `somebody-${number}@mail.example`)];
  for (const [number, path] of paths.entries()) {
    const body = { bounces: [{ returnPath: path, status: "5.1.1" }] };
    const headers = signedHeaders(Secret.fromText(secret), `report-${number}`, clock.now(), JSON.stringify(body));
    await world.done("POST", "/api/bounces", { body, headers });
  }
}

/** The campaigns of cases that were: a service has few, and of few keys nothing can be told. */
async function formerCampaigns({ db, clock, service }: World): Promise<void> {
  const { random, keyholders } = service.ground;
  for (let cases = 0; cases < 60; cases++) {
    const id = newId<IncidentId>(random, clock.now());
    const at = toDate(plus(clock.now(), -(cases + 1) * dayMs));
    const { dataKey, sealed } = await newCampaignKey({ keyholder: keyholders.web, random }, id);
    await db.run(
      `insert into incident (id, reference, state, reason, opened_at, opened_by, found_at, found_by, found_how,
                             data_classes, keys_reachable)
       values ($1, $3, 'closed', 'a case that was', $2, 'host', $2, 'host', 'by chance', '{}', 'no')`,
      [id, at, `HL-2019-${cases}`],
    );
    await db.run(
      `insert into campaign (incident_id, started_at, started_by, scope_at, data_key, sealed_key)
       values ($1, $2, 'host', $2, $3, $4)`,
      [id, at, dataKey, sealed],
    );
  }
}

/** A single-use link as the host prints it, used. @returns the operator's session. */
async function operate(world: World): Promise<string> {
  const { secret } = await makeOperatorLink(world.service.ground);
  const body = { secret: world.wentSecret("an operator link", secretText(secret)) };
  const signedIn = await world.done("POST", "/api/operator-sessions", { body, from: "192.0.2.201" });
  return world.wentSecret("a session cookie", signedIn.cookies[sessionCookie] ?? "");
}

const operatorLinks: Feature["each"] = async (world) => {
  const { secret } = await makeOperatorLink(world.service.ground);
  world.wentSecret("an operator link", secretText(secret));
};

export const operationFeatures: readonly Feature[] = [
  {
    name: "a library",
    phase: "first",
    fills: ["series", "title", "file", "artwork", "scan", "scrub", "graphile_worker._private_job_queues"],
    once: async (world, _people, spare) => {
      const inspector = openInspector({ log: silentLog });
      const library = await testLibrary(world.db, inspector);
      try {
        await library.put("Heat (1995)/Heat (1995).mp4");
        await library.put("Dark/Season 01/Dark S01E01.mkv", library.otherClip);
        const worker = await startWorker({
          db: world.service.ground.db,
          log: silentLog,
          tasks: [...libraryTasks({ ...library.needs, random: systemRandom })],
          concurrency: { letters: 1, work: 1 },
        });
        await requestScan(library.needs);
        const made = () => world.db.one(`select 1 as made from scrub where state = 'made'`);
        while ((await made()) === undefined) await sleep(25);
        await worker.stop();
        const film = await world.db.one<{ id: string }>(`select id from title where kind = 'film'`);
        spare.titleId = film?.id ?? "";
      } finally {
        await inspector.close();
        await library.remove();
      }
    },
  },
  {
    name: "operating",
    phase: "before",
    fills: ["operator_link"],
    once: async (world, people, spare) => {
      spare.operatorCookie = await operate(world);
      const cookies = asCookie(spare.operatorCookie);
      const address = world.went("an address", "night.watch@operators.example");
      await world.done("POST", "/api/account/addresses", { body: { address }, cookies });
      const code = await world.codeSentTo(address, "sign-up code");
      await world.done("POST", "/api/account/addresses/confirm", { body: { code }, cookies });
      const second = people[1];
      // A link of the host does everything for five minutes: no second factor is asked for.
      if (second !== undefined)
        await world.done("POST", "/api/operators", { body: { address: second.address }, cookies });
    },
  },
  { name: "links for operators", phase: "before", fills: ["operator_link"], each: operatorLinks },
  {
    name: "sending the letters that wait",
    phase: "before",
    fills: ["mailbox_letter", "graphile_worker._private_tasks", "graphile_worker._private_known_crontabs"],
    once: (world, _people, _spare, count) => sendLetters(world, count),
  },
  {
    name: "sign-ins, counted",
    phase: "before",
    fills: ["sign_in_window"],
    once: ({ service }) => service.web.writeSignInCounts(),
  },
  {
    name: "changing keys",
    phase: "before",
    fills: ["key_version", "key_rewrap", "key_file"],
    once: async ({ service }) => {
      const { db, keyholders, clock, random } = service.ground;
      const keyholder = keyholders.mailer;
      const needs = { db, keys: keyholders.keeper.keys, clock, random };
      await rotateKeys(needs, ["wrap", "password"]);
      const remark = async (): Promise<void> => undefined;
      await keepKeys({ ...needs, keyholder, log: silentLog, remarkCanaries: remark });
    },
  },
  {
    name: "uses of keys, compared",
    phase: "before",
    fills: ["key_caller", "key_ledger", "key_use", "key_surplus"],
    once: async ({ service }) => {
      const { db, keyholders, clock, random } = service.ground;
      const databaseId = await readDatabaseId(db);
      // Announced, ended, and heard of again: somebody else has its secret.
      for (let n = 0; n < 64; n++) {
        const announcer = announceUse({ db, clock, random, log: silentLog }, "web", databaseId);
        await announcer.cover(1);
        await announcer.close();
        const { socketPath, credentials } = service.keyholder;
        const announcing = { secret: announcer.secret, database: databaseId, cover: () => undefined };
        const asked = { socketPath, role: "web", credential: credentials.web, announcing, log: silentLog } as const;
        const client = await connectKeyholder({ ...asked, waitMs: 10_000 });
        for (const address of ["ada", "bob"]) await client.index("address", `${address}@example.org`);
        await client.codeMac("sign-up", Buffer.alloc(32), Secret.fromText("BCDF"));
        await client.close();
      }
      const ring = (): Promise<void> => Promise.resolve();
      await compareKeyUse({ db, uses: keyholders.keeper.uses, databaseId, clock, ring });
    },
  },
  {
    name: "canaries",
    phase: "before",
    fills: ["canary"],
    once: async (world) => {
      const { db, keyholders, clock, random } = world.service.ground;
      const needs = {
        db,
        keyholder: keyholders.operator,
        clock,
        random,
        forgetProgress: async () => undefined,
      };
      const domain = "canaries.example.org";
      const order = { place: "backup-of-november", kind: "account", count: 44, domain, by: "host" } as const;
      for (const canary of await plantCanaries(needs, order)) world.went("a canary's address", canary);
    },
  },
  {
    name: "a decoy",
    phase: "before",
    fills: [decoyTable],
    once: async ({ service }) => {
      const { db, keyholders, clock, random } = service.ground;
      const needs = { db, keyholder: keyholders.operator, clock, random };
      const order = { place: "database", table: decoyTable, count: 20, domain: "canaries.example.org", by: "host" };
      await plantDecoy(needs, order);
    },
  },
  {
    name: "an alarm",
    phase: "before",
    fills: ["alarm"],
    once: async ({ service, clock }) => {
      const { db, random } = service.ground;
      await db.transaction((tx) => raiseAlarm(tx, clock.now(), random, testAlarm()));
    },
  },
  {
    name: "an incident, contained and told of",
    phase: "before",
    fills: [
      "incident",
      "incident_review",
      "campaign",
      "campaign_survey",
      "notice",
      "letter",
      "address_bounce",
      "bounce_report",
      "floor",
      "added_since",
    ],
    once: async (world, _people, spare, count) => {
      spare.operatorCookie = await operate(world);
      const opened = await world.done("POST", "/api/incidents", {
        body: { reason: "a copy of the database is for sale" },
        cookies: asCookie(spare.operatorCookie),
      });
      const path = `/api/incidents/${String(opened.body["id"])}`;
      await world.done("POST", `${path}/contain`, { body: {}, cookies: asCookie(spare.operatorCookie) });
      world.clock.advance(minuteMs);
      spare.operatorCookie = await operate(world);
      const cookies = asCookie(spare.operatorCookie);
      for (const action of ["plan", "test", "start"])
        await world.done("POST", `${path}/notify`, { body: { action }, cookies });
      await sendLetters(world, count);
      await comeBack(world, String(opened.body["id"]) as IncidentId);
      await sendLetters(world, count);
      await formerCampaigns(world);
      const body = {
        what: "a dump was left on a disk",
        closedAt: "2026-11-22T20:00:00.000Z",
        evidence: "the disk is gone",
      };
      // A link of the host holds for five minutes, and thousands of letters take longer.
      spare.operatorCookie = await operate(world);
      await world.done("PUT", `${path}/way-in`, { body, cookies: asCookie(spare.operatorCookie) });
    },
  },
  {
    name: "being refused for being too old",
    phase: "after",
    fills: ["refusal_count"],
    // Processes write what they counted every two seconds.
    once: async (world, [first]) => {
      if (first !== undefined) await world.service.call("GET", "/api/session", { cookies: asCookie(first.cookie) });
      const counted = () => world.db.one<{ kind: string }>(`select kind from refusal_count`);
      while ((await counted()) === undefined) await sleep(100);
    },
  },
  { name: "links for operators, not used", phase: "after", fills: [], each: operatorLinks },
  {
    name: "losing it all, and an operator who helps",
    phase: "last",
    fills: ["recovery"],
    once: async (world, people) => {
      const cookies = asCookie(await operate(world));
      for (const { accountId, number } of people.slice(2, -2)) {
        const address = world.went("an address", `lost.${String(number).padStart(5, "0")}@mail.example.net`);
        await world.done("POST", "/api/recoveries", { body: { accountId, address }, cookies });
      }
    },
  },
  {
    name: "the record, kept up",
    phase: "last",
    fills: [
      "timeline_checkpoint",
      "timeline_node",
      "timeline_witness",
      "timeline_cosignature",
      "instance",
      "migration",
      "graphile_worker.migrations",
    ],
    once: async ({ db, clock, service }) => {
      const instance = await db.one<{ id: string }>(`select id from instance`);
      const databaseId = instance?.id ?? "";
      const keyholder = service.ground.keyholders.mailer;
      await integrate({ db, keyholder, clock, databaseId });
      await cosigned(service, databaseId);
    },
  },
];
