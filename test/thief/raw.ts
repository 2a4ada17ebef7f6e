import { readdir, stat } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import type { Finding } from "./finding.ts";
import type { Looking } from "./looking.ts";
import { pieceStarts, type Piece } from "./raw-piece.ts";
import { silentCount, type Count } from "./steps.ts";
import type { World } from "./world.ts";

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
  looking: Looking,
  { dataFolder: folder, db, emptyUntil }: Pick<World, "dataFolder" | "db" | "emptyUntil">,
  {
    isWanted = () => true,
    count = silentCount,
  }: { readonly isWanted?: (name: string) => boolean; readonly count?: Count } = {},
): Promise<RawSearched> {
  await db.pool.query("analyze");
  await db.pool.query("checkpoint");
  const relations = await db.many<{ path: string; name: string }>(
    `select pg_relation_filepath(c.oid) as path, coalesce(t.relname || ' (outside of the row)', c.relname) as name
       from pg_class c left join pg_class t on t.reltoastrelid = c.oid
      where pg_relation_filepath(c.oid) is not null`,
  );
  const names = new Map(relations.map(({ path, name }) => [path, name]));
  const entries = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
  const paths = [...entries.map((entry) => join(entry.parentPath, entry.name)), ...(await logsBeside(folder))];
  let files = 0;
  const pieces: (Piece & { readonly what: string })[] = [];
  for (const path of paths) {
    const { mtimeMs, size } = await stat(path).catch(() => ({ mtimeMs: 0, size: 0 }));
    const name = relative(folder, path);
    if (mtimeMs < emptyUntil || !isWanted(name)) continue;
    files++;
    const isLog = name.startsWith("pg_wal");
    const what = names.get(name.replace(/\.\d+$/, "")) ?? (isLog ? "write-ahead log" : basename(name));
    pieces.push(...pieceStarts(size).map((position) => ({ path, position, isLog, what })));
  }
  count.expect(pieces.length, "pieces of files");
  const findings = new Map<string, Finding>();
  let bytes = 0;
  await Promise.all(
    pieces.map(async ({ what, ...piece }) => {
      const looked = await looking.lookIn(piece);
      bytes += looked.bytes;
      count.did();
      for (const says of looked.found) {
        findings.set(`${what} ${says}`, { class: "personal", where: `data folder: ${what}`, says });
      }
    }),
  );
  return { findings: [...findings.values()], files, bytes };
}

/** What the server itself wrote down lies beside its folder. */
async function logsBeside(folder: string): Promise<string[]> {
  const above = dirname(dirname(folder));
  return (await readdir(above)).filter((name) => name.endsWith(".log")).map((name) => join(above, name));
}
