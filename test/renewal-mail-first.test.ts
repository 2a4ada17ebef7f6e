import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { startWorkerProcess } from "../src/app-worker.ts";
import { parseConfig } from "../src/config/config.ts";
import { testConnection, testDatabase } from "../src/db/test-database.ts";
import { startCampaign } from "../src/incidents/campaign.ts";
import { letterSum } from "../src/incidents/letter-sum.ts";
import { sleep, systemClock } from "../src/kernel/clock.ts";
import { silentLog } from "../src/kernel/log.ts";
import { containedCase } from "./contained-case.ts";
import { openService } from "./open-service.ts";
import { populate } from "./population.ts";
import { goodPassword } from "./service.ts";
import { startTestRelay } from "./smtp-server.ts";

/**
 * The whole worker, with a relay that has every letter of a campaign that it can have at once and answers none of them: a code
 * leaves over a connection of its own.
 */
const template = await testDatabase();
const connection = testConnection(String(template.pool.options.database));
const service = await openService({ connection, startAt: systemClock.now() });
const relay = await startTestRelay();
const folder = await mkdtemp(join(tmpdir(), "houselights-first-"));
// A library that has something in it gets no films drawn.
await writeFile(join(folder, "nothing.txt"), "");
const { credentials, socketPath } = service.keyholder;
afterAll(async () => {
  await service.close();
  await rm(folder, { recursive: true, force: true });
});

test("a code to renew is taken while the relay has every letter of a campaign that it can have, and answers none", async () => {
  const { ground, clock } = service;
  const { db, random } = ground;
  const address = "waits-for-a-code@example.org";
  await service.account(address, goodPassword);
  // So many that none of ten connections is free, whoever they go to.
  const domains = Array.from({ length: 40 }, (_, number) => `mail-${number}.example`);
  const everybody = await populate(db, ground.keyholders.web, { accounts: 60, at: clock.now(), domains });
  for (const { address: to } of everybody) relay.script(to, { at: "rcpt", does: "hang" });
  clock.advance(1);
  const incidentId = await containedCase({ db, clock, random }, { at: clock.now() });
  const films = { name: "House of Films", origin: "https://films.example", contact: null };
  await startCampaign({ db, clock, random, service: films }, incidentId, "operator");
  const stop = await startWorkerProcess({
    config: parseConfig(
      {
        DATA_DIR: folder,
        LIBRARY_DIR: folder,
        LOG_LEVEL: "silent",
        SMTP_URL: relay.url,
        MAIL_FROM: "no-reply@films.example",
      },
      folder,
    ),
    surroundings: { connection, keyholder: { socketPath, credentials } },
    log: silentLog,
  });
  const tried = () => everybody.filter((one) => relay.attempts(one.address) > 0).length;
  try {
    while (tried() < 10) await sleep(20);
    const before = await letterSum(db, incidentId);
    await service.call("POST", "/api/renewals", { body: { address } });
    while (!relay.letters.some(({ to, subject }) => to === address && /renew/i.test(subject))) await sleep(20);
    // Nothing else has gone meanwhile, but for the letter to whoever asked.
    expect((await letterSum(db, incidentId))?.handedOver).toBeLessThanOrEqual(1);
    expect(before?.waiting).toBeGreaterThanOrEqual(60);
  } finally {
    await Promise.all([stop(), relay.stop()]);
  }
}, 60_000);
