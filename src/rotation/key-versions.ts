import { fromDate, toDate, type Clock, type EpochMs } from "../kernel/clock.ts";
import { Fault } from "../kernel/fault.ts";
import type { Random } from "../kernel/random.ts";
import type { Db, Tx } from "../db/db.ts";
import type { KeyKeeping, KeyPurpose, KeyState } from "../keyholder/keyholder.ts";
import { append } from "../timeline/append.ts";

interface Needs {
  readonly db: Db;
  readonly keys: Pick<KeyKeeping, "states">;
  readonly clock: Clock;
  readonly random: Random;
}

interface KnownVersion {
  purpose: KeyPurpose;
  version: number;
  fingerprint: Buffer;
  state: "live" | "closing" | "retired";
}

interface Known {
  readonly versions: readonly KnownVersion[];
  readonly generation: number;
}

async function readKnown(tx: Tx): Promise<Known> {
  const versions = await tx.many<KnownVersion>(
    `select purpose, version, fingerprint, state from key_version order by purpose, version`,
  );
  return { versions, generation: await readGeneration(tx) };
}

/** The highest generation of the file of keys that this database has met; 0 for none. */
export async function readGeneration(tx: Tx): Promise<number> {
  const file = await tx.one<{ generation: number }>(`select generation from key_file`);
  return file?.generation ?? 0;
}

const backupOfItsTime = "restore the backup of the keys that belongs to it (houselights restore --keys FILE)";

/** Why these keys are not this database's; `undefined` if they are. Names purposes and versions, and no key. */
function contradiction(known: Known, generation: number, states: readonly KeyState[]): string | undefined {
  for (const { purpose, version, fingerprint, state } of known.versions) {
    const of = states.find((each) => each.purpose === purpose);
    const found = of?.versions.find((each) => each.version === version);
    const name = `version ${version} of the key for ${purpose}`;
    if (found !== undefined && found.fingerprintHex !== fingerprint.toString("hex")) {
      return `the keyholder has other keys than this database was sealed with (${name}): ${backupOfItsTime}`;
    }
    if (found !== undefined && state === "retired") {
      return `the keyholder has ${name}, which was retired: an older file of keys was put back`;
    }
    const isRetired = of !== undefined && version <= of.retiredUpTo;
    if (found === undefined && !isRetired && state !== "retired") {
      return `this database needs ${name}, which the keyholder has not: ${backupOfItsTime}`;
    }
    if (found === undefined && isRetired && state === "live") {
      return `this database needs ${name}, which was retired after it was backed up: ${backupOfItsTime}`;
    }
  }
  if (generation < known.generation) {
    return `the keyholder's keys are of generation ${generation}, and this database has known ${known.generation}: an older file of keys was put back`;
  }
  return undefined;
}

/**
 * Compares the keys with what this database remembers of them, before anything is read or written with them, and then
 * writes down what is new: versions that were made, or retired, since. A version that appears is an entry of the
 * timeline, committed with the row that says so, whoever sees it first.
 *
 * Throws CONFIG_INVALID, and writes nothing, for a keyholder with other keys, for keys that are older than the database
 * knows, and for a database that needs a key that is gone. The message says which key, and what to do.
 */
export async function compareKeys({ db, keys, clock, random }: Needs): Promise<void> {
  // The database first: whatever it knows, the keyholder has known before it.
  let known = await readKnown(db);
  let now = await keys.states();
  let why = contradiction(known, now.generation, now.states);
  if (why !== undefined) {
    // A change was perhaps between the two reads.
    known = await readKnown(db);
    now = await keys.states();
    why = contradiction(known, now.generation, now.states);
  }
  if (why !== undefined) throw new Fault("CONFIG_INVALID", `${why}; nothing was written`);
  if (isWrittenDown(known, now)) return;

  const at = clock.now();
  await db.transaction(async (tx) => {
    await tx.run(`update key_file set generation = greatest(generation, $1)`, [now.generation]);
    for (const { purpose, versions, retiredUpTo } of now.states) {
      for (const { version, fingerprintHex, madeAt } of versions) {
        const isNew = await tx.run(
          `insert into key_version (purpose, version, fingerprint, state, made_at) values ($1, $2, $3, 'live', $4)
           on conflict (purpose, version) do nothing`,
          [purpose, version, Buffer.from(fingerprintHex, "hex"), toDate(madeAt === 0 ? at : madeAt)],
        );
        if (isNew === 1 && version > 1) {
          await append(tx, at, { kind: "key rotated", detail: { purpose, version } }, random);
        }
      }
      const gone = await tx.many<{ version: number }>(
        `update key_version set state = 'retired', retired_at = $3
          where purpose = $1 and version <= $2 and state = 'closing' returning version`,
        [purpose, retiredUpTo, toDate(at)],
      );
      for (const { version } of gone) {
        await append(tx, at, { kind: "key retired", detail: { purpose, version } }, random);
      }
    }
  });
}

function isWrittenDown(known: Known, { generation, states }: Awaited<ReturnType<KeyKeeping["states"]>>): boolean {
  if (generation !== known.generation) return false;
  return states.every(({ purpose, versions }) =>
    versions.every(({ version }) =>
      known.versions.some((each) => each.purpose === purpose && each.version === version),
    ),
  );
}

/** Says in the database that a version is about to go, before the keyholder is told. @returns false if it is gone. */
export async function markClosing(tx: Tx, purpose: KeyPurpose, version: number): Promise<boolean> {
  const marked = await tx.run(
    `update key_version set state = 'closing' where purpose = $1 and version = $2 and state <> 'retired'`,
    [purpose, version],
  );
  return marked === 1;
}

/** When each live version was made, as the database knows it. */
export async function knownSince(tx: Tx): Promise<readonly { purpose: KeyPurpose; version: number; at: EpochMs }[]> {
  const rows = await tx.many<{ purpose: KeyPurpose; version: number; madeAt: Date }>(
    `select purpose, version, made_at as "madeAt" from key_version where state <> 'retired' order by purpose, version`,
  );
  return rows.map(({ purpose, version, madeAt }) => ({ purpose, version, at: fromDate(madeAt) }));
}
