import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Db } from "../src/db/db.ts";
import type { IncidentId } from "../src/kernel/brand.ts";
import { systemClock } from "../src/kernel/clock.ts";
import { silentLog } from "../src/kernel/log.ts";
import { systemRandom } from "../src/kernel/random.ts";
import { readStanding } from "../src/credentials/standing.ts";
import { appendAll, type TimelineEntry } from "../src/timeline/append.ts";
import { originOf } from "../src/timeline/checkpoint.ts";
import { integrate } from "../src/timeline/integrate.ts";
import { verifierKey } from "../src/timeline/note.ts";
import { policyText, readPolicy } from "../src/timeline/policy.ts";
import { prove } from "../src/timeline/proof.ts";
import { publishTiles } from "../src/timeline/publish.ts";
import { writeTlogProof } from "../src/timeline/tlog-proof.ts";
import { hashLeaf, verifyInclusion } from "../src/timeline/tree.ts";
import { readWholeFolder } from "../src/timeline/verify-files.ts";
import type { Bench, Measured } from "./bench.ts";
import { median, quantile } from "./report.ts";
import { openServiceDatabase, startDurablePostgres, startKeyProcess } from "./surroundings.ts";

const sizes = {
  full: { stops: [1_000, 10_000, 100_000, 1_000_000], count: 2_000 },
  small: { stops: [100, 1_000, 5_000], count: 50 },
} as const;

/** Entries of one transaction: as many letters as a walk records at once. */
const batch = 500;

/**
 * The timeline from the first append to files on disk: entries as a campaign writes them, durable commits, a real keyholder
 * that signs, tiles that are flushed. Then proofs of entries all over the tree, and the whole folder recomputed.
 */
export async function measureProofs(bench: Bench): Promise<Measured> {
  const { scale, say } = bench;
  const { stops, count } = sizes[scale];
  const postgres = await startDurablePostgres(bench);
  const keyProcess = await startKeyProcess(bench);
  const keyholder = await keyProcess.connect("mailer");
  const db = await openServiceDatabase(bench, postgres, "proofs");
  const folder = await mkdtemp(join(tmpdir(), "houselights-bench-tiles-"));
  bench.onEnd(() => rm(folder, { recursive: true, force: true }));
  const { databaseId, ...first } = await readStanding(db);
  const { witness } = await keyProcess.connect("operator");
  await witness.enrol(databaseId, first);
  const needs = { db, keyholder, clock: systemClock, databaseId };

  let wholeMs = 0;
  // Of the tree as large as it gets: proofs of smaller ones are measured for their length alone.
  let proofs: Proofs | undefined;
  const figures: Record<string, number> = {};
  const what: Record<string, string> = {};
  let size = 0;
  for (const stop of stops) {
    say(`growing to ${stop.toLocaleString("en")} entries`);
    const begun = performance.now();
    // Beside the writers, as the worker's integrator works beside everything else.
    const appending = appendUpTo(db, size, stop);
    appending.catch(() => undefined);
    let publishing: Promise<unknown> = Promise.resolve();
    for (let signed = size; signed < stop;) {
      signed = (await integrate(needs)).head.size;
      // Files are written beside the next turn.
      await publishing;
      publishing = publishTiles({ db, folder, log: silentLog });
    }
    await publishing;
    await appending;
    wholeMs += performance.now() - begun;
    size = stop;
    proofs = await proveMany(db, size, count);
    figures[`hashesAt${size}`] = proofs.mostHashes;
    figures[`bytesAt${size}`] = proofs.mostBytes;
    what[`hashesAt${size}`] = `hashes in the longest proof; the logarithm is ${Math.log2(size).toFixed(1)}`;
    what[`bytesAt${size}`] = "bytes of the largest .tlog-proof, entry and checkpoint included";
  }

  say("recomputing the whole folder");
  const keys = await keyholder.publicKeys("checkpoint");
  const logs = keys.map(({ publicKey }) => verifierKey(originOf(databaseId), publicKey));
  const policy = readPolicy(policyText(logs, []));
  const begunReading = performance.now();
  const whole = await readWholeFolder(folder);
  const readingMs = performance.now() - begunReading;
  if ("wrong" in policy || whole.kind !== "whole" || whole.size !== size) throw new Error("the folder is not whole");
  const checkpoint = await stat(join(folder, "checkpoint"));
  if (proofs === undefined) throw new Error("nothing was proved");

  const perSecond = (ms: number): number => size / (ms / 1_000);
  return {
    figures: {
      entries: size,
      entriesPerSecond: perSecond(wholeMs),
      proofMs: median(proofs.proofMs),
      proofMsP99: quantile(proofs.proofMs, 0.99),
      verifyUs: median(proofs.verifyUs),
      recomputedPerSecond: perSecond(readingMs),
      checkpointBytes: checkpoint.size,
      longestProofToLog: proofs.mostHashes / Math.ceil(Math.log2(size)),
      ...figures,
    },
    what: {
      entriesPerSecond: "appended by durable transactions of 500, given their places, signed, and flushed as files",
      proofMs: "one proof of any of them, read from the database",
      verifyUs: "one proof checked",
      recomputedPerSecond: "entries of the files hashed again, every tile compared",
      longestProofToLog: "hashes of the longest proof over the logarithm of the size",
      ...what,
    },
  };
}

const incidentId = "0198a9a0-0000-7000-8000-000000000009" as IncidentId;

/** Two writers at once, as a worker's walk has several. */
async function appendUpTo(db: Db, from: number, to: number): Promise<void> {
  let next = from;
  const writer = async (): Promise<void> => {
    while (next < to) {
      const first = next;
      next = Math.min(to, first + batch);
      const entries = Array.from({ length: next - first }, (_, i) => letter(first + i));
      await db.transaction((tx) => appendAll(tx, systemClock.now(), entries, systemRandom));
    }
  };
  await Promise.all([writer(), writer()]);
}

/** An entry as a campaign records it, of the usual length. */
const letter = (n: number): TimelineEntry => ({
  kind: "letter",
  incidentId,
  detail: {
    address: n.toString(16).padStart(64, "0"),
    outcome: "handed over",
    reply: "250 2.0.0",
    language: "en",
    template: "5".repeat(64),
    attempts: 1,
  },
});

interface Proofs {
  readonly proofMs: readonly number[];
  readonly verifyUs: readonly number[];
  readonly mostHashes: number;
  readonly mostBytes: number;
}

/** Proofs of entries all over a tree of that size. */
async function proveMany(db: Db, size: number, count: number): Promise<Proofs> {
  const proofMs: number[] = [];
  const verifyUs: number[] = [];
  let mostHashes = 0;
  let mostBytes = 0;
  for (let i = 0; i < count; i++) {
    const index = systemRandom.below(size);
    const begun = performance.now();
    const proof = await prove(db, index);
    const proved = performance.now();
    if (proof === undefined) throw new Error("an entry was not proved");
    const root = Buffer.from(proof.note.split("\n")[2] ?? "", "base64");
    const isTrue = verifyInclusion(hashLeaf(proof.body), proof, root);
    verifyUs.push((performance.now() - proved) * 1_000);
    if (!isTrue) throw new Error("a proof does not lead to the root");
    proofMs.push(proved - begun);
    mostHashes = Math.max(mostHashes, proof.hashes.length);
    mostBytes = Math.max(mostBytes, writeTlogProof({ ...proof, checkpoint: proof.note, entry: proof.body }).length);
  }
  return { proofMs, verifyUs, mostHashes, mostBytes };
}
