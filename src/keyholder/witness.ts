import { join } from "node:path";
import { epoch as asEpoch, floorKinds, parseId } from "../kernel/brand.ts";
import type { AccountId, Epoch, FloorKind } from "../kernel/brand.ts";
import { Fault } from "../kernel/fault.ts";
import type { Log } from "../kernel/log.ts";
import { decodeChecked, encodeChecked, isCount, isRecord, readPrivateFile, writeDurably } from "./durable-file.ts";
import { inTurn } from "./in-turn.ts";
import type { Floors, Intent, TimelineHead, Witness, WitnessState } from "./keyholder.ts";

/** What is remembered of every database, by its id. */
export type WitnessBook = ReadonlyMap<string, WitnessState>;

const format = "houselights witness 1";
const limitBytes = 4 * 1024 * 1024;
/** A service has one database, a tried restore another; this many are a caller gone wrong. */
const maxDatabases = 1_000;
/**
 * How far a database may be ahead of what is remembered: far more containments than anybody owes. What is remembered
 * never sinks, so floors near the end of the numbers, written by somebody with a way into the database, would be
 * remembered for ever and leave no next one.
 */
const maxAhead = 1_000_000;

/** The file in the folder of keys. */
export const witnessPath = (folder: string): string => join(folder, "witness.json");

const refused = (what: string): Fault => new Fault("KEYHOLDER_REFUSED", what);

/** Reads an epoch from outside; `undefined` for anything but a whole number from 1. */
export const parseEpoch = (value: unknown): Epoch | undefined =>
  isCount(value) && value >= 1 ? asEpoch(value) : undefined;

/** Kinds that came after the first files were written. One that names none of them has seen none raised. */
const cameLater: ReadonlySet<FloorKind> = new Set(["account"]);

/**
 * Reads floors from outside, also what an earlier version wrote or says: one epoch for every kind, the first one for a kind that
 * it does not know, and nothing else.
 */
export function parseFloors(value: unknown): Floors | undefined {
  if (!isRecord(value)) return undefined;
  const missing = floorKinds.filter((kind) => cameLater.has(kind) && !Object.hasOwn(value, kind));
  if (Object.keys(value).length !== floorKinds.length - missing.length) return undefined;
  const entries = floorKinds.map((kind): [FloorKind, Epoch | undefined] => [
    kind,
    parseEpoch(missing.includes(kind) ? 1 : value[kind]),
  ]);
  if (entries.some(([, floor]) => floor === undefined)) return undefined;
  return Object.fromEntries(entries) as Floors;
}

export function parseHead(value: unknown): TimelineHead | undefined {
  if (!isRecord(value)) return undefined;
  const { size, rootHex } = value;
  if (!isCount(size) || typeof rootHex !== "string" || !/^[0-9a-f]{64}$/.test(rootHex)) return undefined;
  return { size, rootHex };
}

/** Reads an intent from outside; its kinds come in the order of `floorKinds`, so that two of the same are alike. */
export function parseIntent(value: unknown): Intent | undefined {
  if (!isRecord(value) || !Array.isArray(value["kinds"])) return undefined;
  const named: readonly unknown[] = value["kinds"];
  const kinds = floorKinds.filter((kind) => named.includes(kind));
  const epoch = parseEpoch(value["epoch"]);
  const head = parseHead(value["head"]);
  if (epoch === undefined || head === undefined || kinds.length === 0 || kinds.length !== named.length)
    return undefined;
  if (value["account"] === undefined) return { epoch, kinds, head };
  const account = parseId<AccountId>(value["account"]);
  return account === undefined ? undefined : { epoch, kinds, head, account };
}

/** The current epoch: the highest of the floors. */
const highest = (floors: Floors): number => Math.max(...Object.values(floors));

const higherOfEach = (one: Floors, other: Floors): Floors =>
  Object.fromEntries(floorKinds.map((kind) => [kind, Math.max(one[kind], other[kind])])) as Floors;

/** For each kind the highest of all databases; `null` while none is remembered. */
const highestOf = (book: WitnessBook): Floors | null =>
  [...book.values()].reduce<Floors | null>(
    (highestYet, { floors }) => (highestYet === null ? floors : higherOfEach(highestYet, floors)),
    null,
  );

/** Of a database in which nothing was ever contained. */
export const lowest = Object.fromEntries(floorKinds.map((kind) => [kind, asEpoch(1)])) as Floors;

