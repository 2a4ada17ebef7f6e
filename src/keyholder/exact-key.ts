import { join } from "node:path";
import { Fault } from "../kernel/fault.ts";
import type { Random } from "../kernel/random.ts";
import { decodeChecked, encodeChecked, isRecord, readPrivateFile, writeDurably } from "./durable-file.ts";
import { exactKeyOf, type ExactKey } from "./honeywords.ts";

const format = "houselights exact key 1";

/** A file of its own, which no backup takes: it must not be where the other keys leak from. */
export const exactKeyPath = (folder: string): string => join(folder, "exact.key");

/**
 * The key of the exact check of password records, made if there is none. After a restore of the keys it is another one:
 * older records are then judged by their filter. Throws CONFIG_INVALID for a damaged file.
 */
export async function openExactKey({ random }: { readonly random: Random }, folder: string): Promise<ExactKey> {
  const path = exactKeyPath(folder);
  const text = await readPrivateFile(path, 4_096);
  if (text === undefined) {
    const key = random.bytes(32);
    await writeDurably(path, encodeChecked(format, { key: key.toString("base64") }));
    return exactKeyOf(key);
  }
  const body = decodeChecked(format, text, path);
  const key = Buffer.from(isRecord(body) && typeof body["key"] === "string" ? body["key"] : "", "base64");
  if (key.length !== 32)
    throw new Fault("CONFIG_INVALID", `${path} is not a key of ours: move it away, and a new one is made`);
  return exactKeyOf(key);
}
