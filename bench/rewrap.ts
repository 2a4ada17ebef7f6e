import type { Db } from "../src/db/db.ts";
import type { KeyholderClient } from "../src/keyholder/client.ts";
import type { KeyPurpose } from "../src/keyholder/keyholder.ts";
import { systemClock } from "../src/kernel/clock.ts";
import { silentLog } from "../src/kernel/log.ts";
import { systemRandom } from "../src/kernel/random.ts";
import { Secret } from "../src/kernel/secret.ts";
import { keepKeys } from "../src/rotation/keep-keys.ts";
import { rewrapColumn } from "../src/rotation/rewrap-column.ts";
import { rotateKeys } from "../src/rotation/rotate.ts";
import { rewrappedColumns } from "../src/rotation/sealed-columns.ts";
import { populate } from "../test/population.ts";
import type { Bench, Measured } from "./bench.ts";
import { median } from "./report.ts";
import { openServiceDatabase, startDurablePostgres, startKeyProcess } from "./surroundings.ts";

const sizes = {
  full: { true: 2_000, rows: 200_000, rounds: 5 },
  small: { true: 200, rows: 1_000, rounds: 2 },
} as const;

/** Sealing again under a new key, every row of a real database with durable commits and a real keyholder. */
export async function measureRewrap(bench: Bench): Promise<Measured> {
  const { scale, say } = bench;
  const { true: few, rows, rounds } = sizes[scale];
  const postgres = await startDurablePostgres(bench);
  const keyholder = await startKeyProcess(bench);
  const [web, mailer, keeper] = [
    await keyholder.connect("web"),
    await keyholder.connect("mailer"),
    await keyholder.connect("keeper"),
  ];
  const db = await openServiceDatabase(bench, postgres, "rewrap");
  const needs = {
    db,
    keys: keeper.keys,
    keyholder: mailer,
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    remarkCanaries: async () => undefined,
  };

  say(`making ${few.toLocaleString("en")} true accounts and ${rows.toLocaleString("en")} sealed rows`);
  await populate(db, web, { accounts: few });
  await fill(db, web, rows);

  say(`rotating ${rounds} times`);
  const passwords: number[] = [];
  const dataKeys: number[] = [];
  for (let round = 0; round < rounds; round++) {
    passwords.push(await measure(needs, "password", "password"));
    dataKeys.push(await measure(needs, "wrap", "account"));
    // A key has four versions at most: what is old goes, with the rest of what a rotation leaves.
    await retireOld(needs, ["password", "wrap"]);
    await db.run("vacuum account, password");
  }
  await rotateKeys(needs, ["index.address"]);
  const started = performance.now();
  await keepKeys(needs);
  const addressesPerSecond = few / ((performance.now() - started) / 1_000);
  return {
    figures: {
      rows: rows + few,
      passwordsPerSecond: median(passwords),
      dataKeysPerSecond: median(dataKeys),
      addressesPerSecond,
    },
    what: {
      rows: "password records and as many data keys",
      passwordsPerSecond: "password records sealed again, read, sealed and committed",
      dataKeysPerSecond: "data keys sealed again, the same",
      addressesPerSecond: "addresses opened and given their index under the new key",
    },
  };
}

type Needs = Parameters<typeof keepKeys>[0];

async function measure(needs: Needs, purpose: KeyPurpose, table: string): Promise<number> {
  const { rotated } = await rotateKeys(needs, [purpose]);
  const column = rewrappedColumns.find((each) => each.table === table && each.purpose === purpose);
  const toVersion = rotated[0]?.version;
  if (column === undefined || toVersion === undefined) throw new Error(`nothing of ${table} is sealed for ${purpose}`);
  const started = performance.now();
  await rewrapColumn(needs, column, toVersion);
  const seconds = (performance.now() - started) / 1_000;
  const done = await needs.db.one<{ rewrapped: number; unreadable: number }>(
    `select rewrapped, unreadable from key_rewrap where table_name = $1 and column_name = $2`,
    [table, column.column],
  );
  if (done === undefined || done.unreadable > 0) throw new Error("rows did not open");
  return done.rewrapped / seconds;
}

/** What a walk would destroy by way of the command, at once: nothing else uses these keys. */
async function retireOld({ keys, db }: Needs, purposes: readonly KeyPurpose[]): Promise<void> {
  for (const purpose of purposes) {
    const state = (await keys.states()).states.find((each) => each.purpose === purpose);
    for (const { version } of state?.versions ?? []) {
      if (state === undefined || version >= state.newest) continue;
      await db.run(`update key_version set state = 'closing' where purpose = $1 and version = $2`, [purpose, version]);
      await keys.close(purpose, version);
      await keys.retire(purpose, version);
    }
  }
}

/** Accounts and passwords that open, and nothing else of them: sealed in bulk for ids that the server makes. */
async function fill(db: Db, web: KeyholderClient, rows: number): Promise<void> {
  const chunk = 5_000;
  for (let made = 0; made < rows; made += chunk) {
    const { rows: ids } = await db.pool.query<{ id: string }>(
      `select uuidv7() as id from generate_series(1, ${Math.min(chunk, rows - made)})`,
    );
    const sealed = await Promise.all(
      ids.map(async ({ id }) => ({
        id,
        dataKey: await web.newDataKey(id as Parameters<KeyholderClient["newDataKey"]>[0]),
        record: await web.sealPassword(id as Parameters<KeyholderClient["sealPassword"]>[0], tag),
      })),
    );
    await db.run(
      `with made as (select * from unnest($1::uuid[], $2::bytea[], $3::bytea[]) as m (id, data_key, record)),
            accounts as (
              insert into account (id, role, locale, data_key, sealed_name, created_at)
              select id, 'viewer', 'en', data_key, decode(repeat('00', 45), 'hex'), now() from made
            )
       insert into password (account_id, salt, parameters, record, epoch, set_at)
       select id, decode(repeat('00', 16), 'hex'), 'bench', record, 1, now() from made`,
      [sealed.map(({ id }) => id), sealed.map(({ dataKey }) => dataKey), sealed.map(({ record }) => record)],
    );
  }
  await db.run("vacuum (analyze) account, password");
}

const tag = new Secret(Buffer.alloc(32, 7));
