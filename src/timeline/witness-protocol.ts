import { fromBase64, readNote, type Note } from "./note.ts";

/** No proof of a tree that anybody has is longer (C2SP tlog-witness, "add-checkpoint"). */
const mostHashes = 63;

/** What a log asks a witness: to cosign this checkpoint, and why it may. */
export interface AddCheckpoint {
  /** The size of what the witness cosigned last. */
  readonly before: number;
  readonly hashes: readonly Buffer[];
  readonly checkpoint: string;
}

/** The body of the request: old size, proof, an empty line, the checkpoint (C2SP tlog-witness, "add-checkpoint"). */
export function writeAddCheckpoint({ before, hashes, checkpoint }: AddCheckpoint): string {
  return [`old ${before}`, ...hashes.map((hash) => hash.toString("base64")), "", checkpoint].join("\n");
}

export function readAddCheckpoint(text: string): (AddCheckpoint & { readonly note: Note }) | undefined {
  const split = text.indexOf("\n\n");
  const checkpoint = text.slice(split + 2);
  const note = split < 0 ? undefined : readNote(checkpoint);
  const [first = "", ...rest] = text.slice(0, Math.max(0, split)).split("\n");
  const before = Number(/^old (0|[1-9]\d{0,15})$/.exec(first)?.[1] ?? Number.NaN);
  const hashes = rest.map(fromBase64);
  if (note === undefined || !Number.isSafeInteger(before)) return undefined;
  if (hashes.length > mostHashes || hashes.some((hash) => hash?.length !== 32)) return undefined;
  return { before, hashes: hashes.filter((hash) => hash !== undefined), checkpoint, note };
}

/** The type of a 409 that says what the witness has (C2SP tlog-witness, "add-checkpoint"). */
export const sizeContentType = "text/x.tlog.size";
