import type { Db } from "../../src/db/db.ts";
import type { Finding } from "./finding.ts";
import { readFields } from "./personal.ts";
import type { Looking } from "./looking.ts";
import { silentCount, type Count } from "./steps.ts";
import { leavesOf, type Haul } from "./take.ts";
import { replicaSlot } from "./world.ts";

/**
 * Reads what a logical replica was told since the service began: every version of every row, those that are gone among them, with
 * the names of the columns. (A physical replica gets the write-ahead log byte for byte, and `raw.ts` reads that.) Decoded
 * by PostgreSQL's own output plugin; the messages are those of "Logical Replication Message Formats", protocol version 1.
 */
export async function searchReplica(
  looking: Looking,
  db: Db,
  haul: Haul,
  { expect, did }: Count = silentCount,
): Promise<{ readonly findings: Finding[]; readonly rows: number }> {
  const types = new Map(
    haul.tables.map(({ name, columns }) => [name, new Map(columns.map((one) => [one.name, one.type]))]),
  );
  const relations = new Map<number, { readonly table: string; readonly columns: readonly string[] }>();
  const reading = readFields(looking, "told to a replica: ");
  const typesRead = new Map<string, string>();
  let rows = 0;

  const take = (table: string, column: string, text: string): void => {
    const type = types.get(table)?.get(column) ?? "text";
    for (const { path, bytes } of leavesOf(type, text)) {
      const name = `${table}.${column}${path}`;
      typesRead.set(name, type);
      reading.take(name, type, bytes);
    }
  };

  // The server does not say how much it will tell; each row written is told at least once.
  expect(
    haul.tables.reduce((sum, table) => sum + table.rows.length, 0),
    "rows",
  );
  for (;;) {
    const messages = await db.many<{ data: Buffer }>(
      `select data from pg_logical_slot_get_binary_changes('${replicaSlot}', null, 20000,
                                                           'proto_version', '1', 'publication_names', '${replicaSlot}')`,
    );
    if (messages.length === 0) break;
    for (const { data } of messages) {
      const reader = readerOf(data);
      const kind = reader.letter();
      if (kind === "R") {
        const id = reader.int32();
        const [schema, name] = [reader.text(), reader.text()];
        reader.letter();
        const columns = Array.from({ length: reader.int16() }, () => {
          reader.letter();
          const column = reader.text();
          reader.int32();
          reader.int32();
          return column;
        });
        relations.set(id, { table: schema === "public" ? name : `${schema}.${name}`, columns });
      } else if (kind === "I" || kind === "U" || kind === "D") {
        const relation = relations.get(reader.int32());
        if (relation === undefined) throw new Error("a row came before its table was described");
        rows++;
        did();
        while (!reader.isAtEnd()) {
          // Old and new versions are told apart by a letter; both are looked at.
          reader.letter();
          const count = reader.int16();
          for (let at = 0; at < count; at++) {
            if (reader.letter() !== "t") continue;
            take(relation.table, relation.columns[at] ?? "", reader.counted());
          }
        }
      }
    }
    await reading.rest();
  }
  return { findings: await reading.finish((name) => typesRead.get(name) ?? "text"), rows };
}

function readerOf(data: Buffer) {
  let at = 0;
  return {
    isAtEnd: () => at >= data.length,
    letter: () => String.fromCharCode(data[at++] ?? 0),
    int16: () => data.readInt16BE((at += 2) - 2),
    int32: () => data.readInt32BE((at += 4) - 4),
    text: () => {
      const end = data.indexOf(0, at);
      const text = data.toString("utf8", at, end);
      at = end + 1;
      return text;
    },
    counted: () => {
      const length = data.readInt32BE(at);
      at += 4 + length;
      return data.toString("utf8", at - length, at);
    },
  };
}
