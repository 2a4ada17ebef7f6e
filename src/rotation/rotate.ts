import { dayMs, fromDate, hourMs, minuteMs, plus, toDate, toIso, type Clock, type EpochMs } from "../kernel/clock.ts";
import { Fault } from "../kernel/fault.ts";
import type { Random } from "../kernel/random.ts";
import { numbered } from "../kernel/numbered.ts";
import type { Db, Tx } from "../db/db.ts";
import type { KeyKeeping, KeyPurpose, KeyState } from "../keyholder/keyholder.ts";
import { keyPurposes } from "../keyholder/keys.ts";
import { enqueue } from "../jobs/jobs.ts";
import { append } from "../timeline/append.ts";
import { readTimeline } from "../timeline/read.ts";
import { countVersions, type NamedVersion } from "./count-versions.ts";
import { compareKeys, markClosing } from "./key-versions.ts";

export interface RotationNeeds {
  readonly db: Db;
  /** The keeper's. */
  readonly keys: KeyKeeping;
  readonly clock: Clock;
  readonly random: Random;
}

/** Grants are good for six hours after they were signed; a little more, for clocks that differ. */
const grantsLiveMs = 6 * hourMs + 5 * minuteMs;

/** How long after a letter left its bounce still counts. */
const bouncesLiveMs = 14 * dayMs;
/** Receivers may keep our public keys for a quarter of an hour; one that is prepared for longer is known to all of them. */
export const setKeysKeptMs = 15 * minuteMs;
export const preparedForMs = hourMs;
/** A SET is checked when it arrives, or soon after. */
const setsCheckedWithinMs = 24 * hourMs;

/** What every rotation leaves to be done, in the worker. */
export const queueKeeping = (tx: Tx): Promise<void> => enqueue(tx, "keep-keys", {}, { key: "keep-keys" });

/** The last rotation of several keys, if some of them were not made: it is under way, was cut off or was refused. */
export interface UnfinishedRotation {
  readonly begunAt: EpochMs;
  readonly left: readonly KeyPurpose[];
}

/**
 * What the last rotation of several keys has left, by the versions that its first entry of the timeline says there were. One
 * that makes a single key leaves nothing.
 */
export async function readUnfinished({
  db,
  keys,
}: Pick<RotationNeeds, "db" | "keys">): Promise<UnfinishedRotation | null> {
  const [begun] = await readTimeline(db, { kinds: ["rotation begun"], limit: 1 });
  if (begun === undefined) return null;
  const { states } = await keys.states();
  const left = states
    .filter((state) => highestOf(state) === begun.detail?.[state.purpose])
    .map(({ purpose }) => purpose);
  return left.length === 0 ? null : { begunAt: begun.at, left };
}

/** The version that was made last, in use or prepared. */
const highestOf = ({ versions }: KeyState): number => Math.max(0, ...versions.map(({ version }) => version));

const stateOf = (states: readonly KeyState[], purpose: KeyPurpose): KeyState => {
  const state = states.find((each) => each.purpose === purpose);
  if (state === undefined) throw new Fault("IMPOSSIBLE", `the keyholder says nothing of ${purpose}`);
  return state;
};

export interface Rotated {
  readonly purpose: KeyPurpose;
  readonly version: number;
  /** Made, and not in use: an RSA key, whose public half has to be published first. */
  readonly isPrepared: boolean;
}

export type RotateOutcome =
  | { readonly kind: "rotated"; readonly rotated: readonly Rotated[] }
  /** Some may have been made before the one that was refused; they stay. `left` are those that were not. */
  | {
      readonly kind: "refused";
      readonly reason: string;
      readonly left: readonly KeyPurpose[];
      /** Whether the oldest version has to go first. */
      readonly isFull: boolean;
      readonly rotated: readonly Rotated[];
    };

/**
 * Makes a new version of each purpose's key. From the answer on everything new is made with it, on every process; what
 * was made before stays readable, and the worker seals it again. Each version is on disk before the next is made, and in
 * the timeline with the first process that sees it. Where there are several, which versions there were is in the timeline before
 * the first is made: what a rotation that is killed has left is known by it (`readUnfinished`).
 */
