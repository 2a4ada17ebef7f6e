import { toDate, minuteMs, secondMs, sleep, type Clock, type EpochMs } from "../kernel/clock.ts";
import { messageOf } from "../kernel/fault.ts";
import type { Log } from "../kernel/log.ts";
import type { Db, Tx } from "../db/db.ts";
import { cosignedAt, readNote, readSignatureLine, type VerifierKey } from "./note.ts";
import type { PolicyWitness } from "./policy.ts";
import { proveConsistency } from "./proof.ts";
import { sizeContentType, writeAddCheckpoint } from "./witness-protocol.ts";

const answerWithinMs = 10 * secondMs;
const longestPauseMs = 5 * minuteMs;
/** How many cosigned checkpoints of each witness are kept: proofs that were handed out carry their own. */
const keptCosignatures = 1_000;
const mostAnswerBytes = 65_536;

/** How a witness is called in the database: its name and key id, as in its lines. */
export const witnessKey = ({ name, id }: VerifierKey): string => `${name}+${id.toString("hex")}`;

interface Needs {
  readonly db: Db;
  readonly clock: Clock;
  readonly log: Log;
  readonly witnesses: readonly PolicyWitness[];
  /** Told of each contradiction in the transaction that notes it; rings the bell. */
  readonly contradicted: (tx: Tx, found: Contradiction, now: EpochMs) => Promise<void>;
}

/** What a witness answered that no outage explains: it has cosigned another tree. */
export interface Contradiction {
  readonly witness: string;
  readonly keyId: string;
  readonly problem: string;
  /** Of the checkpoint that it was asked to cosign. */
  readonly size: number;
}

interface Head {
  readonly size: number;
  readonly note: string;
}

/** `size` is of the checkpoint that was asked about last. */
type Asked = { readonly size: number } & (
  { readonly kind: "cosigned"; readonly line: string } | { readonly kind: "refused"; readonly problem: string }
);

export interface Cosigner {
  /**
   * Asks every witness that is not away to cosign the newest signed checkpoint, and waits for their answers, but not
   * longer than `patienceMs`: who is late is heard when the answer comes. Never throws.
   */
  cosign(patienceMs: number): Promise<void>;
  /** Gives up what is under way. */
  stop(): Promise<void>;
}

/**
 * Keeps witnesses elsewhere informed (C2SP tlog-witness). One that is away, or refuses, is said in the log once and in the
 * database (`problem`), is asked again after a pause that grows to five minutes, and holds up nothing: the timeline goes on
 * without its cosignature. A witness that has seen a larger tree than ours, or another of the same size, is how an outsider
 * notices that a database was put back or rewritten; that is an error in the log, and rings.
 */
export function openCosigner({ db, clock, log, witnesses, contradicted }: Needs): Cosigner {
  const stopping = new AbortController();
  const asking = new Map<string, Promise<void>>();
  const away = new Map<string, { readonly until: EpochMs; readonly pauseMs: number }>();

  async function ask({ key, url }: PolicyWitness): Promise<void> {
    const id = witnessKey(key);
    const head = await newestSigned(db);
    if (url === undefined || head === undefined) return;
    const known = await db.one<{ size: number; has: boolean; failing: boolean; problem: string | null }>(
      `select size, failing_since is not null as failing, problem,
              exists (select from timeline_cosignature where size = $2 and key = $1) as has
         from timeline_witness where key = $1`,
      [id, head.size],
    );
    if (known?.has === true && !known.failing) return;
    const asked = await addCheckpoint(db, { key, url, head, before: known?.size ?? 0, signal: stopping.signal });
    if (stopping.signal.aborted) return;
    const now = clock.now();
    if (asked.kind === "cosigned") {
      await db.transaction(async (tx) => {
        await tx.run(
          `insert into timeline_cosignature (size, key, line, at) values ($1, $2, $3, $4)
           on conflict (size, key) do update set line = excluded.line, at = excluded.at`,
          [asked.size, id, asked.line, toDate(now)],
        );
        await tx.run(
          `insert into timeline_witness (key, size, cosigned_at) values ($1, $2, $3)
           on conflict (key) do update
             set size = greatest(timeline_witness.size, excluded.size), cosigned_at = excluded.cosigned_at,
                 failing_since = null, problem = null`,
          [id, asked.size, toDate(now)],
        );
        await tx.run(
          `delete from timeline_cosignature
            where key = $1 and size < (select min(size) from (select size from timeline_cosignature where key = $1
                                                               order by size desc limit $2) newest)`,
          [id, keptCosignatures],
        );
      });
      if (known?.failing === true) log.info({ witness: id }, "a witness of the timeline cosigns again");
      away.delete(id);
      return;
    }
    const { problem, size } = asked;
    const isContradicted = contradictions.has(problem);
    await db.transaction(async (tx) => {
      await tx.run(
        `insert into timeline_witness (key, size, failing_since, problem) values ($1, 0, $2, $3)
         on conflict (key) do update
           set failing_since = coalesce(timeline_witness.failing_since, excluded.failing_since), problem = excluded.problem`,
        [id, toDate(now), problem],
      );
      if (!isContradicted) return;
      const found = { witness: key.name, keyId: key.id.toString("hex"), problem, size };
      await contradicted(tx, found, now);
    });
    // That it contradicts is news, whatever it failed with before.
    if (known?.failing !== true || (isContradicted && known.problem !== problem)) {
      log[isContradicted ? "error" : "warn"](
        { witness: id, reason: problem },
        "a witness of the timeline does not cosign",
      );
    }
    const pauseMs = Math.min(longestPauseMs, (away.get(id)?.pauseMs ?? secondMs / 2) * 2);
    away.set(id, { until: (now + pauseMs) as EpochMs, pauseMs });
  }

  return {
    cosign: async (patienceMs) => {
      for (const witness of witnesses) {
        const id = witnessKey(witness.key);
        const restMs = (away.get(id)?.until ?? 0) - clock.now();
        // One that is longer than any was begun before the clock was set back.
        if (asking.has(id) || (restMs > 0 && restMs <= longestPauseMs)) continue;
        const answer = ask(witness)
          .catch((thrown: unknown) => log.warn({ witness: id, reason: messageOf(thrown) }, "a witness was not asked"))
          .finally(() => asking.delete(id));
        asking.set(id, answer);
      }
      const waiting = new AbortController();
      await Promise.race([Promise.all(asking.values()), sleep(patienceMs, waiting.signal)]);
      waiting.abort();
    },
    stop: async () => {
      stopping.abort();
      await Promise.all(asking.values());
    },
  };
}

