import type { AccountId, IncidentId } from "../kernel/brand.ts";
import { toIso, type Clock, type EpochMs } from "../kernel/clock.ts";
import type { Db } from "../db/db.ts";
import type { Contained, ContainmentMode, IncidentStatus } from "../wire/incidents.ts";
import { doubtedFrom } from "../credentials/added-since.ts";
import { highest, readFloors } from "../credentials/floors.ts";
import { operatorsToCount } from "../credentials/operators.ts";
import { kindsOf, readOutlasting, type Containment } from "./contain.ts";
import { countRefused, countRefusedOf } from "./counts.ts";
import type { GivenUp } from "./despite-full-disk.ts";
import type { DeadlineRule } from "./deadlines.ts";
import { keysCallForRefusal, readCopiedSince } from "./open.ts";
import { planCampaign, type WayOut } from "./plan.ts";

/** A containment in the words of the wire. */
export function containedReply(
  contained: Exclude<Containment, { kind: "no-such-account" }>,
  givenUp: GivenUp | undefined,
): Contained {
  const { receivers, ...rest } = contained;
  return {
    ...rest,
    ...(receivers && { receivers: { ...receivers, newOnes: [...receivers.newOnes] } }),
    at: toIso(contained.at),
    floors: [...contained.floors],
    ...(givenUp === undefined ? {} : { reserve: givenUp }),
  };
}

interface Needs {
  readonly db: Db;
  readonly clock: Clock;
  readonly wayOut: WayOut;
  /** Those that are counted: see `readDeadlines`. */
  readonly deadlines: readonly DeadlineRule[];
}

/**
 * What a containment would refuse that is good now, and what telling everybody would take, counted without touching anything. Without a
 * case, as if one were opened now. What takes longer than `withinMs` to count is left out (`null`: nothing is). `undefined` for
 * an account that is nobody's.
 */
export async function wouldContain(
  { db, clock, wayOut, deadlines }: Needs,
  status: Pick<IncidentStatus, "id" | "reference"> | null,
  {
    mode,
    keepTools,
    account,
    keysReachable = false,
    withinMs,
    operator,
  }: {
    readonly mode: ContainmentMode;
    readonly keepTools: boolean;
    readonly account: AccountId | undefined;
    readonly keysReachable?: boolean;
    readonly withinMs: number | null;
    /** Who contains: their own role outlasts it. */
    readonly operator: string;
  },
): Promise<Contained | undefined> {
  const floors = await readFloors(db);
  const at: EpochMs = clock.now();
  const doubtedSince = doubtedFrom(at, status === null ? null : await readCopiedSince(db, status.id));
  const answer = {
    kind: "would-contain",
    incidentId: status?.id ?? noId,
    reference: status?.reference ?? "opens a new one",
    at: toIso(at),
    commitMs: 0,
    countedMs: 0,
    witness: "told",
  } as const;
  if (account !== undefined) {
    const counted = await countRefusedOf(db, account, at, doubtedSince);
    // One account is contained by its generation: no floor is raised.
    return counted && { ...answer, mode: "account", epoch: highest(floors), floors: [], counted };
  }
  const kinds = kindsOf(mode, keepTools, keysReachable || (await keysCallForRefusal(db)));
  const epoch = highest(floors) + 1;
  const after = { ...floors, ...Object.fromEntries(kinds.map((kind) => [kind, epoch])) };
  const incidentId = status === null ? null : (status.id as IncidentId);
  const [counted, letters] = await Promise.all([
    db.snapshotWithin(withinMs, (tx) => countRefused(tx, { before: floors, after }, at, doubtedSince)),
    db.snapshotWithin(withinMs, (tx) => planCampaign({ db: tx, clock, deadlines, ...wayOut }, incidentId)),
  ]);
  const { operators, receivers } = await readOutlasting(db, doubtedSince);
  const toCount: readonly string[] = await operatorsToCount(db, doubtedSince, operator);
  return {
    ...answer,
    mode,
    epoch,
    floors: kinds,
    counted: counted ?? null,
    operators: operators.map((one) => ({ ...one, counts: one.counts && toCount.includes(one.accountId) })),
    receivers: { ...receivers, newOnes: [...receivers.newOnes] },
    ...(letters === undefined ? {} : { letters }),
  };
}

const noId = "00000000-0000-0000-0000-000000000000";