const unknownDatabase = (why: string): Fault => new Fault("DATABASE_UNKNOWN", why);
// What stands after the line's end is the hint.
const anotherKnown =
  "the witness remembers another database and has never seen this one: it may be a copy\n" +
  "if it is meant to be here, stop the service and run: houselights keys adopt-database";
const newKeys =
  "these keys are new and this database is not: they open nothing in it\n" +
  "put its own keys back: houselights restore --keys FILE --replace";

const sameIntent = (one: Intent, other: Intent): boolean =>
  one.epoch === other.epoch && one.kinds.join() === other.kinds.join() && one.account === other.account;

function intended(state: WitnessState, intent: Intent): WitnessState {
  if (intent.epoch !== highest(state.floors) + 1) {
    throw refused(`epoch ${intent.epoch} is not the one after ${highest(state.floors)}`);
  }
  // The same intent again is a caller that did not hear the answer. Another one would hide that the first may be in force.
  if (state.intent !== null && !sameIntent(state.intent, intent)) {
    throw refused(`the containment announced for epoch ${state.intent.epoch} is not settled`);
  }
  return state.intent === null ? { ...state, intent } : state;
}

/**
 * Whether containments alone can have raised a floor to `epoch` since `before`. Half of `maxAhead`, so that a database that is raised above it,
 * and once more, can be remembered.
 */
export const isWithinReach = (epoch: number, before: Floors): boolean => epoch - highest(before) <= maxAhead / 2;

/** Throws KEYHOLDER_REFUSED where floors cannot have come from others by containing: see `maxAhead`. */
export function withinReach(before: Floors, floors: Floors): void {
  if (highest(floors) - highest(before) <= maxAhead) return;
  throw refused(`the database's epoch ${highest(floors)} cannot have come from ${highest(before)}: restore it`);
}

function confirmed(state: WitnessState, floors: Floors): WitnessState {
  const settles = state.intent !== null && highest(floors) >= state.intent.epoch;
  const rises = floorKinds.some((kind) => floors[kind] > state.floors[kind]);
  if (!settles && !rises) return state;
  withinReach(state.floors, floors);
  return { ...state, floors: higherOfEach(state.floors, floors), intent: settles ? null : state.intent };
}

function abandoned(state: WitnessState, epoch: Epoch): WitnessState {
  if (epoch <= highest(state.floors)) throw refused(`epoch ${epoch} is in force`);
  if (state.intent === null) return state;
  if (state.intent.epoch !== epoch) throw refused(`epoch ${epoch} was not announced`);
  return { ...state, intent: null };
}

function advanced(state: WitnessState, head: TimelineHead): WitnessState {
  if (head.size === state.head.size && head.rootHex !== state.head.rootHex) {
    throw refused(`the timeline of size ${head.size} forks from the one remembered`);
  }
  return head.size > state.head.size ? { ...state, head } : state;
}

function adopted(state: WitnessState, floors: Floors, head: TimelineHead): WitnessState {
  const behind = floorKinds.find((kind) => floors[kind] < state.floors[kind]);
  if (behind !== undefined) throw refused(`the database's floor for ${behind} is below the one remembered`);
  if (state.intent !== null) throw refused(`the containment announced for epoch ${state.intent.epoch} is not settled`);
  withinReach(state.floors, floors);
  return { ...state, floors, head };
}

/**
 * What both books together know: for each database the higher of each floor, the longer timeline (of two with the same
 * size, `present`'s) and an intent that is still ahead of the floors (`present`'s first).
 */
export function mergeBooks(present: WitnessBook, other: WitnessBook): WitnessBook {
  const merged = new Map(present);
  for (const [id, theirs] of other) {
    const ours = present.get(id);
    if (ours === undefined) {
      merged.set(id, theirs);
      continue;
    }
    const floors = higherOfEach(ours.floors, theirs.floors);
    const head = theirs.head.size > ours.head.size ? theirs.head : ours.head;
    const ahead = (intent: Intent | null): boolean => intent !== null && intent.epoch > highest(floors);
    merged.set(id, { floors, head, intent: [ours.intent, theirs.intent].find(ahead) ?? null });
  }
  return merged;
}

/**
 * What a standby remembers once it has heard the keyholder that it follows: the other's timeline and intent, which may have
 * been taken back, and never a lower floor. Throws KEYHOLDER_REFUSED if the other remembers less. Nothing new: the very same
 * book.
 */
