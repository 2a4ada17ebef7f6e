import { expect, test } from "vitest";
import { startCampaign } from "../src/incidents/campaign.ts";
import { letterSum } from "../src/incidents/letter-sum.ts";
import { sleep } from "../src/kernel/clock.ts";
import { containedCase } from "./contained-case.ts";
import { populate } from "./population.ts";
import { goodPassword } from "./service.ts";
import { workerOverRelay } from "./worker-over-relay.ts";

/**
 * The whole worker, with a relay that has every letter of a campaign that it can have at once and answers none of them: a code
 * leaves over a connection of its own.
 */
const { service, relay, start } = await workerOverRelay();

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
  await startCampaign({ db, clock, random, keyholder: ground.keyholders.web, service: films }, incidentId, "operator");
  const stop = await start();
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
