import type { AccountId } from "../kernel/brand.ts";
import type { Tx } from "../db/db.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import { parseMac, splitMacs } from "../keyholder/named-mac.ts";
import { lookUpForm } from "../mail/address.ts";
import { sealPlace } from "./plant.ts";

interface Needs {
  readonly db: Tx;
  /** Mailer's role: a mark is made of the address, which is opened for it. */
  readonly keyholder: Pick<Keyholder, "open" | "indexMany">;
}

interface Row {
  mark: Buffer;
  sealId: AccountId;
  dataKey: Buffer;
  sealed: Buffer;
}

/**
 * Gives every canary its mark under the newest version of the key, a few hundred at once: meanwhile it rings under either.
 * One whose address does not open keeps its mark, and with it the key.
 */
export async function remarkCanaries({ db, keyholder }: Needs, toVersion: number): Promise<void> {
  let after: Buffer = Buffer.alloc(0);
  for (;;) {
    const rows = await db.many<Row>(
      `select mark, seal_id as "sealId", data_key as "dataKey", sealed_address as sealed from canary
        where mark > $1 order by mark limit 500`,
      [after],
    );
    const last = rows.at(-1);
    if (last === undefined) return;
    const old = rows.filter(({ mark }) => parseMac(mark)?.version !== toVersion);
    const opened = await keyholder.open(
      old.map(({ dataKey, sealId, sealed }) => ({ dataKey, place: sealPlace(sealId), sealed })),
    );
    const lists = await keyholder.indexMany(
      "canary",
      opened.map((address) => lookUpForm(address ?? "")),
    );
    for (const [n, { mark }] of old.entries()) {
      const newest = splitMacs(lists[n] ?? Buffer.alloc(0)).find((each) => parseMac(each)?.version === toVersion);
      if (opened[n] === null || newest === undefined) continue;
      await db.run(`update canary set mark = $2 where mark = $1`, [mark, newest]);
    }
    after = last.mark;
  }
}
