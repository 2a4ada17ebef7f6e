import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { readFile, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { Clock } from "../kernel/clock.ts";
import { Fault, messageOf } from "../kernel/fault.ts";
import type { Log } from "../kernel/log.ts";
import { makeFolder } from "../kernel/make-folder.ts";
import { syncFolder, writeWhole } from "../kernel/whole-file.ts";
import { lockFolder } from "../keyholder/folder-lock.ts";
import { inTurn } from "../keyholder/in-turn.ts";
import { readCheckpointBody, type Checkpoint } from "./checkpoint.ts";
import { cosignatureLine, isSignedBy, readNote, signatureTypes, verifierKey, type VerifierKey } from "./note.ts";
import { verifyConsistency } from "./tree.ts";
import { readAddCheckpoint, sizeContentType } from "./witness-protocol.ts";

interface WitnessOptions {
  /** Holds the witness's key and, for each log, the last checkpoint it cosigned. Made if it is missing. */
  readonly folder: string;
  /** The name of its key, by which policies know it. */
  readonly name: string;
  /** The logs it watches; any other is answered 404. */
  readonly logs: readonly VerifierKey[];
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  readonly tls?: { readonly cert: Buffer; readonly key: Buffer };
  readonly clock: Clock;
  readonly log: Log;
}

export interface RunningWitness {
  readonly port: number;
  /** What policies name it by. */
  readonly key: VerifierKey;
  close(): Promise<void>;
}

const mostRequestBytes = 65_536;
/** A few services ask, each once a second. */
const mostConnections = 100;

/**
 * A witness (C2SP tlog-witness): remembers the largest tree it has seen of each log it was told of, and cosigns a larger
 * one only with a proof that it continues what it has seen. It belongs on a machine that whoever runs the log cannot change.
 * What it remembers is flushed to disk before it answers; one process at a time holds the folder.
 */
export async function startWitness(options: WitnessOptions): Promise<RunningWitness> {
  const { folder, name, logs, host, port, tls, log } = options;
  await makeFolder(folder, 0o700);
  const lock = lockFolder(folder);
  const privateKey = await readOrMakeKey(folder);
  const key = verifierKey(name, rawPublicKey(privateKey), signatureTypes.cosignature);
  const cosign = witnessing({ ...options, privateKey, key });

  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    void handle(request, cosign)
      .catch((thrown: unknown) => {
        log.error({ reason: messageOf(thrown) }, "a checkpoint could not be judged");
        return { status: 500, text: "" };
      })
      .then(({ status, text, type = "text/plain; charset=utf-8" }: Answer) => {
        response.writeHead(status, { "content-type": type, "cache-control": "no-store" }).end(text);
      });
  };
  const settings = { requestTimeout: 30_000, headersTimeout: 10_000 };
  const server = tls === undefined ? createServer(settings, answer) : createTlsServer({ ...settings, ...tls }, answer);
  server.maxConnections = mostConnections;
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(port, host, () => resolve()));
  log.info({ logs: logs.length }, "witnessing");
  return {
    port: (server.address() as AddressInfo).port,
    key,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
      lock.release();
    },
  };
}

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly type?: string;
}
type Cosign = (text: string) => Promise<Answer>;

async function handle(request: IncomingMessage, cosign: Cosign): Promise<Answer> {
  if (request.url?.endsWith("/add-checkpoint") !== true) return { status: 404, text: "" };
  if (request.method !== "POST") return { status: 405, text: "" };
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > mostRequestBytes) return { status: 413, text: "" };
    chunks.push(chunk);
  }
  return cosign(Buffer.concat(chunks).toString("utf8"));
}

function witnessing({
  folder,
  logs,
  clock,
  log,
  privateKey,
  key,
}: WitnessOptions & { readonly privateKey: KeyObject; readonly key: VerifierKey }): Cosign {
  // What is remembered is compared and replaced without anybody in between.
  const afterOthers = inTurn();

  async function judge(text: string): Promise<Answer> {
    const asked = readAddCheckpoint(text);
    const stated = asked === undefined ? undefined : readCheckpointBody(asked.note.body);
    if (asked === undefined || stated === undefined) return { status: 400, text: "the request is not in its form\n" };
    const keys = logs.filter(({ name }) => name === stated.origin);
    if (keys.length === 0) return { status: 404, text: "this log is not known here\n" };
    if (!isSignedBy(asked.note, keys)) return { status: 403, text: "no known key of the log signed this\n" };
    if (asked.before > stated.size) return { status: 400, text: "the old size is larger than the new one\n" };
    const seen = await lastSeen(folder, stated.origin);
    if (asked.before !== seen.size) return { status: 409, text: `${seen.size}\n`, type: sizeContentType };
    if (seen.size === stated.size && seen.size > 0 && !seen.root.equals(stated.root)) {
      log.error({ origin: stated.origin, size: seen.size }, "two trees of one size were signed");
      await remember(folder, `${fileOf(stated.origin)}-conflict`, asked.checkpoint);
      return { status: 409, text: `${seen.size}\n`, type: sizeContentType };
    }
    if (!verifyConsistency(seen, stated, asked.hashes)) {
      log.error({ origin: stated.origin, size: stated.size }, "a tree does not continue what was seen");
      await remember(folder, `${fileOf(stated.origin)}-conflict`, asked.checkpoint);
      return { status: 422, text: "this tree is not shown to continue what was cosigned\n" };
    }
    const line = cosignatureLine(key, privateKey, asked.note.body, Math.floor(clock.now() / 1_000));
    await remember(folder, fileOf(stated.origin), asked.checkpoint);
    return { status: 200, text: `${line}\n` };
  }

  return (text) => afterOthers(() => judge(text));
}

const fileOf = (origin: string): string => createHash("sha256").update(origin).digest("hex").slice(0, 32);

async function lastSeen(folder: string, origin: string): Promise<Checkpoint> {
  const text = await readIfThere(join(folder, fileOf(origin)));
  if (text === undefined) return { size: 0, root: Buffer.alloc(0) };
  const seen = readCheckpointBody(readNote(text)?.body ?? "");
  // Begun anew it would cosign anything: a damaged memory is for a person to look at.
  if (seen?.origin !== origin)
    throw new Fault("SEALED_UNREADABLE", `what was seen of a log cannot be read in ${folder}`);
  return seen;
}

/** Once this resolves the text survives a power cut; a kill leaves either it or what was there before. */
async function remember(folder: string, name: string, text: string): Promise<void> {
  const draft = join(folder, `${name}.new`);
  // One that a kill has left would be in the way.
  await rm(draft, { force: true });
  await writeWhole(draft, join(folder, name), text);
  await syncFolder(folder);
}

async function readOrMakeKey(folder: string): Promise<KeyObject> {
  const pem = await readIfThere(join(folder, "witness.key"));
  if (pem !== undefined) {
    try {
      return createPrivateKey(pem);
    } catch (thrown) {
      throw new Fault("SEALED_UNREADABLE", `the witness's key cannot be read in ${folder}`, { cause: thrown });
    }
  }
  const { privateKey } = generateKeyPairSync("ed25519");
  await remember(folder, "witness.key", privateKey.export({ type: "pkcs8", format: "pem" }).toString());
  return privateKey;
}

const rawPublicKey = (privateKey: KeyObject): Buffer =>
  Buffer.from(createPublicKey(privateKey).export({ format: "jwk" }).x ?? "", "base64url");

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT") return undefined;
    throw thrown;
  }
}
