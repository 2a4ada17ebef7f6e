import { expect, test } from "vitest";
import { layGround, type Ground } from "../src/app.ts";
import { parseConfig } from "../src/config/config.ts";
import { silentLog } from "../src/kernel/log.ts";
import { Secret } from "../src/kernel/secret.ts";
import { testConnection, testDatabase } from "../src/db/test-database.ts";
import { testKeyholder } from "../src/keyholder/test-keyholder.ts";
import { credentialsFor, type ChildRole } from "../src/processes.ts";

/** What a captured process could ask the keyholder for with all it was given. */
const template = await testDatabase();
const connection = testConnection(String(template.pool.options.database));
const keyholder = await testKeyholder();
const { credentials, socketPath } = keyholder;
const revealed = {
  web: credentials.web.reveal(),
  mailer: credentials.mailer.reveal(),
  operator: credentials.operator.reveal(),
};

async function as<Result>(role: ChildRole, work: (ground: Ground) => Promise<Result>): Promise<Result> {
  const given = Object.entries(credentialsFor(role, revealed, false)).map(([name, value]) => [name, new Secret(value)]);
  const ground = await layGround({
    config: parseConfig({ DATA_DIR: "/nowhere" }, "/nowhere"),
    surroundings: { connection, keyholder: { socketPath, credentials: Object.fromEntries(given) } },
    log: silentLog,
  });
  return work(ground).finally(() => ground.close());
}
const refused = { code: "KEYHOLDER_REFUSED" };

test("web makes and checks credentials, and neither signs mail nor reads letters on their way", () =>
  as("web", async ({ keyholders }) => {
    expect(await keyholders.web.codeMac("renewal", Buffer.alloc(32), Secret.fromText("BCDFGHJKLM"))).toHaveLength(32);
    for (const keyholder of Object.values(keyholders)) {
      await expect(keyholder.dkimKey()).rejects.toMatchObject(refused);
      await expect(keyholder.openForMailer("letter:x", Buffer.alloc(100))).rejects.toMatchObject(refused);
    }
  }));

test("the worker signs mail, and has not the credential of web", () =>
  as("worker", async ({ keyholders }) => {
    expect(await keyholders.mailer.dkimKey()).toBeDefined();
    await expect(
      keyholders.web.codeMac("renewal", Buffer.alloc(32), Secret.fromText("BCDFGHJKLM")),
    ).rejects.toMatchObject(refused);
  }));

test("the built-in mailbox is the one reason to give web the mailer's credential", async () => {
  expect(Object.keys(credentialsFor("web", revealed, false)).toSorted()).toEqual(["operator", "web"]);
  expect(Object.keys(credentialsFor("web", revealed, true)).toSorted()).toEqual(["mailer", "operator", "web"]);
  await keyholder.stop();
});
