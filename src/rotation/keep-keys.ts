import { toIso } from "../kernel/clock.ts";
import { Fault } from "../kernel/fault.ts";
import type { Log } from "../kernel/log.ts";
import { recurring } from "../kernel/recurring.ts";
import type { Keyholder, KeyState } from "../keyholder/keyholder.ts";
import { dropFormerIndexes, reindexBatch } from "../accounts/reindex.ts";
import { defineTask, type TaskDefinition } from "../jobs/jobs.ts";
import { readSealedLetters, replaceSealedLetter } from "../jobs/sealed-letters.ts";
import { compareKeys } from "./key-versions.ts";
import { beginWalk, noteBatch, Overtaken, readProgress, rewrapColumn } from "./rewrap-column.ts";
import { neededBy, noteFinished, preparedForMs, readUnfinished, type RotationNeeds } from "./rotate.ts";
import { rewrappedColumns } from "./sealed-columns.ts";

interface Needs extends RotationNeeds {
  /** Mailer's role: it opens addresses to index them anew. */
  readonly keyholder: Pick<Keyholder, "open" | "indexMany">;
  /** Gives canaries their mark under a version; the room that owns them is not known here. */
  readonly remarkCanaries: (toVersion: number) => Promise<void>;
  readonly log: Log;
}

/** A walk is repeated for rows that were written behind it with the key before; so many times, until the next run. */
const mostPasses = 5;

/**
 * Whatever a rotation leaves to be done: seals everything again that names an older version, gives addresses their new
 * index, and destroys versions that are on their way out once nothing names them. Does nothing where each key has one
 * version. May be killed at any line and run by any number of workers.
 */
export async function keepKeys(needs: Needs, signal?: AbortSignal): Promise<void> {
  await compareKeys(needs);
  const { states } = await needs.keys.states();
  for (const state of states) {
    if (state.purpose === "signal") await takeIntoUse(needs, state);
    const hasOld = state.versions.some(({ version }) => version < state.newest);
    if (!hasOld || signal?.aborted === true) continue;
    await sealAgain(needs, state, signal);
    await finishRetiring(needs, state);
  }
}

/** The prepared key of signals stands in the key set from the moment it is made: it is used once every receiver knows it. */
async function takeIntoUse({ keys, clock }: Needs, { purpose, newest, versions }: KeyState): Promise<void> {
  const prepared = versions.find(({ version }) => version > newest);
  if (prepared !== undefined && clock.now() - prepared.madeAt >= preparedForMs) {
    await keys.use(purpose, prepared.version);
  }
}

/** Everything of one purpose that can be sealed, or indexed, again. */
async function sealAgain(needs: Needs, { purpose, newest }: KeyState, signal?: AbortSignal): Promise<void> {
  for (const column of rewrappedColumns.filter((each) => each.purpose === purpose)) {
    await untilFinished(needs, column, newest, () => rewrapColumn(needs, column, newest, { signal }));
  }
  if (purpose === "mailer") await rewrapLetters(needs, newest, signal);
  if (purpose === "index.canary") await needs.remarkCanaries(newest);
  if (purpose === "index.address") {
    const column = { table: "account_address", column: "blind_index", purpose } as const;
    await untilFinished(needs, column, newest, () => reindexAll(needs, column, newest, signal));
  }
}

/** Walks until a whole walk has found nothing: what was on its way with the older key is written behind a walk. */
async function untilFinished(
  { db, clock, log }: Needs,
  column: Parameters<typeof beginWalk>[2],
  toVersion: number,
  walk: () => Promise<boolean>,
): Promise<void> {
  for (let pass = 1; pass <= mostPasses; pass++) {
    const before = await beginWalk(db, clock, column, toVersion);
    const isWhole = before.afterKey === null;
    if (isWhole) await noteBatch(db, column, before, { ...before, unreadable: 0 });
    if (!(await walk())) return;
    const after = await readProgress(db, column);
    // Whatever comes next begins at the first row.
    await noteBatch(db, column, after, { ...after, afterKey: null });
    if (!isWhole || after.rewrapped > before.rewrapped) continue;
    if (after.unreadable > 0) {
      const { table } = column;
      log.error({ table, column: column.column, rows: after.unreadable }, "rows do not open and stay as they are");
    }
    await noteFinished(db, clock, column.table, column.column);
    return;
  }
}

async function reindexAll(
  needs: Needs,
  column: Parameters<typeof beginWalk>[2],
  toVersion: number,
  signal?: AbortSignal,
): Promise<boolean> {
  const { db, keyholder, clock } = needs;
  let progress = await beginWalk(db, clock, column, toVersion);
  while (signal?.aborted !== true) {
    const before = progress;
    try {
      const done = await reindexBatch({ db, keyholder }, toVersion, before.afterKey, async (tx, batch) => {
        progress = {
          afterKey: batch.lastKey,
          rewrapped: before.rewrapped + batch.reindexed,
          unreadable: before.unreadable + batch.unreadable,
        };
        if (!(await noteBatch(tx, column, before, progress))) throw new Overtaken();
      });
      if (done === undefined) return true;
    } catch (thrown) {
      if (!(thrown instanceof Overtaken)) throw thrown;
      progress = await readProgress(db, column);
    }
  }
  return false;
}

/** Letters in the queue live for hours: a walk from the first, without progress of its own. */
async function rewrapLetters({ db, keys }: Needs, toVersion: number, signal?: AbortSignal): Promise<void> {
  let after = "0";
  while (signal?.aborted !== true) {
    const letters = await readSealedLetters(db, toVersion, after, 200);
    const last = letters.at(-1);
    if (last === undefined) return;
    const sealed = await keys.rewrap(
      "mailer",
      letters.map(({ id }) => `letter:${id}`),
      letters.map(({ sealed: text }) => Buffer.from(text, "base64url")),
    );
    for (const [n, letter] of letters.entries()) {
      const again = sealed[n];
      if (again !== null && again !== undefined) await replaceSealedLetter(db, letter, again.toString("base64url"));
    }
    after = last.jobId;
  }
}

/** Destroys what is on its way out, once the grace is over and nothing names it. */
async function finishRetiring(needs: Needs, state: KeyState): Promise<void> {
  const { db, keys, log } = needs;
  const { purpose } = state;
  for (const { version, closingSince } of state.versions) {
    if (closingSince === null) continue;
    if (purpose === "index.address") while ((await dropFormerIndexes(db)) > 0);
    const by = await neededBy(needs, state, version, "at the end");
    if (by.length > 0) {
      log.warn({ purpose, version, by }, "a key on its way out is still needed");
      return;
    }
    try {
      await keys.retire(purpose, version);
    } catch (thrown) {
      // The grace is not over: the next run tries again.
      if (thrown instanceof Fault && thrown.code === "KEYHOLDER_REFUSED") return;
      throw thrown;
    }
    await compareKeys(needs);
    log.warn({ purpose, version }, "a key is retired: what it made is refused");
  }
}

/** The worker's task. Whoever began a rotation that was cut off learns of it in the log: nothing but a command makes keys. */
export function keepKeysTask(needs: Needs): TaskDefinition {
  const cutOff = recurring(needs.log, {
    says: "a rotation of keys is not finished: `houselights keys rotate --rest` makes those that are left",
    ends: "the rotation of keys is finished",
  });
  return defineTask("keep-keys", async (_payload, { log, signal }) => {
    await keepKeys({ ...needs, log }, signal);
    const unfinished = await readUnfinished(needs);
    if (unfinished === null) cutOff.over();
    else cutOff.found({ begunAt: toIso(unfinished.begunAt), left: unfinished.left });
  });
}
