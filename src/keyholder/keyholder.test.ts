import { createHash, createPublicKey, randomBytes, randomUUID, verify } from "node:crypto";
import { calculateJwkThumbprint, createLocalJWKSet, jwtVerify } from "jose";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import type { AccountId } from "../kernel/brand.ts";
import { silentLog } from "../kernel/log.ts";
import { Secret } from "../kernel/secret.ts";
import { connectKeyholder } from "./client.ts";
import { addressesPerCall } from "./address-limit.ts";
import type { KeyholderClient } from "./client.ts";
import { impossible } from "../kernel/fault.ts";
import type { KeyPurpose, Role } from "./keyholder.ts";
import { mayAsk, operations, roles } from "./permissions.ts";
import type { Operation } from "./permissions.ts";
import { floorsAt, head, newAccountId } from "./test-values.ts";
import { testKeyholder } from "./test-keyholder.ts";
import type { TestKeyholder } from "./test-keyholder.ts";

let keyholder: TestKeyholder;
let web: KeyholderClient;
let mailer: KeyholderClient;
let witness: KeyholderClient;
let operator: KeyholderClient;
let keeper: KeyholderClient;
let transmitter: KeyholderClient;

beforeAll(async () => {
  keyholder = await testKeyholder();
  [web, mailer, witness, operator, keeper, transmitter] = [
    await keyholder.connect("web"),
    await keyholder.connect("mailer"),
    await keyholder.connect("witness"),
    await keyholder.connect("operator"),
    await keyholder.connect("keeper"),
    await keyholder.connect("transmitter"),
  ];
});
afterAll(() => keyholder.stop());

const placeOf = (accountId: AccountId) => ({ table: "account", column: "sealed_name", accountId });
const flipped = (bytes: Uint8Array, at: number): Buffer => {
  const copy = Buffer.from(bytes);
  copy.writeUInt8(copy.readUInt8(at) ^ 1, at);
  return copy;
};

test("a sealed value opens where it was sealed, and nowhere else", async () => {
  const accountId = newAccountId();
  const other = newAccountId();
  const dataKey = await web.newDataKey(accountId);
  const otherKey = await web.newDataKey(other);
  const place = placeOf(accountId);
  const sealed = await web.seal(dataKey, place, "Zoë 電影 \u0000");

  expect(await web.open([{ dataKey, place, sealed }])).toEqual(["Zoë 電影 \u0000"]);
  expect(
    await web.open([
      { dataKey, place: { ...place, column: "sealed_address" }, sealed },
      { dataKey, place: { ...place, table: "session" }, sealed },
      { dataKey, place: { ...place, accountId: other }, sealed },
      { dataKey: otherKey, place: { ...place, accountId: other }, sealed },
      { dataKey: otherKey, place, sealed },
    ]),
  ).toEqual([null, null, null, null, null]);
});

test("of a call no value is opened when one is not the role's to see, and of addresses no more than a call may have", async () => {
  const accountId = newAccountId();
  const dataKey = await web.newDataKey(accountId);
  const valueAt = async (table: string, column: string) => {
    const place = { table, column, accountId };
    return { dataKey, place, sealed: await web.seal(dataKey, place, "Ada") };
  };
  const [signal, address] = [await valueAt("signal_delivery", "sealed"), await valueAt("account_address", "sealed")];
  expect(await transmitter.open([signal])).toEqual(["Ada"]);
  for (const values of [[address], [signal, address], [address, signal]]) {
    await expect(transmitter.open(values)).rejects.toMatchObject({ code: "KEYHOLDER_REFUSED" });
  }
  const most = Array.from({ length: addressesPerCall }, () => address);
  const { opened } = (await web.counters()).addresses;
  expect(await web.open(most)).toHaveLength(addressesPerCall);
  await expect(web.open([...most, address])).rejects.toMatchObject({ code: "KEYHOLDER_REFUSED" });
  expect((await web.counters()).addresses).toMatchObject({ opened: opened + addressesPerCall });
  expect(await mailer.open([...most, address])).toHaveLength(addressesPerCall + 1);
});

