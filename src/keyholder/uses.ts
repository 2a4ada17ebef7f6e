import type { EpochMs } from "../kernel/clock.ts";
import type { UseHandlers } from "./answers.ts";
import { databaseIdPattern } from "./arguments.ts";
import { isRecord } from "./durable-file.ts";
import { parseRole, roles } from "./permissions.ts";
import { notUnderstood, readCount } from "./read-answer.ts";
import type { CallerUses, UseSnapshot } from "./keyholder.ts";
import { maxCallers, type UseLedger } from "./use-ledger.ts";
import { parsePurposeOfUse, type UseCounts } from "./key-uses.ts";

const callerIdPattern = /^[0-9a-f]{32}$/;

/** The operations by which what the key process served is compared with what was announced. */
export const handlersOfUses = (ledger: UseLedger, isKnown: (database: string) => boolean): UseHandlers => ({
  "uses.callers": (args) => {
    const database = args.text("database id", databaseIdPattern);
    args.end();
    return ledger.read(database, isKnown);
  },
  "uses.beyond": (args) => {
    const callerId = args.text("caller id", callerIdPattern);
    const role = args.oneOf("role", roles);
    const id = args.count("id");
    args.end();
    return ledger.beyond(callerId, role, id);
  },
  "uses.settle": (args) => {
    const callers = args.list("callers", maxCallers, (each) => ({
      id: each.text("caller id", callerIdPattern),
      role: each.oneOf("role", roles),
    }));
    args.end();
    ledger.settle(callers);
    return null;
  },
});

/** Counts by purpose, as they come over the socket. */
export function readUses(answer: unknown): UseCounts {
  if (!isRecord(answer)) throw notUnderstood();
  return Object.fromEntries(
    Object.entries(answer).map(([name, count]) => {
      const purpose = parsePurposeOfUse(name);
      if (purpose === undefined) throw notUnderstood();
      return [purpose, readCount(count)];
    }),
  );
}

function readCallerUses(answer: unknown): CallerUses {
  const role = isRecord(answer) ? parseRole(answer["role"]) : undefined;
  if (!isRecord(answer) || role === undefined || typeof answer["id"] !== "string") throw notUnderstood();
  const { id, database } = answer;
  return {
    id,
    role,
    database: typeof database === "string" ? database : null,
    firstAt: readCount(answer["firstAt"]) as EpochMs,
    lastAt: readCount(answer["lastAt"]) as EpochMs,
    highest: readCount(answer["highest"]),
    served: readUses(answer["served"]),
    contradicted: readUses(answer["contradicted"]),
  };
}

export function readSnapshot(answer: unknown): UseSnapshot {
  if (!isRecord(answer) || typeof answer["ledger"] !== "string" || !Array.isArray(answer["callers"])) {
    throw notUnderstood();
  }
  return {
    ledger: answer["ledger"],
    totals: readUses(answer["totals"]),
    callers: (answer["callers"] as readonly unknown[]).map(readCallerUses),
  };
}
