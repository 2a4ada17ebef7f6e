import { open, readdir, stat } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import { formsOf } from "./forms.ts";
import type { Finding } from "./finding.ts";
import { compressedIn } from "./pglz.ts";
import type { Search } from "./search.ts";
import type { World } from "./world.ts";

const pageBytes = 8_192;
const pieceBytes = 4 * 1024 * 1024;
/** A value that lies over two pieces is whole in one of them. */
const overlapBytes = pageBytes;

/** Pages are full of names: shorter base64 than this would be read everywhere. It is 16 bytes, and no address is shorter. */
const rawLetters = 22;

export interface RawSearched {
  readonly findings: Finding[];
  readonly files: number;
  readonly bytes: number;
}

/**
 * The data folder as it lies on the disk, byte for byte: rows that were deleted or changed long ago, rows on their way, the
 * planner's samples, and the write-ahead log of everything since the service began, which is what a physical replica and
 * an archive of the log get too. Values that PostgreSQL compressed are opened.
 */
export async function searchRaw(
  search: Search,
  { dataFolder: folder, db, emptyUntil }: Pick<World, "dataFolder" | "db" | "emptyUntil">,
  isWanted: (name: string) => boolean = () => true,
): Promise<RawSearched> {
  await db.pool.query("analyze");
  await db.pool.query("checkpoint");
  const relations = await db.many<{ path: string; name: string }>(
    `select pg_relation_filepath(c.oid) as path, coalesce(t.relname || ' (outside of the row)', c.relname) as name
       from pg_class c left join pg_class t on t.reltoastrelid = c.oid
      where pg_relation_filepath(c.oid) is not null`,
  );
  const names = new Map(relations.map(({ path, name }) => [path, name]));
  const found = new Map<string, Finding>();
  let bytes = 0;
  let read = 0;
  const files = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
  const paths = [...files.map((entry) => join(entry.parentPath, entry.name)), ...(await logsBeside(folder))];
  for (const path of paths) {
    const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: 0 }));
    if (mtimeMs < emptyUntil) continue;
    const name = relative(folder, path);
    if (!isWanted(name)) continue;
    read++;
    const isLog = name.startsWith("pg_wal");
    const what = names.get(name.replace(/\.\d+$/, "")) ?? (isLog ? "write-ahead log" : basename(name));
    const note = (says: string): void => {
      found.set(`${what} ${says}`, { class: "personal", where: `data folder: ${what}`, says });
    };
    for await (const piece of piecesOf(path)) {
      bytes += piece.length;
      const readable = isLog ? withoutPageHeaders(piece) : piece;
      for (const form of formsOf(readable, 2, rawLetters)) for (const says of search.findPlain(form)) note(says);
      for (const inside of compressedIn(readable, isLog ? 1 : 4)) for (const says of search.findIn(inside)) note(says);
    }
  }
  return { findings: [...found.values()], files: read, bytes };
}

/** What the server itself wrote down lies beside its folder. */
async function logsBeside(folder: string): Promise<string[]> {
  const above = dirname(dirname(folder));
  return (await readdir(above)).filter((name) => name.endsWith(".log")).map((name) => join(above, name));
}

async function* piecesOf(path: string): AsyncGenerator<Buffer> {
  const file = await open(path).catch(() => undefined);
  // Temporary files come and go.
  if (file === undefined) return;
  try {
    const { size } = await file.stat();
    // Each piece is done with before the next is read.
    const buffer = Buffer.allocUnsafe(Math.min(size + 1, pieceBytes));
    for (let position = 0; ; position += pieceBytes - overlapBytes) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
      if (bytesRead > 0) yield buffer.subarray(0, bytesRead);
      if (bytesRead < pieceBytes) return;
    }
  } finally {
    await file.close();
  }
}

/** A record of the log goes on over the end of its page: 24 bytes of header, 40 at a file's beginning, stand between. */
function withoutPageHeaders(piece: Buffer): Buffer {
  const pages: Buffer[] = [];
  for (let at = 0; at < piece.length; at += pageBytes) {
    // The page's own flags say whether its header is the long one (XLP_LONG_HEADER).
    const isLong = at + 4 <= piece.length && (piece.readUInt16LE(at + 2) & 2) !== 0;
    pages.push(piece.subarray(at + (isLong ? 40 : 24), at + pageBytes));
  }
  return Buffer.concat(pages);
}