/** Why a witness does not cosign, unless it cannot be reached or answers another status. The console has each in its reader's language. */
export const witnessSays = {
  larger: "it has cosigned a larger tree than this: the database may be an older copy",
  another: "it has cosigned another tree of this size: the timeline was rewritten, or it witnesses two",
  noContinuation: "it finds that this tree does not continue what it has cosigned",
  noCosignature: "its answer has no cosignature by its key",
  noSize: "it does not keep to one size",
  unknownTimeline: "it does not know this timeline: give it the policy that `timeline policy` prints",
  unknownKey: "it does not know the key that signs this timeline",
} as const;
/** Those that no outage explains. */
const contradictions: ReadonlySet<string> = new Set([
  witnessSays.larger,
  witnessSays.another,
  witnessSays.noContinuation,
]);

interface Question {
  readonly key: VerifierKey;
  readonly url: string;
  readonly head: Head;
  readonly before: number;
  readonly signal: AbortSignal;
}

const newestSigned = (tx: Tx): Promise<Head | undefined> =>
  tx.one<Head>(`select size, note from timeline_checkpoint where note is not null order by size desc limit 1`);

/** Asks, and again when the witness remembers another size than we do: three times at most. */
async function addCheckpoint(db: Db, question: Question): Promise<Asked> {
  const { key, url, before, signal } = question;
  let { head } = question;
  const refused = (problem: string): Asked => ({ kind: "refused", problem, size: head.size });
  let from = before;
  for (let tried = 1; ; tried++) {
    if (from > head.size) {
      // Another worker may have signed more meanwhile, and had it cosigned: only what nobody here has signed contradicts us.
      const newest = await newestSigned(db);
      if (newest === undefined || newest.size < from) return refused(witnessSays.larger);
      head = newest;
    }
    const hashes = await proveConsistency(db, from, head.size);
    let answer: { readonly status: number; readonly type: string; readonly text: string };
    try {
      answer = await post(
        `${url}/add-checkpoint`,
        writeAddCheckpoint({ before: from, hashes, checkpoint: head.note }),
        signal,
      );
    } catch (thrown) {
      // The message of a failed fetch names neither address nor body.
      return refused(`it could not be reached (${messageOf(thrown)})`);
    }
    switch (answer.status) {
      case 200: {
        const line = cosignatureIn(answer.text, head.note, key);
        return line === undefined ? refused(witnessSays.noCosignature) : { kind: "cosigned", line, size: head.size };
      }
      case 409: {
        const has = answer.type.startsWith(sizeContentType)
          ? /^(0|[1-9]\d{0,15})\n$/.exec(answer.text)?.[1]
          : undefined;
        if (has === undefined || (Number(has) === from && from === head.size)) return refused(witnessSays.another);
        // Somebody else asked meanwhile, or one of us has forgotten.
        if (tried === 3 || Number(has) === from) return refused(witnessSays.noSize);
        from = Number(has);
        continue;
      }
      case 422:
        return refused(witnessSays.noContinuation);
      case 404:
        return refused(witnessSays.unknownTimeline);
      case 403:
        return refused(witnessSays.unknownKey);
      default:
        return refused(`it answered ${answer.status}`);
    }
  }
}

async function post(url: string, body: string, signal: AbortSignal) {
  const answer = await fetch(url, {
    method: "POST",
    redirect: "manual",
    headers: { "content-type": "text/plain; charset=utf-8" },
    body,
    signal: AbortSignal.any([signal, AbortSignal.timeout(answerWithinMs)]),
  });
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of answer.body ?? []) {
    length += (chunk as Uint8Array).length;
    if (length > mostAnswerBytes) throw new Error("its answer is too long");
    chunks.push(chunk as Uint8Array);
  }
  const text = Buffer.concat(chunks).toString("utf8");
  return { status: answer.status, type: answer.headers.get("content-type") ?? "", text };
}

/** The witness's own line, verified over our checkpoint; other lines are passed over. */
function cosignatureIn(text: string, checkpoint: string, key: VerifierKey): string | undefined {
  const note = readNote(checkpoint);
  if (note === undefined) return undefined;
  return text.split("\n").find((line) => {
    const signature = readSignatureLine(line);
    return signature !== undefined && cosignedAt({ body: note.body, signatures: [signature] }, key) !== undefined;
  });
}
