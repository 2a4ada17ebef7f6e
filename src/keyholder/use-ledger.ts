import { createHash, randomUUID } from "node:crypto";
import { rename } from "node:fs/promises";
import { join } from "node:path";
import { minuteMs, secondMs, sleep, type Clock, type EpochMs } from "../kernel/clock.ts";
import { Fault, messageOf } from "../kernel/fault.ts";
import type { Log } from "../kernel/log.ts";
import { recurring } from "../kernel/recurring.ts";
import { databaseIdPattern } from "./arguments.ts";
import { decodeChecked, encodeChecked, isCount, isRecord, readPrivateFile, writeDurably } from "./durable-file.ts";
import type { Caller, Role, UseSnapshot } from "./keyholder.ts";
import { parsePurposeOfUse, usePurposes, type UseCounts, type UsePurpose } from "./key-uses.ts";
import { parseRole, type Operation } from "./permissions.ts";
import { purposeOfUse } from "./use-purposes.ts";

export interface UseLedger {
  /** Notes a call that is about to be answered. Nothing for a call that uses no key. */
  note(caller: Caller, operation: Operation, id: number): void;
  /**
   * What somebody has to explain who compares for this database: its own callers; callers that name no database, or one that `isKnown`
   * does not know; and callers of another database whose service did not compare in the five minutes before their last use.
   */
  read(database: string, isKnown: (database: string) => boolean): UseSnapshot;
  /** What a caller was served above an id, by purpose. */
  beyond(callerId: string, role: Role, id: number): UseCounts;
  /** Forgets callers that are over, but not those that were served something since they were read; the totals keep all of it. */
  settle(callers: readonly { readonly id: string; readonly role: Role }[]): void;
  /** Writes down what is not on disk yet. */
  close(): Promise<void>;
}

const format = "houselights uses of keys 1";
const limitBytes = 64 * 1024 * 1024;
/** Ids in one block, in which each is told apart; and how many blocks a caller has before the oldest is only counted. */
const blockSize = 1_024;
const maxBlocks = 8;
/** More callers than any service has processes in a day; those above share one entry for each role, which nobody announces. */
export const maxCallers = 4_096;
/** Callers that have no name, and those above the limit. Neither can be announced. */
export const namelessCaller = "0".repeat(32);
const crowd = "f".repeat(32);
const callerPattern = /^[0-9a-f]{32}$/;
/** A service that compares does so every minute. */
const comparesWithinMs = 5 * minuteMs;
/** How much a kill -9 may take with it. */
const writtenEveryMs = secondMs;

/** The id of a caller: who knows it does not know the secret. */
export const callerIdOf = (secret: Uint8Array): string =>
  createHash("sha256").update("houselights caller 1\0").update(secret).digest("hex").slice(0, 32);

type Counts = Map<UsePurpose, number>;

interface Entry extends Caller {
  readonly firstAt: EpochMs;
  lastAt: EpochMs;
  highest: number;
  /** For each id of a block 0, or one more than the index of its purpose in `usePurposes`. */
  readonly blocks: Map<number, Uint8Array>;
  /** Ids below this are no longer told apart. */
  foldedBefore: number;
  readonly folded: Counts;
  readonly contradicted: Counts;
}

const add = (counts: Counts, purpose: UsePurpose, count = 1): unknown =>
  counts.set(purpose, (counts.get(purpose) ?? 0) + count);

const plain = (counts: Counts): UseCounts => Object.fromEntries(counts);

function parseCounts(value: unknown): Counts | undefined {
  if (!isRecord(value)) return undefined;
  const counts: Counts = new Map();
  for (const [name, count] of Object.entries(value)) {
    const purpose = parsePurposeOfUse(name);
    if (purpose === undefined || !isCount(count)) return undefined;
    counts.set(purpose, count);
  }
  return counts;
}

/** Counts the cells of an entry's blocks above an id. */
function countCells(entry: Entry, above: number, into: Counts): void {
  for (const [block, cells] of entry.blocks) {
    for (const [n, cell] of cells.entries()) {
      const purpose = usePurposes[cell - 1];
      if (purpose !== undefined && block * blockSize + n > above) add(into, purpose);
    }
  }
}

const isCrowd = ({ id }: Pick<Caller, "id">): boolean => id === namelessCaller || id === crowd;

/**
 * Opens the ledger in the folder of keys. A file that is damaged is put beside and another begun, with a line in the log: it must
 * not keep the keys from being served.
 */