test("one damaged value is null in its place and hides no other", async () => {
  const accountId = newAccountId();
  const dataKey = await web.newDataKey(accountId);
  const place = placeOf(accountId);
  const sealed = await web.seal(dataKey, place, "Ada");
  const before = (await web.counters()).unreadableValues;
  const damaged = [...sealed.keys()].map((at) => ({ dataKey, place, sealed: flipped(sealed, at) }));
  const odd = [Buffer.alloc(0), Buffer.alloc(400_000, 1)].map((bytes) => ({ dataKey, place, sealed: bytes }));
  const damagedKey = { dataKey: flipped(dataKey, 20), place, sealed };
  const opened = await web.open([
    { dataKey, place, sealed },
    ...damaged,
    ...odd,
    damagedKey,
    { dataKey, place, sealed },
  ]);
  expect(opened).toEqual(["Ada", ...damaged.map(() => null), null, null, null, "Ada"]);
  expect((await web.counters()).unreadableValues).toBe(before + damaged.length + 3);
});

test("sealing under a data key of another account is a Fault", async () => {
  const accountId = newAccountId();
  const dataKey = await web.newDataKey(accountId);
  await web.seal(dataKey, placeOf(accountId), "works");
  const unreadable = { code: "SEALED_UNREADABLE" };
  await expect(web.seal(dataKey, placeOf(newAccountId()), "does not")).rejects.toMatchObject(unreadable);
  // In one frame with a call for whom it is, too.
  const together = [web.seal(dataKey, placeOf(accountId), "works"), web.seal(dataKey, placeOf(newAccountId()), "not")];
  expect(await Promise.allSettled(together)).toMatchObject([
    { status: "fulfilled" },
    { status: "rejected", reason: unreadable },
  ]);
});

test("an index is made under each key that is looked up by: the newest first, and none that is on its way out", async () => {
  const own = await testKeyholder();
  onTestFinished(() => own.stop());
  const [client, { keys }] = [await own.connect("web"), await own.connect("keeper")];
  const index = () => client.index("address", "ada@example.org");
  const first = await index();
  await keys.rotate("index.address", 1);
  const both = await index();
  // The first version has no name before it.
  expect([both.length, both.subarray(-first.length)]).toEqual([36 + 32, first]);
  await keys.close("index.address", 1);
  expect(await index()).toEqual(both.subarray(0, 36));
});

test("a data key that a retired key wrapped opens nothing, however lately it did", async () => {
  const own = await testKeyholder();
  onTestFinished(() => own.stop());
  const [client, { keys }] = [await own.connect("web"), await own.connect("keeper")];
  const accountId = newAccountId();
  const dataKey = await client.newDataKey(accountId);
  await keys.rotate("wrap", 1);
  await keys.close("wrap", 1);
  const sealed = await client.seal(dataKey, placeOf(accountId), "Ada");
  await keys.retire("wrap", 1);
  await expect(client.seal(dataKey, placeOf(accountId), "Ada")).rejects.toMatchObject({ code: "SEALED_UNREADABLE" });
  expect(await client.open([{ dataKey, place: placeOf(accountId), sealed }])).toEqual([null]);
});

test("a password record answers its own tag for its own account only, and a damaged one is a wrong password", async () => {
  const accountId = newAccountId();
  const tag = new Secret(randomBytes(32));
  const record = await web.sealPassword(accountId, tag);
  expect(await web.verifyPassword(accountId, record, tag)).toBe(true);
  expect(await web.verifyPassword(accountId, record, new Secret(randomBytes(32)))).toBe(false);
  expect(await web.verifyPassword(accountId, record, new Secret(tag.reveal().subarray(0, 31)))).toBe(false);
  expect((await web.counters()).unreadableRecords).toBe(0);

  expect(await web.verifyPassword(newAccountId(), record, tag)).toBe(false);
  for (const at of [0, 4, 10, record.length - 1]) {
    expect(await web.verifyPassword(accountId, flipped(record, at), tag)).toBe(false);
  }
  for (const odd of [Buffer.alloc(0), Buffer.alloc(1_000_000, 1), record.subarray(1)]) {
    expect(await web.verifyPassword(accountId, odd, tag)).toBe(false);
  }
  expect((await web.counters()).unreadableRecords).toBe(8);
});