export async function rotateKeys(
  needs: RotationNeeds,
  purposes: readonly KeyPurpose[] = keyPurposes,
): Promise<RotateOutcome> {
  const { db, keys, clock, random } = needs;
  await compareKeys(needs);
  if (purposes.length > 1) {
    const { states } = await keys.states();
    const detail = Object.fromEntries(purposes.map((each) => [each, highestOf(stateOf(states, each))]));
    await db.transaction((tx) => append(tx, clock.now(), { kind: "rotation begun", detail }, random));
  }
  const rotated: Rotated[] = [];
  let reason: string | undefined;
  let isFull = false;
  for (const purpose of purposes) {
    const before = stateOf((await keys.states()).states, purpose);
    try {
      await keys.rotate(purpose, highestOf(before));
    } catch (thrown) {
      // A hardware module that goes away comes between two keys: what was made before is said, and noted.
      if (!(thrown instanceof Fault) || (thrown.code !== "KEYHOLDER_REFUSED" && rotated.length === 0)) throw thrown;
      isFull = thrown.code === "KEYHOLDER_REFUSED";
      reason = thrown.message.replace(/^keyholder: /, "");
      break;
    }
    const after = stateOf((await keys.states()).states, purpose);
    const version = highestOf(after);
    rotated.push({ purpose, version, isPrepared: version > after.newest });
  }
  await compareKeys(needs);
  await queueKeeping(db);
  if (reason === undefined) return { kind: "rotated", rotated };
  const left = purposes.filter((one) => !rotated.some(({ purpose }) => purpose === one));
  return { kind: "refused", reason, rotated, left, isFull };
}

/** Takes a prepared version into use: its record has been published. @returns the version; `undefined` if none is prepared. */
export async function usePreparedKey({ keys }: Pick<RotationNeeds, "keys">, purpose: KeyPurpose) {
  const { newest, versions } = stateOf((await keys.states()).states, purpose);
  const prepared = versions.find(({ version }) => version > newest)?.version;
  if (prepared === undefined) return undefined;
  await keys.use(purpose, prepared);
  return prepared;
}

export type RetireOutcome =
  /** It is left out of lookups from now on; the worker destroys it when whatever was on its way has arrived. */
  | { readonly kind: "closing"; readonly version: number }
  | { readonly kind: "retired"; readonly version: number }
  /** Rows, letters or grants still need it. */
  | { readonly kind: "needed"; readonly version: number; readonly by: readonly string[] }
  | { readonly kind: "nothing old" };

/** What retiring a purpose's key would come to now: `closing` is what would begin. Nothing is changed. */
export async function wouldRetire(needs: RotationNeeds, purpose: KeyPurpose): Promise<RetireOutcome> {
  await compareKeys(needs);
  const state = stateOf((await needs.keys.states()).states, purpose);
  const oldest = state.versions.find(({ version }) => version < state.newest);
  if (oldest === undefined) return { kind: "nothing old" };
  const { version } = oldest;
  const by = await neededBy(needs, state, version, "before closing");
  return by.length > 0 ? { kind: "needed", version, by } : { kind: "closing", version };
}

/**
 * Begins to retire the oldest version of a purpose's key, if nothing needs it. It is destroyed by `finishRetiring` after
 * the keyholder's grace, and only if nothing needs it then either. Running it twice is running it once.
 */
export async function retireKey(needs: RotationNeeds, purpose: KeyPurpose): Promise<RetireOutcome> {
  const { db, keys } = needs;
  const would = await wouldRetire(needs, purpose);
  if (would.kind !== "closing") return would;
  const { version } = would;
  // The database first: what the keyholder no longer has must not be thought lost.
  await db.transaction(async (tx) => {
    if (await markClosing(tx, purpose, version)) await queueKeeping(tx);
  });
  await keys.close(purpose, version);
  return { kind: "closing", version };
}

/** Columns that name an older key only because an address is found under both: they are emptied once that key is closing. */
const goesWithClosing = ({ table, column }: NamedVersion): boolean =>
  table === "address" || (table === "account_address" && column === "former_index");