export async function openUseLedger(
  { clock, log }: { readonly clock: Clock; readonly log: Log },
  folder: string,
): Promise<UseLedger> {
  const path = join(folder, "uses.json");
  const found = await read(path, log);
  const { ledger, totals, entries } = found ?? {
    ledger: randomUUID(),
    totals: new Map() as Counts,
    entries: new Map<string, Entry>(),
  };
  const openedAt = clock.now();
  const comparedAt = new Map<string, EpochMs>();
  /** Those that were served something that nobody has read: a use between a comparison and its end would be forgotten uncompared. */
  const unread = new Set<Entry>(entries.values());
  const closing = new AbortController();
  let writing: Promise<void> | undefined;
  let isDirty = false;
  const unwritten = recurring(log, {
    says: "uses of keys could not be written down",
    ends: "uses of keys are written down again",
  });

  const write = (): Promise<void> => {
    isDirty = false;
    return writeDurably(path, encodeChecked(format, encode(ledger, totals, entries))).then(
      () => unwritten.over(),
      (thrown: unknown) => {
        isDirty = true;
        unwritten.found({ error: messageOf(thrown) }, messageOf(thrown));
      },
    );
  };

  function changed(): void {
    isDirty = true;
    // The pause first: what comes within it shares one writing.
    writing ??= sleep(writtenEveryMs, closing.signal)
      .then(write)
      .finally(() => {
        writing = undefined;
        if (isDirty && !closing.signal.aborted) changed();
      });
  }

  function entryOf(caller: Caller): Entry {
    const key = `${caller.id} ${caller.role}`;
    const known = entries.get(key);
    if (known !== undefined) return known;
    if (entries.size >= maxCallers && !isCrowd(caller)) return entryOf({ ...caller, id: crowd, database: null });
    const now = clock.now();
    const entry: Entry = {
      ...caller,
      firstAt: now,
      lastAt: now,
      highest: 0,
      blocks: new Map(),
      foldedBefore: 0,
      folded: new Map(),
      contradicted: new Map(),
    };
    entries.set(key, entry);
    return entry;
  }

  /** Only counts the oldest block, once there are too many to tell apart. */
  function fold(entry: Entry): void {
    while (entry.blocks.size > maxBlocks) {
      const oldest = Math.min(...entry.blocks.keys());
      for (const cell of entry.blocks.get(oldest) ?? []) {
        const purpose = usePurposes[cell - 1];
        if (purpose !== undefined) add(entry.folded, purpose);
      }
      entry.blocks.delete(oldest);
      entry.foldedBefore = Math.max(entry.foldedBefore, (oldest + 1) * blockSize);
    }
  }

  return {
    note(caller, operation, id) {
      const purpose = purposeOfUse[operation];
      if (purpose === null) return;
      const entry = entryOf(caller);
      entry.lastAt = clock.now();
      unread.add(entry);
      changed();
      // Who has no name has no numbers of its own either, and every call counts.
      if (isCrowd(entry) || id < entry.foldedBefore) {
        add(entry.folded, purpose);
        add(totals, purpose);
        return;
      }
      const block = Math.floor(id / blockSize);
      let cells = entry.blocks.get(block);
      if (cells === undefined) {
        cells = new Uint8Array(blockSize);
        entry.blocks.set(block, cells);
        fold(entry);
      }
      const before = usePurposes[(cells[id % blockSize] ?? 0) - 1];
      if (before === purpose) return;
      if (before === undefined) cells[id % blockSize] = usePurposes.indexOf(purpose) + 1;
      else add(entry.contradicted, purpose);
      entry.highest = Math.max(entry.highest, id);
      add(totals, purpose);
    },
    read(database, isKnown) {
      comparedAt.set(database, clock.now());
      const callers = [...entries.values()].filter(({ database: of, lastAt }) => {
        if (of === null || of === database || !isKnown(of)) return true;
        return lastAt > (comparedAt.get(of) ?? openedAt) + comparesWithinMs;
      });
      return {
        ledger,
        totals: plain(totals),
        callers: callers.map((entry) => {
          unread.delete(entry);
          const { id, role, database: of, firstAt, lastAt, highest, contradicted } = entry;
          const served: Counts = new Map(entry.folded);
          countCells(entry, -1, served);
          return {
            id,
            role,
            database: of,
            firstAt,
            lastAt,
            highest,
            served: plain(served),
            contradicted: plain(contradicted),
          };
        }),
      };
    },
    beyond(callerId, role, id) {
      const entry = entries.get(`${callerId} ${role}`);
      if (entry === undefined) return {};
      const counts: Counts = new Map();
      countCells(entry, id, counts);
      // As many of those that are only counted as cannot lie below the id.
      let certain = [...entry.folded.values()].reduce((sum, count) => sum + count, 0) - id;
      for (const [purpose, count] of entry.folded) {
        if (certain <= 0) break;
        add(counts, purpose, Math.min(count, certain));
        certain -= count;
      }
      return plain(counts);
    },
    settle(callers) {
      for (const { id, role } of callers) {
        const entry = entries.get(`${id} ${role}`);
        if (entry === undefined || unread.has(entry)) continue;
        entries.delete(`${id} ${role}`);
        changed();
      }
    },
    close: async () => {
      closing.abort();
      await writing;
      if (isDirty) await write();
    },
  };
}