test("an index is the same for the same value and another for another purpose or value", async () => {
  const one = await web.index("address", "ada@example.org");
  expect(one).toHaveLength(32);
  expect(await mailer.index("address", "ada@example.org")).toEqual(one);
  expect(await web.index("address", "ada@example.com")).not.toEqual(one);
  expect(await web.index("user-code", "ada@example.org")).not.toEqual(one);
});

test("a code answers its MAC under its own purpose and binding only", async () => {
  const code = Secret.fromText("BCDFGHJKLM");
  const binding = randomBytes(32);
  const mac = await web.codeMac("renewal", binding, code);
  expect(mac).toHaveLength(32);
  expect(await web.checkCode("renewal", binding, code, mac)).toBe(true);
  expect(await web.checkCode("sign-up", binding, code, mac)).toBe(false);
  expect(await web.checkCode("renewal", randomBytes(32), code, mac)).toBe(false);
  expect(await web.checkCode("renewal", binding, Secret.fromText("BCDFGHJKLN"), mac)).toBe(false);
  for (const odd of [Buffer.alloc(0), flipped(mac, 31), mac.subarray(1), Buffer.alloc(1000)]) {
    expect(await web.checkCode("renewal", binding, code, odd)).toBe(false);
  }
});

test("what is sealed for the mailer opens for the mailer, in its context", async () => {
  const sealed = await web.sealForMailer("renewal code", Secret.fromText("XKCDQ"));
  expect((await mailer.openForMailer("renewal code", sealed)).revealText()).toBe("XKCDQ");
  for (const [context, bytes] of [
    ["sign-up code", sealed],
    ["renewal code", flipped(sealed, 25)],
    ["renewal code", Buffer.alloc(3)],
  ] as const) {
    await expect(mailer.openForMailer(context, bytes)).rejects.toMatchObject({ code: "SEALED_UNREADABLE" });
  }
});

test("signatures verify under the public key of their purpose alone", async () => {
  const message = Buffer.from("a message");
  const signature = await mailer.sign("checkpoint", message);
  const [key] = await mailer.publicKeys("checkpoint");
  const [otherKey] = await mailer.publicKeys("grant");
  const verifies = (raw: Buffer | undefined): boolean =>
    verify(
      null,
      message,
      createPublicKey({
        key: { kty: "OKP", crv: "Ed25519", x: (raw ?? Buffer.alloc(32)).toString("base64url") },
        format: "jwk",
      }),
      signature,
    );
  expect(key?.keyId).toBe(1);
  expect(verifies(key?.publicKey)).toBe(true);
  expect(verifies(otherKey?.publicKey)).toBe(false);
});

const dkimField = (text: string): Buffer => Buffer.from(`to:${text}\r\ndkim-signature:v=1; a=x; b=`);

test("letters are signed by RSA-2048 and by Ed25519 under one version, in batches, and the keys stay inside", async () => {
  const letters = Array.from({ length: 100 }, (_, index) => ({
    rsa: dkimField(`${index}@example.org`),
    ed25519: dkimField(`${index}@example.org `),
  }));
  // Asked for at once by two: the key is made once.
  const [signatures, [version]] = await Promise.all([mailer.dkimSign(1, letters), operator.dkimPublicKeys()]);
  const rsa = createPublicKey({ key: version!.publicKey, format: "der", type: "spki" });
  const ed25519 = createPublicKey({
    key: { kty: "OKP", crv: "Ed25519", x: version!.ed25519PublicKey.toString("base64url") },
    format: "jwk",
  });
  expect(version).toMatchObject({ version: 1, inUse: true });
  expect(rsa.asymmetricKeyDetails?.modulusLength).toBe(2048);
  for (const [index, letter] of letters.entries()) {
    const signature = signatures[index]!;
    expect(verify("sha256", letter.rsa, rsa, signature.rsa)).toBe(true);
    // RFC 8463 section 3: the hash is what is signed.
    const hash = createHash("sha256").update(letter.ed25519).digest();
    expect(verify(null, hash, ed25519, signature.ed25519)).toBe(true);
  }
  expect(verify("sha256", letters[0]!.rsa, rsa, signatures[1]!.rsa)).toBe(false);
});

