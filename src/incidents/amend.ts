import type { IncidentId } from "../kernel/brand.ts";
import { fromDate, parseInstant, toDate, toIso, type Clock } from "../kernel/clock.ts";
import type { Random } from "../kernel/random.ts";
import type { Db, Tx } from "../db/db.ts";
import { append } from "../timeline/append.ts";
import type { AmendIncident, DataClass, IncidentStatus } from "../wire/incidents.ts";
import { factsOf, impossibleIn, takenOf } from "./open.ts";

interface Needs {
  readonly db: Db;
  readonly clock: Clock;
  readonly random: Random;
}

export type AmendOutcome =
  | { readonly kind: "amended" }
  /** Closed, or unknown. */
  | { readonly kind: "not-open" }
  /** Letters have been started: what they say stands. */
  | { readonly kind: "told" }
  /** Instants that do not fit together; `field` and `rule` say which, and why. */
  | { readonly kind: "impossible"; readonly field: "copiedAt" | "foundAt"; readonly rule: string };

interface Facts {
  foundAt: Date;
  foundBy: string;
  foundHow: string;
  copiedAt: Date | null;
  /** From an alarm, and no operator changes it: so a `copiedAt` that was typed wrong can be taken back. */
  readonly copiedAfter: Date | null;
  dataClasses: readonly DataClass[];
  keysReachable: IncidentStatus["keysReachable"];
}

/**
 * Adds what was not known when the case was opened: at three in the morning nobody fills in a form before containing. Deadlines and
 * letters follow it at once, until the letters are started. The next containment follows it in which added credentials still count,
 * and whether second factors are refused. What is left out stays as it was.
 */
export async function amendIncident(
  { db, clock, random }: Needs,
  id: IncidentId,
  said: AmendIncident,
  operator: string,
): Promise<AmendOutcome> {
  return db.transaction(async (tx): Promise<AmendOutcome> => {
    const row = await holdFacts(tx, id);
    if (row === undefined || row.state === "closed") return { kind: "not-open" };
    if (row.notifiedAt !== null) return { kind: "told" };
    const now = clock.now();
    const facts = amended(row, said);
    const impossible = impossibleIn(
      {
        foundAt: toIso(fromDate(facts.foundAt)),
        ...(facts.copiedAt === null ? {} : { copiedAt: toIso(fromDate(facts.copiedAt)) }),
      },
      now,
    );
    if (impossible !== undefined) return { kind: "impossible", ...impossible };
    const { foundAt, foundBy, foundHow, copiedAt, copiedAfter, dataClasses, keysReachable } = facts;
    const written = await tx.run(
      `update incident
          set found_at = $2, found_by = $3, found_how = $4, copied_at = $5, data_classes = $6, keys_reachable = $7
        where id = $1
          and (found_at, found_by, found_how, copied_at, data_classes, keys_reachable)
              is distinct from ($2::timestamptz, $3::text, $4::text, $5::timestamptz, $6::text[], $7::text)`,
      [id, foundAt, foundBy, foundHow, copiedAt, dataClasses, keysReachable],
    );
    if (written === 0) return { kind: "amended" };
    const detail = {
      operator,
      ...factsOf({
        foundAt: fromDate(foundAt),
        copiedAt: copiedAt === null ? null : fromDate(copiedAt),
        copiedAfter: copiedAfter === null ? null : fromDate(copiedAfter),
        dataClasses,
        keysReachable,
      }),
    };
    await append(tx, now, { kind: "incident changed", incidentId: id, detail }, random);
    return { kind: "amended" };
  });
}

const holdFacts = (tx: Tx, id: IncidentId) =>
  tx.one<Facts & { readonly state: string; readonly notifiedAt: Date | null }>(
    `select state, notified_at as "notifiedAt", found_at as "foundAt", found_by as "foundBy", found_how as "foundHow",
            copied_at as "copiedAt", copied_after as "copiedAfter", data_classes as "dataClasses",
            keys_reachable as "keysReachable"
       from incident where id = $1 for update`,
    [id],
  );

function amended(row: Facts, said: AmendIncident): Facts {
  const { foundAt, copiedAt, dataClasses } = said;
  return {
    foundAt: foundAt === undefined ? row.foundAt : toDate(parseInstant(foundAt)),
    foundBy: said.foundBy ?? row.foundBy,
    foundHow: said.foundHow ?? row.foundHow,
    copiedAt: copiedAt === undefined ? row.copiedAt : copiedAt === null ? null : toDate(parseInstant(copiedAt)),
    copiedAfter: row.copiedAfter,
    dataClasses: dataClasses === undefined ? row.dataClasses : takenOf(dataClasses),
    keysReachable: said.keysReachable ?? row.keysReachable,
  };
}