interface Read {
  readonly ledger: string;
  readonly totals: Counts;
  readonly entries: Map<string, Entry>;
}

const encode = (ledger: string, totals: Counts, entries: ReadonlyMap<string, Entry>): object => ({
  ledger,
  totals: plain(totals),
  callers: [...entries.values()].map(({ blocks, folded, contradicted, ...entry }) => ({
    ...entry,
    folded: plain(folded),
    contradicted: plain(contradicted),
    blocks: [...blocks].map(([block, cells]) => [block, Buffer.from(cells).toString("base64")]),
  })),
});

async function read(path: string, log: Log): Promise<Read | undefined> {
  const text = await readPrivateFile(path, limitBytes);
  if (text === undefined) return undefined;
  try {
    return parse(decodeChecked(format, text, path));
  } catch (thrown) {
    if (!(thrown instanceof Fault)) throw thrown;
    const aside = `${path}.damaged-${createHash("sha256").update(text).digest("hex").slice(0, 12)}`;
    await rename(path, aside);
    log.error(
      { aside },
      "the uses of keys that were written down cannot be read: they are put aside, and counted anew",
    );
    return undefined;
  }
}

function parse(body: unknown): Read {
  const wrong = (): Fault => new Fault("CONFIG_INVALID", "not the body of a file of uses");
  const totals = isRecord(body) ? parseCounts(body["totals"]) : undefined;
  if (!isRecord(body) || totals === undefined || typeof body["ledger"] !== "string") throw wrong();
  const callers: unknown = body["callers"];
  if (!Array.isArray(callers)) throw wrong();
  const entries = new Map<string, Entry>();
  for (const each of callers) {
    const entry = parseEntry(each);
    if (entry === undefined) throw wrong();
    entries.set(`${entry.id} ${entry.role}`, entry);
  }
  return { ledger: body["ledger"], totals, entries };
}

function parseEntry(value: unknown): Entry | undefined {
  if (!isRecord(value) || !Array.isArray(value["blocks"])) return undefined;
  const { id, database, firstAt, lastAt, highest, foldedBefore } = value;
  const [role, folded, contradicted] = [
    parseRole(value["role"]),
    parseCounts(value["folded"]),
    parseCounts(value["contradicted"]),
  ];
  if (typeof id !== "string" || !callerPattern.test(id) || role === undefined) return undefined;
  if (folded === undefined || contradicted === undefined) return undefined;
  if (!isCount(firstAt) || !isCount(lastAt) || !isCount(highest) || !isCount(foldedBefore)) return undefined;
  const blocks = new Map<number, Uint8Array>();
  for (const each of value["blocks"] as readonly unknown[]) {
    const [block, text]: readonly unknown[] = Array.isArray(each) ? each : [];
    const cells = typeof text === "string" ? Buffer.from(text, "base64") : undefined;
    if (!isCount(block) || cells?.length !== blockSize) return undefined;
    blocks.set(block, new Uint8Array(cells));
  }
  return {
    id,
    role,
    database: typeof database === "string" && databaseIdPattern.test(database) ? database : null,
    firstAt: firstAt as EpochMs,
    lastAt: lastAt as EpochMs,
    highest,
    foldedBefore,
    folded,
    contradicted,
    blocks,
  };
}

/** Reads what a hello says of the caller; one that says nothing has no name. */
export function readCaller(hello: Readonly<Record<string, unknown>>, role: Role): Caller {
  const { caller, database } = hello;
  const secret = typeof caller === "string" ? Buffer.from(caller, "base64") : Buffer.alloc(0);
  return {
    id: secret.length === 32 ? callerIdOf(secret) : namelessCaller,
    role,
    database: typeof database === "string" && databaseIdPattern.test(database) ? database : null,
  };
}