test("what is no header of a letter is not signed by DKIM's keys, nor more than a batch, nor under another version", async () => {
  const forms = (bytes: Buffer) => ({ rsa: bytes, ed25519: bytes });
  const fine = forms(dkimField("a@example.org"));
  expect(await mailer.dkimSign(1, [fine])).toHaveLength(1);
  const refused: readonly [number, readonly { rsa: Buffer; ed25519: Buffer }[]][] = [
    [1, [forms(Buffer.from("pay the bearer"))]],
    [1, [{ ...fine, ed25519: Buffer.from("dkim-signature:v=1; b=abc") }]],
    [1, [forms(dkimField("x".repeat(20_000)))]],
    [1, Array.from({ length: 101 }, () => fine)],
    [9, [fine]],
  ];
  for (const [version, letters] of refused) {
    await expect(mailer.dkimSign(version, letters)).rejects.toMatchObject({ code: "KEYHOLDER_REFUSED" });
  }
});

test("security event tokens are signed, and no other kind of token", async () => {
  const claims = { iss: "https://x.example", jti: "1", iat: 1, aud: "y", sub_id: { format: "opaque", id: "1" } };
  const good = { ...claims, events: { "urn:x": {} } };
  const [token = ""] = await transmitter.signSets([JSON.stringify(good)]);
  const keys = createLocalJWKSet({ keys: (await transmitter.setKeys()).map((key) => ({ kty: "RSA", ...key })) });
  const { payload, protectedHeader } = await jwtVerify(token, keys, { typ: "secevent+jwt", algorithms: ["RS256"] });
  expect(payload).toEqual(good);
  const [key] = await transmitter.setKeys();
  expect(protectedHeader.kid).toBe(await calculateJwkThumbprint({ kty: "RSA", n: key?.n ?? "", e: key?.e ?? "" }));
  expect(Buffer.from(key?.n ?? "", "base64url")).toHaveLength(3072 / 8);
  const bad: readonly object[] = [
    { ...good, sub: "1" },
    { ...good, exp: 99 },
    claims,
    { ...good, events: {} },
    { ...good, events: { "urn:x": {}, "urn:y": {} } },
    { ...good, iss: undefined },
    { ...good, iat: "1" },
    { ...good, sub_id: undefined },
    [],
  ];
  for (const each of bad) {
    await expect(transmitter.signSets([JSON.stringify(each)])).rejects.toMatchObject({ code: "KEYHOLDER_REFUSED" });
  }
  await expect(transmitter.signSets(["{"])).rejects.toMatchObject({ code: "KEYHOLDER_REFUSED" });
  await expect(transmitter.signSets(Array.from({ length: 101 }, () => JSON.stringify(good)))).rejects.toMatchObject({
    code: "KEYHOLDER_REFUSED",
  });
});

/** Makes one more version of a purpose's key unless two live. @returns its state then. */
async function rotateOnce(purpose: KeyPurpose) {
  const stateOf = async () =>
    (await keeper.keys.states()).states.find((state) => state.purpose === purpose) ??
    impossible("every purpose has a state");
  const { newest, versions } = await stateOf();
  if (versions.length < 2) await keeper.keys.rotate(purpose, newest);
  return stateOf();
}

