import type { IncidentId } from "../src/kernel/brand.ts";
import { toDate, type EpochMs } from "../src/kernel/clock.ts";
import { openIncident } from "../src/incidents/open.ts";

type Needs = Parameters<typeof openIncident>[0];

/** A case that says it was contained `at`: for what comes after a containment and does not depend on the floors. */
export async function containedCase(
  needs: Needs,
  { at = needs.clock.now(), copiedAt = null }: { readonly at?: EpochMs; readonly copiedAt?: EpochMs | null } = {},
): Promise<IncidentId> {
  const opened = await openIncident(needs, { reason: "a copy is for sale" }, "operator");
  if (opened.kind !== "opened") throw new Error("a case is in hand");
  await needs.db.run(
    `update incident set state = 'contained', containment = 'everyone-out', contained_at = $2, copied_at = $3,
            epoch = 2 where id = $1`,
    [opened.incidentId, toDate(at), copiedAt === null ? null : toDate(copiedAt)],
  );
  return opened.incidentId;
}