/** What still needs a version, in words with counts; nothing if it may go. */
export async function neededBy(
  { db, clock }: Pick<RotationNeeds, "db" | "clock">,
  { purpose, versions, newest }: KeyState,
  version: number,
  when: "before closing" | "at the end",
): Promise<string[]> {
  const now = clock.now();
  if (purpose === "sign.grant") {
    const since = versions.find((each) => each.version === newest)?.madeAt ?? now;
    const until = plus(since as EpochMs, grantsLiveMs);
    return until > now ? [`grants that are good until ${toIso(until)}`] : [];
  }
  if (purpose === "index.bounce") {
    const madeAt = versions.find((each) => each.version === newest)?.madeAt ?? now;
    const campaigns = await db.one<{ count: number }>(
      `select count(*) as count from campaign c join incident i on i.id = c.incident_id
        where c.started_at <= $1 and (i.letters_finished_at > $2 or i.letters_finished_at is null and i.state <> 'closed')`,
      [toDate(madeAt), toDate(plus(now, -bouncesLiveMs))],
    );
    return (campaigns?.count ?? 0) > 0 ? ["letters that may come back"] : [];
  }
  if (purpose === "signal") {
    const since = versions.find((each) => each.version === newest)?.madeAt ?? now;
    const until = plus(since as EpochMs, setsCheckedWithinMs);
    return until > now ? [`signals that receivers may check until ${toIso(until)}`] : [];
  }
  if (purpose === "index.address") {
    const campaigns = await db.one<{ count: number }>(
      // Only one from before campaigns had keys of their own.
      `select count(*) as count from campaign c join incident i on i.id = c.incident_id
        where c.index_version = $1 and c.data_key is null
          and (i.letters_finished_at > $2 or i.letters_finished_at is null)`,
      [version, toDate(plus(now, -bouncesLiveMs))],
    );
    if ((campaigns?.count ?? 0) > 0) return ["a campaign whose letters may come back"];
  }
  const counted = await countVersions(db, now, (each) => each === purpose);
  const needing = counted.filter((each) => each.version === version && each.rows > 0);
  return needing
    .filter((each) => when === "at the end" || !goesWithClosing(each))
    .map(({ table, column, rows }) => `${numbered(rows, "row")} of ${table}.${column}`);
}

/** How far the worker is with one column. */
export interface WalkState {
  readonly table: string;
  readonly column: string;
  readonly toVersion: number;
  readonly rewrapped: number;
  readonly unreadable: number;
  readonly startedAt: EpochMs;
  readonly finishedAt: EpochMs | null;
}

export interface KeysStatus {
  readonly generation: number;
  readonly states: readonly KeyState[];
  readonly walks: readonly WalkState[];
  readonly named: readonly NamedVersion[];
  readonly unfinished: UnfinishedRotation | null;
}

/** Every key's versions, how many rows need each, and how far sealing again is. Reads every sealed row once. */
export async function keysStatus({ db, keys, clock }: Omit<RotationNeeds, "random">): Promise<KeysStatus> {
  const { generation, states } = await keys.states();
  const walks = await db.many<
    Omit<WalkState, "startedAt" | "finishedAt"> & { startedAt: Date; finishedAt: Date | null }
  >(
    `select table_name as table, column_name as column, to_version as "toVersion", rewrapped, unreadable,
            started_at as "startedAt", finished_at as "finishedAt"
       from key_rewrap order by table_name, column_name`,
  );
  return {
    generation,
    states,
    walks: walks.map((walk) => ({
      ...walk,
      startedAt: fromDate(walk.startedAt),
      finishedAt: walk.finishedAt === null ? null : fromDate(walk.finishedAt),
    })),
    named: await countVersions(db, clock.now()),
    unfinished: await readUnfinished({ db, keys }),
  };
}

/** Notes that nothing readable of a column names an older version any more. */
export const noteFinished = (tx: Tx, clock: Clock, table: string, column: string): Promise<number> =>
  tx.run(`update key_rewrap set finished_at = $3 where table_name = $1 and column_name = $2 and finished_at is null`, [
    table,
    column,
    toDate(clock.now()),
  ]);