/** Each operation asked in earnest, with arguments that a role that may ask gets an answer to. */
async function ask(client: KeyholderClient, operation: Operation): Promise<unknown> {
  const accountId = newAccountId();
  const id = randomUUID();
  const code = Secret.fromText("BCDF");
  const first = { floors: floorsAt(1), head: head(1) };
  const dataKey = await web.newDataKey(accountId);
  const place = placeOf(accountId);
  const signalPlace = { table: "signal_delivery", column: "sealed", accountId };
  await operator.witness.enrol(id, first);
  const asked: Readonly<Record<Operation, () => Promise<unknown>>> = {
    newDataKey: () => client.newDataKey(accountId),
    seal: () => client.seal(dataKey, place, "x"),
    open: () => client.open([{ dataKey, place: signalPlace, sealed: Buffer.alloc(40) }]),
    index: () => client.index("address", "x"),
    indexMany: () => client.indexMany("address", ["x"]),
    codeMac: () => client.codeMac("sign-up", Buffer.alloc(32), code),
    checkCode: () => client.checkCode("sign-up", Buffer.alloc(32), code, Buffer.alloc(32)),
    sealPassword: () => client.sealPassword(accountId, new Secret(Buffer.alloc(32))),
    honeywords: () => client.honeywords(0),
    verifyPassword: () => client.verifyPassword(accountId, Buffer.alloc(80), new Secret(Buffer.alloc(32))),
    newTotpSeed: () => client.newTotpSeed(accountId, dataKey),
    verifyTotp: () => client.verifyTotp(accountId, dataKey, Buffer.alloc(50), Secret.fromText("123456"), 1),
    recoveryMacs: () => client.recoveryMacs(accountId, dataKey, [code]),
    findRecoveryCode: () => client.findRecoveryCode(accountId, dataKey, code, [Buffer.alloc(32)]),
    sealForMailer: () => client.sealForMailer("context", code),
    openForMailer: async () => client.openForMailer("context", await web.sealForMailer("context", code)),
    "sign.grant": () => client.sign("grant", Buffer.alloc(1)),
    "sign.checkpoint": () => client.sign("checkpoint", Buffer.alloc(1)),
    "sign.letter": () => client.sign("letter", Buffer.alloc(1)),
    publicKeys: () => client.publicKeys("letter"),
    dkimSign: () => client.dkimSign(1, [{ rsa: dkimField("a@b"), ed25519: dkimField("a@b") }]),
    dkimPublicKeys: () => client.dkimPublicKeys(),
    signSets: () =>
      client.signSets([JSON.stringify({ iss: "x", jti: "x", iat: 1, aud: "x", sub_id: {}, events: { x: {} } })]),
    setKeys: () => client.setKeys(),
    counters: () => client.counters(),
    "keys.states": () => client.keys.states(),
    "keys.rotate": () => client.keys.rotate("sign.letter", 0),
    "keys.use": () => client.keys.use("dkim", 1),
    "keys.close": async () => {
      const { newest } = await rotateOnce("code.renewal");
      await client.keys.close("code.renewal", newest - 1);
    },
    "keys.retire": async () => {
      const { newest, retiredUpTo } = await rotateOnce("index.throttle");
      await keeper.keys.close("index.throttle", Math.max(newest - 1, retiredUpTo));
      await client.keys.retire("index.throttle", Math.max(newest - 1, retiredUpTo));
    },
    "keys.rewrap": () => client.keys.rewrap("data-key", [accountId], [dataKey]),
    "uses.callers": () => client.uses.callers(id),
    "uses.beyond": () => client.uses.beyond("0".repeat(32), "web", 0),
    "uses.settle": () => client.uses.settle([{ id: "1".repeat(32), role: "web" }]),
    "witness.read": () => client.witness.read(id, first),
    "witness.highestFloors": () => client.witness.highestFloors(),
    "witness.enrol": () => client.witness.enrol(id, first),
    "witness.intend": () => client.witness.intend(id, { epoch: floorsAt(2).tv, kinds: ["tv"], head: head(1) }),
    "witness.confirm": () => client.witness.confirm(id, floorsAt(1)),
    "witness.abandon": () => client.witness.abandon(id, floorsAt(2).tv),
    "witness.advance": () => client.witness.advance(id, head(2)),
    "witness.adopt": () => client.witness.adopt(id, first),
    "standing.follow": () => client.standing.follow(""),
    "standing.read": () => client.standing.read(),
    "standing.promote": () => client.standing.promote(false),
  };
  return asked[operation]();
}

