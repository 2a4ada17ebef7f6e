import { expect, test } from "vitest";
import { layGround, type Ground } from "../src/app.ts";
import { parseConfig } from "../src/config/config.ts";
import { readStanding } from "../src/credentials/standing.ts";
import { contain } from "../src/incidents/contain.ts";
import { silentLog } from "../src/kernel/log.ts";
import { Secret } from "../src/kernel/secret.ts";
import { testConnection, testDatabase } from "../src/db/test-database.ts";
import { forEachRole, mayAsk, operations, roles, type Operation } from "../src/keyholder/permissions.ts";
import { newAccountId } from "../src/keyholder/test-values.ts";
import { testKeyholder } from "../src/keyholder/test-keyholder.ts";
import { credentialsFor, type ChildRole } from "../src/processes.ts";

/** What a captured process could ask the keyholder for with all it was given. */
const template = await testDatabase();
const connection = testConnection(String(template.pool.options.database));
const keyholder = await testKeyholder();
const { credentials, socketPath } = keyholder;
const revealed = forEachRole((role) => credentials[role].reveal());

async function as<Result>(role: ChildRole, work: (ground: Ground) => Promise<Result>): Promise<Result> {
  const given = Object.entries(credentialsFor(role, revealed, false)).map(([name, value]) => [name, new Secret(value)]);
  const ground = await layGround({
    config: parseConfig({ DATA_DIR: "/nowhere" }, "/nowhere"),
    surroundings: { connection, keyholder: { socketPath, credentials: Object.fromEntries(given) } },
    log: silentLog,
  });
  return work(ground).finally(() => ground.close());
}
const dkimField = Buffer.from("to:a@example.org\r\ndkim-signature:v=1; b=");
const dkimForms = { rsa: dkimField, ed25519: dkimField };
const refused = { code: "KEYHOLDER_REFUSED" };

test("web makes and checks credentials, and neither signs mail nor reads letters on their way", () =>
  as("web", async ({ keyholders }) => {
    expect(await keyholders.web.codeMac("renewal", Buffer.alloc(32), Secret.fromText("BCDFGHJKLM"))).toHaveLength(32);
    for (const keyholder of Object.values(keyholders)) {
      await expect(keyholder.dkimSign(1, [dkimForms])).rejects.toMatchObject(refused);
      await expect(keyholder.openForMailer("letter:x", Buffer.alloc(100))).rejects.toMatchObject(refused);
      // Whoever retires a key destroys what it opens.
      await expect(keyholder.keys.rotate("wrap", 0)).rejects.toMatchObject(refused);
      await expect(keyholder.keys.retire("wrap", 1)).rejects.toMatchObject(refused);
    }
  }));

test("web opens a thousand addresses at once by no credential that it has, and what a signal is sent with by the transmitter's", () =>
  as("web", async ({ keyholders }) => {
    const accountId = newAccountId();
    const dataKey = await keyholders.web.newDataKey(accountId);
    const sealed = async (table: string, column: string) => {
      const place = { table, column, accountId };
      return { dataKey, place, sealed: await keyholders.web.seal(dataKey, place, "ada@example.org") };
    };
    const address = await sealed("account_address", "sealed");
    const ofSignal = await sealed("signal_delivery", "sealed");
    expect(await keyholders.web.open([address])).toEqual(["ada@example.org"]);
    expect(await keyholders.transmitter.open([ofSignal])).toEqual(["ada@example.org"]);
    for (const keyholder of Object.values(keyholders)) {
      const asked = keyholder.open(Array.from({ length: 1_000 }, () => address));
      await expect(asked).rejects.toMatchObject(refused);
    }
    // What that role opens is not counted, so it opens none; not even one among a signal's own.
    await expect(keyholders.transmitter.open([ofSignal, address])).rejects.toMatchObject(refused);
  }));

test("web signs no timeline by any credential that it has, and grants as before", () =>
  as("web", async ({ keyholders }) => {
    expect(await keyholders.web.sign("grant", Buffer.alloc(1))).toHaveLength(64);
    for (const keyholder of Object.values(keyholders)) {
      await expect(keyholder.sign("checkpoint", Buffer.alloc(1))).rejects.toMatchObject(refused);
    }
  }));

test("the worker signs mail, and has not the credential of web", () =>
  as("worker", async ({ keyholders }) => {
    expect(await keyholders.mailer.dkimSign(1, [dkimForms])).toHaveLength(1);
    await expect(
      keyholders.web.codeMac("renewal", Buffer.alloc(32), Secret.fromText("BCDFGHJKLM")),
    ).rejects.toMatchObject(refused);
  }));

test("both settle containments with the witness, and let no database in", async () => {
  for (const role of ["web", "worker"] as const) {
    await as(role, async ({ plainDb: db, keyholders, ...ground }) => {
      const order = { mode: "everyone-out", keepTools: false, reason: "test", operator: role } as const;
      const contained = await contain({ ...ground, db, witness: keyholders.witness.witness }, order);
      expect(contained.witness).toBe("told");
      const { databaseId, ...now } = await readStanding(db);
      for (const { witness } of Object.values(keyholders)) {
        await expect(witness.highestFloors()).rejects.toMatchObject(refused);
        await expect(witness.enrol(databaseId, now)).rejects.toMatchObject(refused);
      }
    });
  }
});

/** What each kind of process can have done for it, by all the credentials that it is given. */
const reach = (role: ChildRole, showsMailbox: boolean): readonly Operation[] => {
  const given = roles.filter((one) => credentialsFor(role, revealed, showsMailbox)[one] !== undefined);
  return operations.filter((operation) => given.some((one) => mayAsk(one, operation)));
};

test("what a captured process could ask for is on this list", () => {
  const out = (role: ChildRole, showsMailbox = false): readonly Operation[] =>
    operations.filter((operation) => !reach(role, showsMailbox).includes(operation));
  const operators = ["witness.highestFloors", "witness.enrol"];
  const keys = ["keys.rotate", "keys.use", "keys.close", "keys.retire", "keys.rewrap"];
  const accounting = ["uses.callers", "uses.beyond", "uses.settle"];
  const standbys = ["standing.follow", "standing.read", "standing.promote"];
  const mailers = ["indexMany", "honeywords", "openForMailer", "sign.checkpoint", "sign.letter", "dkimSign"];
  expect(out("web")).toEqual([...mailers, ...keys, ...accounting, ...operators, "witness.advance", ...standbys]);
  expect(out("web", true)).toEqual([...keys, ...accounting, ...operators, ...standbys]);
  expect(out("worker")).toEqual([
    "newDataKey",
    "seal",
    "codeMac",
    "checkCode",
    "sealPassword",
    "verifyPassword",
    "newTotpSeed",
    "verifyTotp",
    "recoveryMacs",
    "findRecoveryCode",
    "sign.grant",
    "counters",
    ...operators,
    ...standbys,
  ]);
});

test("the built-in mailbox is the one reason to give web the mailer's credential", async () => {
  expect(Object.keys(credentialsFor("web", revealed, false)).toSorted()).toEqual(["transmitter", "web", "witness"]);
  expect(Object.keys(credentialsFor("web", revealed, true)).toSorted()).toEqual([
    "mailer",
    "transmitter",
    "web",
    "witness",
  ]);
  await keyholder.stop();
});
