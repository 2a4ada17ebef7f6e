import { expect } from "vitest";
import type { IncidentId } from "../src/kernel/brand.ts";
import { plus, systemClock } from "../src/kernel/clock.ts";
import { systemRandom } from "../src/kernel/random.ts";
import type { Db } from "../src/db/db.ts";
import { startCampaign } from "../src/incidents/campaign.ts";
import type { TestKeyholder } from "../src/keyholder/test-keyholder.ts";
import { containedCase } from "./contained-case.ts";
import { populate, type PersonInPopulation } from "./population.ts";

/** Many providers, so that none of them is what takes the time. */
const domains = Array.from({ length: 40 }, (_, number) => `mail-${number}.example`);

/** A contained case whose campaign has begun, to so many people: its scope is frozen, and no letter has gone. */
export async function startedCampaign(
  { db, keyholder }: { readonly db: Db; readonly keyholder: TestKeyholder },
  accounts: number,
): Promise<{ readonly incidentId: IncidentId; readonly people: readonly PersonInPopulation[] }> {
  const web = await keyholder.connect("web");
  const people = await populate(db, web, { accounts, domains });
  const needs = {
    db,
    clock: systemClock,
    random: systemRandom,
    keyholder: web,
    service: { name: "House of Films", origin: "https://films.example", contact: null },
  };
  const incidentId = await containedCase(needs, { at: plus(systemClock.now(), 1) });
  expect(await startCampaign(needs, incidentId, "operator")).toMatchObject({ kind: "started", isFrozen: true });
  return { incidentId, people };
}