test.each(operations)(
  "%s is answered to the roles that may ask, and refused by name to the others",
  async (operation) => {
    const clients: Readonly<Record<Role, KeyholderClient>> = { web, mailer, witness, keeper, transmitter, operator };
    // Those that may come first: the refusal that follows is about the role.
    for (const role of roles.toSorted((one) => (mayAsk(one, operation) ? -1 : 1))) {
      const answer = ask(clients[role], operation);
      if (mayAsk(role, operation)) await expect(answer).resolves.not.toThrow();
      else {
        await expect(answer).rejects.toMatchObject({
          code: "KEYHOLDER_REFUSED",
          message: `keyholder: the ${role} role may not ask for ${operation}`,
        });
      }
    }
  },
);

test("each role may ask for what its process needs: the mailer's secrets and the settling of the witness are out of the web process's reach", () => {
  // Once more by name, and not by the table that decides: a role that is let further there has to be let further here.
  const permitted: Readonly<Record<Exclude<Role, "operator">, string>> = {
    web: `newDataKey seal open index codeMac checkCode sealPassword verifyPassword newTotpSeed verifyTotp recoveryMacs
      findRecoveryCode sealForMailer sign.grant publicKeys dkimPublicKeys setKeys counters keys.states witness.read`,
    mailer: `open index indexMany honeywords sealForMailer openForMailer sign.checkpoint sign.letter publicKeys dkimSign
      dkimPublicKeys keys.states witness.advance`,
    witness: "keys.states witness.read witness.intend witness.confirm witness.abandon witness.adopt",
    keeper: `keys.states keys.rotate keys.use keys.close keys.retire keys.rewrap uses.callers uses.beyond uses.settle`,
    transmitter: "open signSets setKeys",
  };
  for (const role of roles.filter((one) => one !== "operator")) {
    expect(operations.filter((operation) => mayAsk(role, operation))).toEqual(permitted[role].split(/\s+/));
  }
  const notTheOperators = operations.filter((operation) => !mayAsk("operator", operation));
  expect(notTheOperators).toEqual(["indexMany", "honeywords", "openForMailer", "dkimSign", "signSets"]);
});

test("a wrong credential, and a right one of another role, are refused; the right one was let in a moment before", async () => {
  const connectAs = (role: Role, credential: Secret) =>
    connectKeyholder({ socketPath: keyholder.socketPath, role, credential, log: silentLog, waitMs: 10_000 });
  await (await connectAs("operator", keyholder.credentials.operator)).close();
  for (const credential of [keyholder.credentials.web, new Secret(randomBytes(32)), new Secret(Buffer.alloc(0))]) {
    await expect(connectAs("operator", credential)).rejects.toMatchObject({ code: "KEYHOLDER_REFUSED" });
  }
});

