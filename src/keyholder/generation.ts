import { join } from "node:path";
import { Fault } from "../kernel/fault.ts";
import { decodeChecked, encodeChecked, isCount, isRecord, readPrivateFile, writeDurably } from "./durable-file.ts";

const format = "houselights keys generation 1";
const limitBytes = 4 * 1024;

/** Beside the file of keys, so that a file of keys that is put back alone shows. */
const generationPath = (folder: string): string => join(folder, "generation.json");

/** The generation of the last file of keys in a folder; 0 where none was remembered. */
export async function readGeneration(folder: string): Promise<number> {
  const path = generationPath(folder);
  const text = await readPrivateFile(path, limitBytes);
  if (text === undefined) return 0;
  const body = decodeChecked(format, text, path);
  const generation = isRecord(body) ? body["generation"] : undefined;
  if (!isCount(generation)) {
    throw new Fault("CONFIG_INVALID", `${path} is not a generation; nothing was changed`);
  }
  return generation;
}

export const writeGeneration = (folder: string, generation: number): Promise<void> =>
  writeDurably(generationPath(folder), encodeChecked(format, { generation }));
