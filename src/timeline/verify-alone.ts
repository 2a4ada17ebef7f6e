import { readdir, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { toIso, type EpochMs } from "../kernel/clock.ts";
import type { Progress } from "../kernel/progress.ts";
import { inOneLine } from "../kernel/shown-text.ts";
import { readCheckpointBody } from "./checkpoint.ts";
import { cosignedAt, isSignedBy, readNote, type Note } from "./note.ts";
import { readPolicy, type Policy } from "./policy.ts";
import { readBoundedText } from "./read-bounded.ts";
import { readTlogProof } from "./tlog-proof.ts";
import { hashLeaf, verifyInclusion } from "./tree.ts";
import { compareReport, readReportClaims, type ReportClaims } from "./verify-claims.ts";
import { readWholeFolder, type WholeFolder } from "./verify-files.ts";

/** What somebody with nothing but files wants to know. Every path is of a file unless it says otherwise. */
export interface AloneQuestion {
  /** The folder of tlog-tiles. Without one, proofs are checked against the policy alone. */
  readonly folder?: string | undefined;
  /** Whose signatures count (C2SP tlog-policy); the folder's own `policy` unless given. */
  readonly policy?: string | undefined;
  /** Checkpoints from earlier: the folder must contain what they covered. */
  readonly checkpoints: readonly string[];
  /** A report's JSON. */
  readonly report?: string | undefined;
  /** `.tlog-proof` files, or folders of them. */
  readonly proofs: readonly string[];
  /** Of the folder, in entries. */
  readonly progress?: Progress | undefined;
}

/**
 * What each answer leaves behind as exit code. 1: something is not what was signed. 4: the files are older than a checkpoint
 * that was given. 5: they are another timeline than it. 6: too few witnesses. 7: the report or a proof says what the
 * timeline does not.
 */
export const aloneCodes = { damaged: 1, usage: 2, older: 4, forked: 5, unwitnessed: 6, untrue: 7 } as const;

export interface AloneAnswer {
  readonly code: 0 | (typeof aloneCodes)[keyof typeof aloneCodes];
  /** What was found to hold, line by line. */
  readonly lines: readonly string[];
  /** What does not, with what to do; absent for code 0. */
  readonly error?: string;
  readonly hint?: string;
  readonly json: Readonly<Record<string, unknown>>;
}

class Answered extends Error {
  readonly code: (typeof aloneCodes)[keyof typeof aloneCodes];
  readonly hint: string | undefined;

  constructor(code: (typeof aloneCodes)[keyof typeof aloneCodes], message: string, hint?: string) {
    super(message);
    this.code = code;
    this.hint = hint;
  }
}

/**
 * Checks a timeline, and what is said of it, by files alone: no database, no service, no network, nothing installed but
 * Node. Reads every byte of the folder once. The first thing that does not hold is the answer. Its sentences quote the files,
 * and nothing in them steers the terminal: a report could otherwise overwrite what is found wrong with it.
 */
export async function verifyAlone(question: AloneQuestion): Promise<AloneAnswer> {
  const answer = await verified(question);
  return {
    ...answer,
    lines: answer.lines.map(inOneLine),
    ...(answer.error === undefined ? {} : { error: inOneLine(answer.error) }),
  };
}

async function verified(question: AloneQuestion): Promise<AloneAnswer> {
  const lines: string[] = [];
  const json: Record<string, unknown> = {};
  try {
    const policy = await policyOf(question, lines);
    const older = await Promise.all(question.checkpoints.map((path) => olderCheckpoint(path, policy)));
    const proofs: Proved[] = [];
    // One after the other: there may be one for each account, and a process has so many files open.
    for (const file of await proofFiles(question.proofs)) proofs.push(await proofOf(file, policy));
    const report = question.report === undefined ? undefined : await reportOf(question.report, policy);
    if (question.folder === undefined) {
      if (proofs.length === 0)
        throw new Answered(aloneCodes.usage, "there is nothing to verify", "name a folder, or --proof FILE");
      if (older.length > 0 || report !== undefined) {
        throw new Answered(
          aloneCodes.usage,
          "a checkpoint or a report is compared with a folder",
          "name the folder too",
        );
      }
    } else {
      await verifyFolder(question.folder, policy, { older, proofs, report }, question.progress, lines, json);
    }
    for (const proof of proofs) lines.push(proof.line);
    if (proofs.length > 0) json["proofs"] = proofs.length;
    return { code: 0, lines, json };
  } catch (thrown) {
    if (!(thrown instanceof Answered)) throw thrown;
    const { code, message, hint } = thrown;
    return { code, lines, error: message, ...(hint === undefined ? {} : { hint }), json: { ...json, error: message } };
  }
}

interface Older {
  readonly path: string;
  readonly origin: string;
  readonly size: number;
  readonly root: Buffer;
}
interface Proved extends Older {
  readonly index: number;
  readonly leafHash: Buffer;
  readonly line: string;
}

interface CosignedCheckpoint extends Omit<Older, "path"> {
  /** Each witness and when. */
  readonly by: readonly string[];
}

async function verifyFolder(
  folder: string,
  policy: Policy,
  given: {
    readonly older: readonly Older[];
    readonly proofs: readonly Proved[];
    readonly report: ReportClaims | undefined;
  },
  progress: Progress | undefined,
  lines: string[],
  json: Record<string, unknown>,
): Promise<void> {
  const { older, proofs, report } = given;
  const cosigned = await witnessedCheckpoint(folder, policy);
  const comparison = report === undefined ? undefined : compareReport(report);
  const reported = report?.checkpoint == null ? undefined : readCheckpointBody(readNote(report.checkpoint)?.body ?? "");
  const sizes = [...older, ...proofs, ...(cosigned === undefined ? [] : [cosigned]), ...(reported ? [reported] : [])];
  const found = await readWholeFolder(folder, {
    sizes: sizes.map(({ size }) => size),
    progress,
    ...(comparison === undefined ? {} : { entry: comparison.see }),
  });
  if (found.kind === "damaged") {
    throw new Answered(
      aloneCodes.damaged,
      found.says,
      "take the folder anew from the service, and keep this one: it is evidence",
    );
  }
  judgeSignature(found.note, found.origin, policy, "checkpoint");
  lines.push(`whole: ${figure(found.size)} entries, root ${found.root.toString("hex")}`);
  Object.assign(json, { size: found.size, rootHex: found.root.toString("hex"), origin: found.origin });

  for (const { path, size, ...one } of older) {
    compareRoot(found, { size, ...one }, path);
    lines.push(`it begins with what ${basename(path)} covers (${figure(size)} entries)`);
  }
  judgeWitnesses(found, cosigned, policy, lines, json);
  for (const { path, ...one } of proofs) compareRoot(found, one, path);
  if (report !== undefined && comparison !== undefined) {
    if (reported !== undefined) compareRoot(found, reported, "the report's checkpoint");
    const { wrong, unsigned } = comparison.finish();
    const [first, ...more] = wrong;
    if (first !== undefined) {
      throw new Answered(
        aloneCodes.untrue,
        `the report: ${first}${more.length === 0 ? "" : ` (and ${more.length} more)`}`,
      );
    }
    lines.push(`the report of ${report.reference} says what the timeline has`);
    if (unsigned.length > 0) {
      const named = unsigned.map(({ at, kind }) => `${kind} at ${at}`).join(", ");
      lines.push(`but for what these files do not have, which nothing shows: ${named}`);
    }
    json["report"] = report.reference;
    json["reportUnsigned"] = unsigned.map(({ at, kind }) => ({ at, kind }));
  }
}

function compareRoot(found: WholeFolder, given: Omit<Older, "path">, whose: string): void {
  // A policy may name several logs: that of another has other roots, and shows nothing of this one.
  if (given.origin !== found.origin) {
    throw new Answered(
      aloneCodes.forked,
      `these files are another timeline: they are of the log "${found.origin}", and ${whose} is of "${given.origin}"`,
      "compare it with the files of its own log",
    );
  }
  const root = found.roots.get(given.size);
  if (root === undefined) {
    throw new Answered(
      aloneCodes.older,
      `these files are older: they have ${found.size} entries, and ${whose} covers ${given.size}`,
      "ask for the newest files; if these are said to be the newest, entries were taken away",
    );
  }
  if (!root.equals(given.root)) {
    throw new Answered(
      aloneCodes.forked,
      `these files are another timeline: their first ${given.size} entries do not give the root in ${whose}`,
      "keep both: two signed roots for one size prove that the record was rewritten",
    );
  }
}

/**
 * The checkpoint of the folder, and of its file `cosigned`, that enough witnesses signed; the newer one. It has to be of this log and
 * signed by it: a witness cosigns many, and one of another says nothing of this.
 */
async function witnessedCheckpoint(folder: string, policy: Policy): Promise<CosignedCheckpoint | undefined> {
  if (policy.witnesses.length === 0) return undefined;
  let best: CosignedCheckpoint | undefined;
  let ownOrigin: string | undefined;
  for (const name of ["checkpoint", "cosigned"]) {
    const text = (await readBoundedText(join(folder, name), mostBytes)) ?? "";
    const note = readNote(text);
    const stated = note === undefined ? undefined : readCheckpointBody(note.body);
    if (note === undefined || stated === undefined) continue;
    ownOrigin ??= stated.origin;
    if (stated.origin !== ownOrigin || !isSignedByLog(note, stated.origin, policy)) continue;
    const by = witnessesOf(note, policy);
    if (by.length === 0 || !policy.isMet(new Set(by.map(({ name: named }) => named)))) continue;
    if (best !== undefined && best.size >= stated.size) continue;
    best = { ...stated, by: by.map(({ name: named, at }) => `${named} at ${at}`) };
  }
  return best;
}

function judgeWitnesses(
  found: WholeFolder,
  cosigned: CosignedCheckpoint | undefined,
  policy: Policy,
  lines: string[],
  json: Record<string, unknown>,
): void {
  if (policy.witnesses.length === 0) {
    lines.push("no witness is named: whoever holds the log's key could have written it anew");
    return;
  }
  if (cosigned === undefined) {
    if (policy.isMet(new Set())) {
      lines.push("cosigned by nobody, and the policy asks for nobody");
      return;
    }
    throw new Answered(
      aloneCodes.unwitnessed,
      `too few witnesses signed this checkpoint: the policy asks for ${policy.quorum}`,
      "without them, whoever holds the log's key could have written it anew",
    );
  }
  compareRoot(found, cosigned, "the cosigned checkpoint");
  const newer = found.size - cosigned.size;
  lines.push(
    `cosigned by ${cosigned.by.join(", ")}` +
      (newer === 0 ? "" : `, up to entry ${cosigned.size - 1}: the ${newer} after it not yet`),
  );
  json["cosigned"] = { size: cosigned.size, by: cosigned.by };
}

const witnessesOf = (note: Note, policy: Policy): { readonly name: string; readonly at: string }[] =>
  policy.witnesses.flatMap(({ name, key }) => {
    const seconds = cosignedAt(note, key);
    return seconds === undefined ? [] : [{ name, at: isoOf(seconds) }];
  });

/** A witness's clock may say anything; what no calendar has is printed as it is. */
const isoOf = (seconds: number): string =>
  seconds < lastSecond ? toIso((seconds * 1_000) as EpochMs) : `second ${seconds}`;
const lastSecond = 253_402_300_800;

const isSignedByLog = (note: Note, origin: string, policy: Policy): boolean =>
  isSignedBy(
    note,
    policy.logs.filter(({ name }) => name === origin),
  );

/** One of the policy's logs, under the origin that the checkpoint states, must have signed it. */
function judgeSignature(note: Note, origin: string, policy: Policy, whose: string): void {
  if (isSignedByLog(note, origin, policy)) return;
  throw new Answered(
    aloneCodes.damaged,
    policy.logs.every(({ name }) => name !== origin)
      ? `${whose}: it is of the log "${origin}", which the policy does not name`
      : `${whose}: no key of the policy signed it, or one's signature is false`,
    "compare the policy with what the operator publishes: ./houselights timeline policy",
  );
}

async function policyOf({ policy, folder }: AloneQuestion, lines: string[]): Promise<Policy> {
  const path = policy ?? (folder === undefined ? undefined : join(folder, "policy"));
  if (folder !== undefined && !(await isFolder(folder)))
    throw new Answered(aloneCodes.usage, "there is no such folder");
  if (path === undefined) throw new Answered(aloneCodes.usage, "whose signatures count is not known", "--policy FILE");
  const text = await readBoundedText(path, mostBytes, { pipes: policy !== undefined });
  if (text === undefined) {
    throw new Answered(
      aloneCodes.usage,
      policy === undefined ? "the folder has no file named policy" : "the policy cannot be read",
      "--policy FILE, as ./houselights timeline policy prints it",
    );
  }
  const read = readPolicy(text);
  if ("wrong" in read)
    throw new Answered(aloneCodes.usage, `the policy: ${read.wrong}`, "its form is C2SP tlog-policy");
  if (policy === undefined) {
    lines.push("keys are taken from the folder itself: this shows that it agrees with itself, not whose it is");
  }
  return read;
}

async function olderCheckpoint(path: string, policy: Policy): Promise<Older> {
  const note = readNote(await readGiven(path));
  const stated = note === undefined ? undefined : readCheckpointBody(note.body);
  if (note === undefined || stated === undefined) {
    throw new Answered(aloneCodes.usage, `${path}: it is no signed checkpoint`);
  }
  judgeSignature(note, stated.origin, policy, path);
  return { path, ...stated };
}

async function reportOf(path: string, policy: Policy): Promise<ReportClaims> {
  const claims = readReportClaims(await readGiven(path));
  if (claims === undefined) {
    throw new Answered(
      aloneCodes.usage,
      `${path}: it is no report in JSON`,
      "./houselights incident report --json --output FILE",
    );
  }
  const note = claims.checkpoint === null ? undefined : readNote(claims.checkpoint);
  const stated = note === undefined ? undefined : readCheckpointBody(note.body);
  if (note === undefined || stated === undefined || stated.size !== claims.size) {
    throw new Answered(aloneCodes.untrue, `${path}: it has no checkpoint of the size that it states`);
  }
  judgeSignature(note, stated.origin, policy, path);
  return claims;
}

async function proofOf({ path, pipes }: ProofFile, policy: Policy): Promise<Proved> {
  const proof = readTlogProof(await readGiven(path, { pipes }));
  const stated = proof === undefined ? undefined : readCheckpointBody(proof.note.body);
  if (proof === undefined || stated === undefined) {
    throw new Answered(aloneCodes.damaged, `${path}: it is no proof with its entry (C2SP tlog-proof)`);
  }
  judgeSignature(proof.note, stated.origin, policy, path);
  const by = witnessesOf(proof.note, policy);
  if (!policy.isMet(new Set(by.map(({ name }) => name)))) {
    throw new Answered(
      aloneCodes.unwitnessed,
      `${path}: too few witnesses signed its checkpoint: the policy asks for ${policy.quorum}`,
    );
  }
  const { size, root, origin } = stated;
  const leafHash = hashLeaf(proof.entry);
  if (!verifyInclusion(leafHash, { index: proof.index, size, hashes: proof.hashes }, root)) {
    throw new Answered(aloneCodes.untrue, `${path}: its entry does not lead to the root that was signed`);
  }
  const witnesses = by.length === 0 ? "" : `, cosigned by ${by.map(({ name }) => name).join(", ")}`;
  return {
    path,
    origin,
    size,
    root,
    index: proof.index,
    leafHash,
    line: `${basename(path)}: entry ${proof.index} of ${figure(size)}${witnesses}: ${proof.entry.toString("utf8")}`,
  };
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() === true;
}

interface ProofFile {
  readonly path: string;
  /** Whether it was named itself, and not found in a folder. */
  readonly pipes: boolean;
}

async function proofFiles(paths: readonly string[]): Promise<ProofFile[]> {
  const files: ProofFile[] = [];
  for (const path of paths) {
    const names = await readdir(path).catch(() => undefined);
    if (names === undefined) files.push({ path, pipes: true });
    for (const name of names ?? []) {
      if (name.endsWith(".tlog-proof")) files.push({ path: join(path, name), pipes: false });
    }
  }
  return files;
}

/** No policy, checkpoint, proof or report is larger. */
const mostBytes = 64 * 1024 * 1024;

async function readGiven(path: string, { pipes } = { pipes: true }): Promise<string> {
  const text = await readBoundedText(path, mostBytes, { pipes });
  if (text === undefined) throw new Answered(aloneCodes.usage, `${path}: it cannot be read`);
  return text;
}

const figure = (value: number): string => value.toLocaleString("en");