test("arguments out of their limits are refused by name and not by value", async () => {
  const accountId = newAccountId();
  const dataKey = await web.newDataKey(accountId);
  const place = placeOf(accountId);
  // One byte less than what is sealed: the end of the text takes it.
  const sealed = await web.seal(dataKey, place, "x".repeat(256 * 1024 - 1));
  const opened = await web.open(Array.from({ length: 1000 }, () => ({ dataKey, place, sealed: Buffer.alloc(40) })));
  expect(opened).toHaveLength(1000);
  expect((await web.open([{ dataKey, place, sealed }]))[0]).toHaveLength(256 * 1024 - 1);

  const many = Array.from({ length: 1001 }, () => ({ dataKey, place, sealed: Buffer.alloc(40) }));
  const refusals: readonly [() => Promise<unknown>, string][] = [
    [() => web.open(many), "open: values must have at most 1000 items"],
    [() => web.seal(dataKey, place, "hunter2".repeat(40_000)), "seal: plaintext must have 0 to 262144 bytes"],
    [() => web.seal(dataKey, place, "hunter2".repeat(2_000_000)), "seal: more than"],
    [() => web.seal(dataKey, { ...place, table: "hunter2 --" }, "x"), "seal: table must match"],
    [() => web.index("address", "hunter2".repeat(1000)), "index: value must have 0 to 1024 bytes"],
    [() => web.sealPassword(accountId, Secret.fromText("hunter2")), "sealPassword: tag must have 16 to 64 bytes"],
    [() => web.sealForMailer("hunter2\n", Secret.fromText("x")), "sealForMailer: context must match"],
    [() => web.sign("grant", Buffer.alloc(100_000)), "sign.grant: message must have 0 to 65536 bytes"],
  ];
  for (const [refuse, message] of refusals) {
    const refusal = refuse();
    await expect(refusal).rejects.toMatchObject({
      code: "KEYHOLDER_REFUSED",
      message: expect.stringContaining(message),
    });
    await expect(refusal).rejects.not.toThrow("hunter2");
  }
});

test("calls of one turn of the event loop travel in one frame, and each gets its own answer", async () => {
  const values = Array.from({ length: 500 }, (_, at) => `person${at}@example.org`);
  const before = web.stats();
  const together = await Promise.all(values.map((value) => web.index("address", value)));
  const after = web.stats();
  expect(after.frames - before.frames).toBe(1);
  expect((after.calls["index"] ?? 0) - (before.calls["index"] ?? 0)).toBe(500);
  expect(new Set(together.map((index) => index.toString("hex"))).size).toBe(500);

  const frames = web.stats().frames;
  const later = Array.from({ length: 5 }, async (_, at) => {
    for (let step = 0; step < at; step++) await Promise.resolve();
    return web.index("address", "x");
  });
  await Promise.all(later);
  expect(web.stats().frames - frames).toBe(1);
  expect(await web.index("address", "person123@example.org")).toEqual(together[123]);
});

test("more calls than one frame takes are all answered", async () => {
  const accountId = newAccountId();
  const dataKey = await web.newDataKey(accountId);
  const place = placeOf(accountId);
  const text = "x".repeat(200_000);
  const before = web.stats().frames;
  const sealed = await Promise.all(Array.from({ length: 60 }, () => web.seal(dataKey, place, text)));
  expect(web.stats().frames - before).toBeGreaterThan(1);
  const opened = await Promise.all(sealed.map((one) => web.open([{ dataKey, place, sealed: one }])));
  expect(opened.every(([one]) => one === text)).toBe(true);
});

test("two refusals that differ only in their reason count the same calls and the same bytes", async () => {
  const accountId = newAccountId();
  const tag = new Secret(randomBytes(32));
  const record = await web.sealPassword(accountId, tag);
  const decoy = await web.sealPassword(newAccountId(), tag);
  const cost = async (work: () => Promise<unknown>): Promise<unknown> => {
    const before = web.stats();
    await work();
    const after = web.stats();
    return [
      (after.calls["verifyPassword"] ?? 0) - (before.calls["verifyPassword"] ?? 0),
      after.askedBytes - before.askedBytes,
      after.answeredBytes - before.answeredBytes,
    ];
  };
  const wrong = await cost(() => web.verifyPassword(accountId, record, new Secret(randomBytes(32))));
  const unknown = await cost(() => web.verifyPassword(newAccountId(), decoy, new Secret(randomBytes(32))));
  expect(unknown).toEqual(wrong);
  expect(wrong).toEqual([1, expect.any(Number), expect.any(Number)]);
});
