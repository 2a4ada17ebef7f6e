import { hash } from "node:crypto";
import { constants } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { Type, type Static } from "typebox";
import { Check } from "typebox/value";
import type { FileId } from "../../kernel/brand.ts";
import type { Random } from "../../kernel/random.ts";
import { syncFolder, writeWhole } from "../../kernel/whole-file.ts";
import { systemCode } from "../../keyholder/durable-file.ts";

/** Raised when pictures are made in another way: those of an earlier version are made anew. */
const version = 1;
/** Pictures side by side and one above the other in a sheet. */
export const sheetColumns = 5;
export const picturesInSheet = sheetColumns * sheetColumns;
/** Pictures of one film at most. */
export const mostPictures = 300;
/** Bytes of one sheet at most, so that the pictures of a film never take more than 6 MiB. A sheet usually has 100 kB. */
export const mostSheetBytes = 512 * 1024;

/** How the pictures of a film lie: the first line of their file. */
const ScrubLayout = Type.Object({
  version: Type.Literal(version),
  durationSeconds: Type.Number({ minimum: 0 }),
  /** A film is cut into places of this length, counted from its beginning as a player counts. */
  everySeconds: Type.Number({ exclusiveMinimum: 0 }),
  /** The places of which there is a picture, in order: picture k, which lies in sheet ⌊k/25⌋, is of place `places[k]`. */
  places: Type.Array(Type.Integer({ minimum: 0 }), { minItems: 1, maxItems: mostPictures }),
  /** Of one picture, in pixels. */
  width: Type.Integer({ minimum: 1 }),
  height: Type.Integer({ minimum: 1 }),
  sheetBytes: Type.Array(Type.Integer({ minimum: 1, maximum: mostSheetBytes }), { minItems: 1 }),
});
export type ScrubLayout = Static<typeof ScrubLayout>;

/** The pictures of one film: JPEGs of up to 25 pictures each. */
export interface ScrubPictures {
  readonly layout: Omit<ScrubLayout, "version" | "sheetBytes">;
  readonly sheets: readonly Buffer[];
}

export const scrubFolder = (dataDir: string): string => join(dataDir, "scrub");

/** One film's, as long as its bytes are the same: a changed film has another name. */
export const scrubName = (fileId: FileId, fingerprint: string): string =>
  `${fileId}-${hash("sha256", `${version} ${fingerprint}`).slice(0, 32)}`;

/** More than the first line of any film: 300 places and 12 sizes. */
const mostHeadBytes = 8 * 1024;

/**
 * Writes the pictures of a film as one file, which is there as a whole or not at all after any crash, and survives a power
 * cut once this resolves. What a crash leaves begins with a dot.
 */
export async function writePictures(
  { random, dataDir }: { readonly random: Random; readonly dataDir: string },
  name: string,
  { layout, sheets }: ScrubPictures,
): Promise<void> {
  const folder = scrubFolder(dataDir);
  const whole: ScrubLayout = { version, ...layout, sheetBytes: sheets.map(({ length }) => length) };
  const draft = join(folder, `.${random.bytes(8).toString("hex")}`);
  const bytes = Buffer.concat([Buffer.from(`${JSON.stringify(whole)}\n`), ...sheets]);
  await writeWhole(draft, join(folder, name), bytes);
  await syncFolder(folder);
}

/** How the pictures lie in a file of `writePictures`; `undefined` if it is not there, or of another version. */
export async function readLayout(dataDir: string, name: string): Promise<ScrubLayout | undefined> {
  return withFile(dataDir, name, async (file) => (await headOf(file))?.layout);
}

/** One sheet, a JPEG; `undefined` if there is none. */
export async function readSheet(dataDir: string, name: string, number: number): Promise<Buffer | undefined> {
  return withFile(dataDir, name, async (file) => {
    const head = await headOf(file);
    const bytes = head?.layout.sheetBytes[number];
    if (head === undefined || bytes === undefined) return undefined;
    const before = head.layout.sheetBytes.slice(0, number).reduce((sum, one) => sum + one, head.bytes);
    const sheet = Buffer.alloc(bytes);
    const { bytesRead } = await file.read(sheet, 0, bytes, before);
    return bytesRead === bytes ? sheet : undefined;
  });
}

async function withFile<Value>(
  dataDir: string,
  name: string,
  read: (file: FileHandle) => Promise<Value | undefined>,
): Promise<Value | undefined> {
  let file: FileHandle;
  try {
    file = await open(join(scrubFolder(dataDir), name), constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (thrown) {
    // Made on another node, or removed since the row was read.
    if (systemCode(thrown) === "ENOENT") return undefined;
    throw thrown;
  }
  try {
    return await read(file);
  } finally {
    await file.close();
  }
}

async function headOf(file: FileHandle): Promise<{ readonly layout: ScrubLayout; readonly bytes: number } | undefined> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(mostHeadBytes), 0, mostHeadBytes, 0);
  const end = buffer.subarray(0, bytesRead).indexOf("\n");
  if (end < 0) return undefined;
  try {
    const layout: unknown = JSON.parse(buffer.toString("utf8", 0, end));
    return Check(ScrubLayout, layout) ? { layout, bytes: end + 1 } : undefined;
  } catch {
    return undefined;
  }
}