export function followBook(ours: WitnessBook, theirs: WitnessBook): WitnessBook {
  const next = new Map(ours);
  let isNew = false;
  for (const [id, state] of theirs) {
    const known = ours.get(id);
    const behind = known === undefined ? undefined : floorKinds.find((kind) => state.floors[kind] < known.floors[kind]);
    if (behind !== undefined) throw refused(`the keyholder that is followed has a lower floor for ${behind}`);
    if (JSON.stringify(known) === JSON.stringify(state)) continue;
    next.set(id, state);
    isNew = true;
  }
  return isNew ? next : ours;
}

/** The book as the body of a checked file. */
export const encodeBook = (book: WitnessBook): Readonly<Record<string, WitnessState>> => Object.fromEntries(book);

export function parseBook(body: unknown, path: string): WitnessBook {
  const book = new Map<string, WitnessState>();
  for (const [id, value] of isRecord(body) ? Object.entries(body) : [["", undefined] as const]) {
    const floors = isRecord(value) ? parseFloors(value["floors"]) : undefined;
    const head = isRecord(value) ? parseHead(value["head"]) : undefined;
    const intent = isRecord(value) && value["intent"] !== null ? parseIntent(value["intent"]) : null;
    if (floors === undefined || head === undefined || intent === undefined) {
      throw new Fault("CONFIG_INVALID", `${path} is not a witness; nothing was changed`);
    }
    book.set(id, { floors, head, intent });
  }
  return book;
}

/** The book in a folder of keys; `undefined` if there is none. Anything else that is not a whole file is a Fault. */
export async function readBook(folder: string): Promise<WitnessBook | undefined> {
  const path = witnessPath(folder);
  const text = await readPrivateFile(path, limitBytes);
  return text === undefined ? undefined : parseBook(decodeChecked(format, text, path), path);
}

export const writeBook = (folder: string, book: WitnessBook): Promise<void> =>
  writeDurably(witnessPath(folder), encodeChecked(format, encodeBook(book)));

export interface OpenWitness extends Witness {
  /** Whether a database was ever let in. */
  knows(databaseId: string): boolean;
  /** Takes over what another witness says (`followBook`); resolves once it is on disk. */
  follow(theirs: WitnessBook): Promise<void>;
}

/**
 * The witness over its file. Operations run one after another, and each answers only after what it changed is on disk;
 * one that changes nothing writes nothing. A write that fails changes nothing in memory either.
 */
export function openWitness(
  { log, write }: { readonly log: Log; readonly write: (book: WitnessBook) => Promise<void> },
  first: WitnessBook,
): OpenWitness {
  let book = first;
  const afterOthers = inTurn();

  const change = (id: string, next: (state: WitnessState | undefined) => WitnessState): Promise<WitnessState> =>
    afterOthers(async () => {
      const before = book.get(id);
      const after = next(before);
      if (after !== before) {
        if (before === undefined && book.size >= maxDatabases) throw refused("the witness knows too many databases");
        const changed = new Map(book).set(id, after);
        await write(changed);
        book = changed;
      }
      return after;
    });

  const known = (state: WitnessState | undefined): WitnessState => {
    if (state === undefined) throw refused("the witness does not know this database: read comes first");
    return state;
  };

  return {
    knows: (id) => book.has(id),
    follow: (theirs) =>
      afterOthers(async () => {
        const changed = followBook(book, theirs);
        if (changed === book) return;
        await write(changed);
        book = changed;
      }),
    read: (id, { floors, head }) =>
      change(id, (state) => {
        if (state !== undefined) return state;
        // The first start, and nothing else, is believed: whoever can change a database can change its identity too.
        if (book.size > 0) throw unknownDatabase(anotherKnown);
        if (head.size > 0) throw unknownDatabase(newKeys);
        return { floors, head, intent: null };
      }),
    highestFloors: () => afterOthers(async () => highestOf(book)),
    enrol: async (id, { floors, head }) => {
      await change(id, (state) => {
        if (state !== undefined) return state;
        withinReach(highestOf(book) ?? lowest, floors);
        log.warn({ floors, head }, "the witness knows another database from now on");
        return { floors, head, intent: null };
      });
    },
    intend: async (id, intent) => {
      await change(id, (state) => intended(known(state), intent));
    },
    confirm: async (id, floors) => {
      await change(id, (state) => confirmed(known(state), floors));
    },
    abandon: async (id, epoch) => {
      await change(id, (state) => abandoned(known(state), epoch));
    },
    advance: async (id, head) => {
      await change(id, (state) => advanced(known(state), head));
    },
    adopt: async (id, { floors, head }) => {
      await change(id, (state) => {
        const after = adopted(known(state), floors, head);
        log.warn({ before: known(state).head, after: head }, "the witness follows another timeline from now on");
        return after;
      });
    },
  };
}
