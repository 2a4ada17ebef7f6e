import { globSync } from "node:fs";
import { appendFile, mkdir, rm, statfs, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { openDb } from "../src/db/db.ts";
import { startPostgres } from "../src/db/embedded.ts";
import { readDatabaseDisk, reserveBytes, stepBytes } from "../src/db/reserve.ts";
import { browserCookie } from "../src/http/cookies.ts";
import { letterSum } from "../src/incidents/letter-sum.ts";
import type { IncidentId } from "../src/kernel/brand.ts";
import { silentLog } from "../src/kernel/log.ts";
import { connectKeyholder } from "../src/keyholder/client.ts";
import { readOperatorCredential } from "../src/keyholder/operator-credential.ts";
import { startCountingRelay } from "./counting-relay.ts";
import { populate } from "./population.ts";
import { eventually, runningService } from "./running-service.ts";
import { smallDisk } from "./small-disk.ts";

/** No film, and yet not empty: nothing is rendered, which is not what this is about. */
async function oneFile(libraryDir: string): Promise<void> {
  await mkdir(libraryDir, { recursive: true });
  await writeFile(join(libraryDir, "Heat (1995).mp4"), "not a film");
}

const disk = await smallDisk(220);

// Mounting asks for root; docs/decisions/2026-11-23-bad-input.md has what came of it.
test.skipIf(disk === undefined)(
  "a full disk: refusals in words, nothing acknowledged lost, and all is well once there is room",
  async () => {
    if (disk === undefined) return;
    const service = await runningService({ DATA_DIR: join(disk.folder, "data") }, oneFile);
    try {
      const secret = service.operatorLink();
      const operator = (await service.api("POST", "/api/operator-sessions", { body: { secret } })).cookie ?? "";
      const password = "seven lanterns over the harbour";
      const acknowledged: { address: string; jar: Map<string, string> }[] = [];
      let people = 0;
      const ask = async () => {
        const jar = new Map<string, string>();
        const address = `person-${++people}@example.org`;
        const answer = await service.api("POST", "/api/accounts", { body: { address, password }, jar });
        if (answer.status === 202) acknowledged.push({ address, jar });
        return answer;
      };
      for (let n = 0; n < 3; n++) expect((await ask()).status).toBe(202);

      const { bavail, bsize } = await statfs(disk.folder);
      await writeFile(join(disk.folder, "filler"), Buffer.alloc(bavail * bsize)).catch(() => undefined);
      const refused = await eventually(
        "a refusal",
        async () => {
          const answer = await ask();
          return answer.status === 202 ? undefined : answer;
        },
        60_000,
      );
      expect([503, 507]).toContain(refused.status);
      expect(["busy", "disk-full"]).toContain(refused.body["code"]);
      expect(refused.text).not.toMatch(/ENOSPC|No space|pg_wal/);

      await rm(join(disk.folder, "filler"));
      await eventually("the service to be well", async () => ((await ask()).status === 202 ? true : undefined), 60_000);
      const letters = await eventually(
        "every letter",
        async () => {
          const box = await service.api("GET", "/api/mailbox", { cookie: operator });
          const found = (box.body["letters"] ?? []) as { to: string; text: string }[];
          return acknowledged.every(({ address }) => found.some(({ to }) => to === address)) ? found : undefined;
        },
        60_000,
      );
      for (const { address, jar } of acknowledged) {
        const text = letters.find(({ to }) => to === address)?.text ?? "";
        const code = /\b[BCDFGHJKLMNPQRSTVWXZ]{5}-[BCDFGHJKLMNPQRSTVWXZ]{5}\b/.exec(text)?.[0];
        const confirmed = await service.api("POST", "/api/accounts/confirm", { body: { code }, jar });
        expect([address, confirmed.status]).toEqual([address, 201]);
        expect(jar.has(browserCookie)).toBe(true);
      }
    } finally {
      await service.remove();
    }
  },
  240_000,
);

const containDisk = await smallDisk(240);

test.skipIf(containDisk === undefined)(
  "containing works on a full disk: by route, by command, without room for a connection, and after PostgreSQL panicked",
  async () => {
    if (containDisk === undefined) return;
    const { folder } = containDisk;
    const dataDir = join(folder, "data");
    const filler = join(folder, "filler");
    const fill = async (): Promise<void> => {
      const { bavail, bsize } = await statfs(folder);
      await appendFile(filler, Buffer.alloc(bavail * bsize)).catch(() => undefined);
    };
    const kept = async () => (await readDatabaseDisk(dataDir))?.reserveBytes;
    const makeRoom = async (): Promise<void> => {
      await rm(filler);
      await eventually("the reserve", async () => ((await kept()) === reserveBytes ? true : undefined), 30_000);
    };
    const service = await runningService({ DATA_DIR: dataDir }, oneFile);
    const signUp = (address: string) =>
      service.api("POST", "/api/accounts", { body: { address, password: "seven lanterns over the harbour" } });
    // Until nothing more is written: what PostgreSQL still had room for is used up first.
    const fillUntilRefused = () =>
      eventually(
        "a refusal",
        async () => {
          await fill();
          return (await signUp("somebody@example.org")).status === 202 ? undefined : true;
        },
        60_000,
      );
    const contain = (...options: string[]) => service.command("incident", "contain", "--yes", "--json", ...options);
    const givenUp = (text: string) => JSON.parse(text) as { witness: string; reserve?: { givenUpBytes: number } };
    try {
      await eventually("the reserve", async () => ((await kept()) === reserveBytes ? true : undefined), 30_000);
      const secret = service.operatorLink();
      const operator = (await service.api("POST", "/api/operator-sessions", { body: { secret } })).cookie ?? "";
      const opened = await service.api("POST", "/api/incidents", { body: { reason: "test" }, cookie: operator });
      expect(opened.status, opened.text).toBe(201);

      // What an operator is told before: there is less than 1 GiB on this disk.
      const disk = { state: "low", reserveBytes, wantedReserveBytes: reserveBytes };
      const told = await service.api("GET", "/api/console", { cookie: operator });
      expect(told.body["disk"]).toMatchObject(disk);
      expect((await service.api("GET", "/metrics")).text).toMatch(
        new RegExp(`^houselights_database_reserve_bytes\\{.*\\} ${reserveBytes}$`, "m"),
      );
      expect((await service.command("incident", "status")).out).toMatch(
        /low: \d+ MiB are free; 64 MiB of 64 MiB are kept/,
      );
      expect(service.output()).toContain("less than 1 GiB is free on the database's disk");

      await fillUntilRefused();
      // Nothing but containing touches it.
      expect(await kept()).toBe(reserveBytes);
      const path = `/api/incidents/${String(opened.body["id"])}/contain`;
      const byRoute = await service.api("POST", path, { body: {}, cookie: operator });
      expect([byRoute.status, byRoute.text]).toEqual([200, expect.stringContaining(`"witness":"told"`)]);
      expect(byRoute.body["reserve"]).toEqual({ givenUpBytes: stepBytes, leftBytes: reserveBytes - stepBytes });
      expect((await service.api("GET", "/api/session", { cookie: operator })).status).toBe(401);

      await makeRoom();
      await fillUntilRefused();
      const byCommand = await service.command("incident", "contain", "--yes");
      expect([byCommand.code, byCommand.out]).toEqual([0, expect.stringContaining("32 MiB of reserve were given up")]);

      // What PostgreSQL removes when a catalogue changes, and writes again for the next connection: none is let in meanwhile.
      await makeRoom();
      await fillUntilRefused();
      for (const file of globSync(join(dataDir, "postgres/cluster/{base/*,global}/pg_internal.init"))) await rm(file);
      // What that freed.
      await fill();
      expect((await service.command("incident", "list")).err).toContain("disk is full");
      const unconnected = await contain();
      expect([unconnected.code, unconnected.err]).toEqual([0, expect.anything()]);
      expect(givenUp(unconnected.out)).toMatchObject({ witness: "told", reserve: { givenUpBytes: stepBytes } });

      await makeRoom();
      const { connection } = await startPostgres({ dataDir, log: silentLog, role: "command" });
      const db = openDb({ connection, log: silentLog, maxConnections: 1 });
      await db.one("select 1 as here");
      await fill();
      // No transaction and no row: WAL alone, until there is no room for a segment of it.
      const writeWal = async (): Promise<void> => {
        for (;;) await db.one("select pg_logical_emit_message(false, 'test', repeat('x', 4000000), true)");
      };
      await expect(writeWal()).rejects.toMatchObject({ code: "DB_UNAVAILABLE" });
      await db.close();
      await fill();
      const panicked = await contain();
      expect([panicked.code, panicked.err]).toEqual([0, expect.anything()]);
      expect(givenUp(panicked.out)).toMatchObject({ witness: "told", reserve: { givenUpBytes: stepBytes } });

      await rm(filler);
      await eventually(
        "the service to be well",
        async () => ((await signUp("other@example.org")).status === 202 ? true : undefined),
        60_000,
      );
      expect((await service.command("timeline", "verify")).code).toBe(0);
      expect(service.output()).toContain("the database's disk is full");
    } finally {
      await service.remove();
    }
  },
  240_000,
);

const campaignDisk = process.env["FULL_DISK_CAMPAIGN"] === undefined ? undefined : await smallDisk(240);
// Also where a test was left out.
afterAll(async () => {
  await disk?.remove();
  await containDisk?.remove();
  await campaignDisk?.remove();
});
const accounts = 600;

// Half a minute and more: the same, with the database's own error raised where a disk that is full raises it, is in src/incidents/walk.test.ts.
test.skipIf(campaignDisk === undefined)(
  "a disk that fills during a campaign: letters stop, and once there is room every account has one, none lost and each twice counted",
  async () => {
    if (campaignDisk === undefined) return;
    const relay = await startCountingRelay();
    const dataDir = join(campaignDisk.folder, "data");
    const settings = {
      DATA_DIR: dataDir,
      SMTP_URL: relay.url,
      CONTACT_ADDRESS: "help@films.example",
      RELAY_ALLOWANCE: "72000/hour",
    };
    // The population's keys are used from here, by nobody who announces it.
    const service = await runningService(settings, oneFile, { surplusIsMeant: true });
    const { connection } = await startPostgres({ dataDir, log: silentLog, role: "command" });
    const db = openDb({ connection, log: silentLog, maxConnections: 2 });
    try {
      const credential = await readOperatorCredential(join(dataDir, "keys"));
      const keyholder = await connectKeyholder({ ...credential, role: "operator", log: silentLog });
      const people = await populate(db, keyholder, { accounts });
      await keyholder.close();
      expect((await service.command("incident", "contain", "--yes", "--reason", "test")).code).toBe(0);
      expect((await service.command("incident", "notify", "--yes")).code).toBe(0);
      await eventually("letters", async () => (relay.letters.length > 60 ? true : undefined), 60_000);

      const filler = join(campaignDisk.folder, "filler");
      for (let still = 0, before = -1; still < 5; still = relay.letters.length === before ? still + 1 : 0) {
        // What is freed meanwhile is taken too.
        const { bavail, bsize } = await statfs(campaignDisk.folder);
        await appendFile(filler, Buffer.alloc(bavail * bsize)).catch(() => undefined);
        before = relay.letters.length;
        await new Promise((resolve) => setTimeout(resolve, 1_000));
      }
      const atFull = relay.letters.length;
      console.log(`${atFull} letters had gone when the disk was full`);
      expect(atFull).toBeLessThan(accounts);

      await rm(filler);
      const incidentId = await eventually(
        "the campaign's end",
        async () => {
          const found = await db
            .one<{ id: IncidentId }>(`select id from incident where letters_finished_at is not null`)
            .catch(() => undefined);
          return found?.id;
        },
        240_000,
      );
      const sum = await letterSum(db, incidentId);
      expect(sum).toMatchObject({ scope: accounts, handedOver: accounts, waiting: 0, refused: 0 });
      expect(new Set(relay.letters.map(({ to }) => to)).size).toBe(people.length);
      const twice = relay.letters.length - accounts;
      console.log(`${twice} went twice, ${sum!.possiblyTwice} are counted as possibly twice`);
      expect(twice).toBeLessThanOrEqual(sum!.possiblyTwice);
      expect((await service.command("timeline", "verify")).code).toBe(0);
    } finally {
      await db.close();
      await service.remove();
      await relay.stop();
    }
  },
  480_000,
);
