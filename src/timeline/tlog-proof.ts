import { fromBase64, readNote, type Note } from "./note.ts";

const firstLine = "c2sp.org/tlog-proof@v1";
const mostHashes = 64;

/** A proof that stands alone: the entry, its way to the root, and the checkpoint that signs the root. */
export interface TlogProof {
  readonly index: number;
  readonly hashes: readonly Buffer[];
  /** The signed checkpoint, cosignatures included, as text. */
  readonly checkpoint: string;
  /** The bytes of the entry: `extra` in the format, which the proof itself then authenticates. */
  readonly entry: Buffer;
}

/** C2SP tlog-proof, "Format". */
export function writeTlogProof({ index, hashes, checkpoint, entry }: TlogProof): string {
  const lines = [
    firstLine,
    `extra ${entry.toString("base64")}`,
    `index ${index}`,
    ...hashes.map((hash) => hash.toString("base64")),
  ];
  return `${lines.join("\n")}\n\n${checkpoint}`;
}

/** `undefined` for what is not such a proof, or is one without its entry. The signatures are unread. */
export function readTlogProof(text: string): (TlogProof & { readonly note: Note }) | undefined {
  if (text.length > 200_000) return undefined;
  const split = text.indexOf("\n\n");
  const checkpoint = text.slice(split + 2);
  const note = split < 0 ? undefined : readNote(checkpoint);
  const [first, extra, place, ...rest] = text.slice(0, Math.max(0, split)).split("\n");
  const entry = extra?.startsWith("extra ") === true ? fromBase64(extra.slice(6)) : undefined;
  const index = /^index (0|[1-9]\d{0,15})$/.exec(place ?? "")?.[1];
  const hashes = rest.map(fromBase64);
  if (first !== firstLine || note === undefined || entry === undefined || index === undefined) return undefined;
  if (hashes.length > mostHashes || hashes.some((hash) => hash?.length !== 32)) return undefined;
  return { index: Number(index), hashes: hashes.filter((hash) => hash !== undefined), checkpoint, entry, note };
}
