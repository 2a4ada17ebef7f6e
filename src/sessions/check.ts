import type { AccountId, Epoch, SessionClass, SessionId } from "../kernel/brand.ts";
import { after, fromDate, minuteMs, plus, toDate, type Clock, type EpochMs } from "../kernel/clock.ts";
import { messageOf } from "../kernel/fault.ts";
import type { Log } from "../kernel/log.ts";
import { recurring } from "../kernel/recurring.ts";
import type { Secret } from "../kernel/secret.ts";
import type { Tx } from "../db/db.ts";
import type { Presented, Proof, Viewer } from "../http/viewer.ts";
import { roleThatCounts } from "../credentials/added-since.ts";
import type { SeenFloors } from "../credentials/floors.ts";
import { inUse } from "./in-use.ts";
import { readToken } from "./tokens.ts";

interface Needs {
  readonly db: Tx;
  readonly clock: Clock;
  readonly seen: SeenFloors;
  readonly log: Log;
  /** Told of each session refused for being older than its floor; the report adds them up. */
  readonly refusedAsOld: (kind: SessionClass) => void;
}

interface SessionRow {
  accountId: AccountId;
  sessionId: SessionId;
  digest: Buffer;
  class: SessionClass;
  epoch: Epoch;
  generation: number;
  expiresAt: Date;
  provedAt: Date;
  proof: Proof;
  stronglyProvedAt: Date | null;
  stale: boolean;
  role: "viewer" | "operator";
  floor: Epoch;
}

interface Waiting {
  readonly accountId: AccountId;
  readonly sessionId: SessionId;
  /** Absent for a grant: its signature stood for the secret, and the session must still be good. */
  readonly secret: Secret | undefined;
  readonly resolve: (viewer: Viewer | null) => void;
  readonly reject: (reason: unknown) => void;
}

/** Statements under way at once, and checks in one: beyond these, waiting is cheaper than contention. */
const statementsAtOnce = 4;
const checksPerStatement = 200;
/** How exactly it is known when a device was last seen. */
const seenAgainAfterMs = 5 * minuteMs;

interface Patience {
  /** What a statement may take before the checks behind it go without it. */
  readonly lateMs?: number;
}

export interface SessionCheck {
  readonly check: (presented: Presented) => Promise<Viewer | null>;
  /** How many statements the checks have cost so far. */
  statements(): number;
}

/**
 * The check. A session is good if its row exists, the digest matches in constant time, it is not ended or expired and has
 * been used lately, its epoch is at least the floor of its class (the higher of the database's and those this process has
 * seen), and its generation equals the account's.
 *
 * Nothing is cached: every check reads, so a committed floor is in force for the next request everywhere. What arrives
 * while a statement is under way waits and shares the next one, unless there is enough of it to fill one, or the statement
 * is late: large statements cost each check half of what small ones do, and one that does not come back holds up
 * nobody else.
 *
 * Source: ASVS 5.0 7.2.3, 7.3.1, 7.3.2 and 7.4.1.
 */
export function sessionCheck(needs: Needs, { lateMs = 25 }: Patience = {}): SessionCheck {
  const { db, clock, seen, log } = needs;
  let gathered: Waiting[] = [];
  let scheduled = false;
  let underWay = 0;
  /** Those under way that are not late. */
  let awaited = 0;
  let statementCount = 0;
  const unnoted = recurring(log, { says: "last-seen times are not noted", ends: "last-seen times are noted again" });

  function pump(): void {
    scheduled = false;
    while (
      gathered.length > 0 &&
      underWay < statementsAtOnce &&
      (awaited === 0 || gathered.length >= checksPerStatement)
    ) {
      const batch = gathered.splice(0, checksPerStatement);
      underWay++;
      awaited++;
      let late = false;
      const inTime = after(lateMs, () => {
        late = true;
        awaited--;
        pump();
      });
      void judge(batch).finally(() => {
        inTime();
        underWay--;
        if (!late) awaited--;
        pump();
      });
    }
  }

  async function judge(batch: readonly Waiting[]): Promise<void> {
    try {
      const now = clock.now();
      statementCount++;
      // Two arrays and not a join to unnest: on Citus that visits the shards concerned only.
      const rows = await db.many<SessionRow>(
        `select s.account_id as "accountId", s.id as "sessionId", s.digest, s.class, s.epoch, s.generation,
                s.expires_at as "expiresAt", s.proved_at as "provedAt", s.proof,
                s.strongly_proved_at as "stronglyProvedAt", s.last_seen_at < $4 as stale,
                ${roleThatCounts("a")} as role, f.epoch as floor
           from session s
           join account a on a.id = s.account_id
           join floor f on f.kind = s.class
          where s.account_id = any($1::uuid[]) and s.id = any($2::uuid[])
            and s.ended_at is null and s.expires_at > $3 and ${inUse("$3")} and s.generation = a.generation`,
        [
          idArray(batch.map(({ accountId }) => accountId)),
          idArray(batch.map(({ sessionId }) => sessionId)),
          toDate(now),
          toDate(plus(now, -seenAgainAfterMs)),
        ],
      );
      const found = new Map<SessionId, SessionRow>();
      for (const row of rows) found.set(row.sessionId, row);
      const stale: SessionRow[] = [];
      for (const { accountId, sessionId, secret, resolve } of batch) {
        const row = found.get(sessionId);
        if (row === undefined || row.accountId !== accountId || (secret !== undefined && !secret.matches(row.digest))) {
          resolve(null);
          continue;
        }
        seen.seeOne(row.class, row.floor);
        if (row.epoch < seen.of(row.class)) {
          needs.refusedAsOld(row.class);
          resolve(null);
          continue;
        }
        if (row.stale) stale.push(row);
        resolve(toViewer(row));
      }
      if (stale.length > 0) void noteSeen(stale, now);
    } catch (thrown) {
      for (const { reject } of batch) reject(thrown);
    }
  }

  /** Device lists show when a device was last seen, to five minutes; a request never waits for it. */
  async function noteSeen(rows: readonly SessionRow[], now: EpochMs): Promise<void> {
    await db
      .run(`update session set last_seen_at = $3 where account_id = any($1::uuid[]) and id = any($2::uuid[])`, [
        rows.map(({ accountId }) => accountId),
        rows.map(({ sessionId }) => sessionId),
        toDate(now),
      ])
      .then(
        () => unnoted.over(),
        (thrown: unknown) => unnoted.found({ reason: messageOf(thrown) }),
      );
  }

  return {
    check: (presented) => {
      const asked =
        presented.kind === "grant"
          ? { accountId: presented.accountId, sessionId: presented.sessionId, secret: undefined }
          : readToken(presented.token);
      if (asked === undefined) return Promise.resolve(null);
      return new Promise((resolve, reject) => {
        gathered.push({ ...asked, resolve, reject });
        if (!scheduled) {
          scheduled = true;
          setImmediate(pump);
        }
      });
    },
    statements: () => statementCount,
  };
}

/** Ids hold nothing that an array's text would have to escape; the driver would look for it in each. */
const idArray = (ids: readonly string[]): string => `{${ids.join(",")}}`;

function toViewer(row: SessionRow): Viewer {
  return {
    accountId: row.accountId,
    sessionId: row.sessionId,
    class: row.class,
    role: row.role,
    epoch: row.epoch,
    generation: row.generation,
    expiresAt: fromDate(row.expiresAt),
    provedAt: fromDate(row.provedAt),
    proof: row.proof,
    stronglyProvedAt: row.stronglyProvedAt === null ? null : fromDate(row.stronglyProvedAt),
    digest: row.digest,
  };
}
