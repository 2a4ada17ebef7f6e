import { generateKeyPairSync, sign } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { hourMs, manualClock, secondMs, systemClock } from "../kernel/clock.ts";
import { newLog, silentLog } from "../kernel/log.ts";
import { systemRandom } from "../kernel/random.ts";
import { testDatabase } from "../db/test-database.ts";
import type { Db } from "../db/db.ts";
import { testKeyholder, type TestKeyholder } from "../keyholder/test-keyholder.ts";
import type { KeyholderClient } from "../keyholder/client.ts";
import { timelineContradicted } from "../canaries/alarm-words.ts";
import { listAlarms } from "../canaries/alarms.ts";
import { raiseAlarm } from "../canaries/raise-alarm.ts";
import { appendAll } from "./append.ts";
import { checkpointBody, originOf, readUnsignedCheckpoint, signedNote } from "./checkpoint.ts";
import { openCosigner } from "./cosign.ts";
import { integrate } from "./integrate.ts";
import { listWitnesses } from "./list-witnesses.ts";
import { signatureTypes, verifierKey, verifierKeyText, type VerifierKey } from "./note.ts";
import { policyText, readPolicy, type Policy } from "./policy.ts";
import { prove, proveConsistency } from "./proof.ts";
import { publishTiles } from "./publish.ts";
import { writeTlogProof } from "./tlog-proof.ts";
import { consistencyRanges, hashLeaf, hashNode, subtreesOf, verifyConsistency } from "./tree.ts";
import { verifyAlone } from "./verify-alone.ts";
import { startWitness, type RunningWitness } from "./witness-server.ts";
import { writeAddCheckpoint } from "./witness-protocol.ts";

const db = await testDatabase();
const rewritten = await testDatabase();
const clock = manualClock(systemClock.now());
let keyholder: TestKeyholder;
let operator: KeyholderClient;
let folder: string;
let databaseId: string;
let logKey: VerifierKey;
const witnesses: RunningWitness[] = [];
const servers: Server[] = [];

beforeAll(async () => {
  keyholder = await testKeyholder();
  operator = await keyholder.connect("operator");
  folder = await mkdtemp(join(tmpdir(), "houselights-witness-"));
  databaseId = (await db.one<{ id: string }>("select id from instance"))!.id;
  await rewritten.run("update instance set id = $1", [databaseId]);
  logKey = verifierKey(originOf(databaseId), (await operator.publicKeys("checkpoint"))[0]!.publicKey);
});
afterAll(async () => {
  for (const witness of witnesses.splice(0)) await witness.close();
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
  await keyholder.stop();
  await rm(folder, { recursive: true, force: true });
});

async function witness(name: string, logs: readonly VerifierKey[] = [logKey], port = 0): Promise<RunningWitness> {
  const started = await startWitness({
    folder: join(folder, name),
    name: `${name}.example`,
    logs,
    host: "127.0.0.1",
    port,
    clock,
    log: silentLog,
  });
  witnesses.push(started);
  return started;
}

async function stop(running: RunningWitness): Promise<void> {
  witnesses.splice(witnesses.indexOf(running), 1);
  await running.close();
}

const urlOf = ({ port }: { readonly port: number }): string => `http://127.0.0.1:${port}`;
const line = (name: string, { key, port }: Pick<RunningWitness, "key" | "port">): string =>
  `witness ${name} ${verifierKeyText(key)} ${urlOf({ port })}`;

function policy(...lines: readonly string[]): Policy & { readonly text: string } {
  const text = policyText([logKey], lines);
  const read = readPolicy(text);
  if ("wrong" in read) throw new Error(read.wrong);
  return { ...read, text };
}

async function grow(count: number, on: Db = db): Promise<void> {
  clock.advance(secondMs);
  await appendAll(
    on,
    clock.now(),
    Array.from({ length: count }, () => ({ kind: "sign-in", detail: {} })),
    systemRandom,
  );
  await integrate({
    db: on,
    keyholder: {
      sign: operator.sign.bind(operator),
      publicKeys: operator.publicKeys.bind(operator),
      witness: { advance: async () => undefined },
    },
    clock,
    databaseId,
  });
}

/** The bell, as the worker hangs it. */
const contradicted = async (...[tx, found, now]: Parameters<Parameters<typeof openCosigner>[0]["contradicted"]>) =>
  void (await raiseAlarm(tx, now, systemRandom, timelineContradicted(found)));

/** A whole turn: asks the witnesses, and publishes. */
async function turn(with_: Policy, on: Db = db, to = join(folder, "tiles"), log = silentLog): Promise<void> {
  const cosigner = openCosigner({ db: on, clock, log, witnesses: with_.witnesses, contradicted });
  await cosigner.cosign(20_000);
  await cosigner.stop();
  await publishTiles({ db: on, folder: to, log: silentLog, policy: with_ });
}

const states = async ({ witnesses: named }: Policy, on: Db = db) => (await listWitnesses(on, named)).witnesses;

const ask = async ({ text }: { readonly text: string }, more: object = {}) => {
  await writeFile(join(folder, "policy"), text);
  return verifyAlone({
    folder: join(folder, "tiles"),
    policy: join(folder, "policy"),
    checkpoints: [],
    proofs: [],
    ...more,
  });
};

test("a consistency proof shows every earlier tree in every later one, and no other root", () => {
  const leaves = Array.from({ length: 40 }, (_, i) => hashLeaf(Buffer.from(`leaf ${i}`)));
  const subtree = (start: number, size: number): Buffer =>
    size === 1 ? leaves[start]! : hashNode(subtree(start, size / 2), subtree(start + size / 2, size / 2));
  const root = (start: number, end: number): Buffer =>
    subtreesOf(start, end)
      .map(({ level, place }) => subtree(place * 2 ** level, 2 ** level))
      .reduceRight((right, left) => hashNode(left, right));
  for (let size = 1; size <= 40; size++) {
    for (let before = 1; before <= size; before++) {
      const [old, now] = [
        { size: before, root: root(0, before) },
        { size, root: root(0, size) },
      ];
      const hashes = consistencyRanges(before, size).map(({ start, end }) => root(start, end));
      expect(verifyConsistency(old, now, hashes), `${before} in ${size}`).toBe(true);
      expect(verifyConsistency({ ...old, root: root(0, 1) }, now, hashes)).toBe(before === 1);
      expect(verifyConsistency(old, { ...now, root: hashLeaf(now.root) }, hashes)).toBe(false);
      expect(verifyConsistency(old, now, [...hashes, now.root])).toBe(false);
      if (hashes.length > 0) expect(verifyConsistency(old, now, hashes.slice(1))).toBe(false);
      if (before > 1) expect(verifyConsistency({ ...old, size: before - 1 }, now, hashes)).toBe(false);
    }
  }
});

test("two of three witnesses cosign; the third is down, which is said and stops nothing", async () => {
  await grow(300);
  const [one, two] = [await witness("one"), await witness("two")];
  const down = { key: verifierKey("down.example", Buffer.alloc(32, 5), signatureTypes.cosignature), port: 1 };
  const of3 = policy(
    line("one", one),
    line("two", two),
    line("down", down),
    "group enough 2 one two down",
    "quorum enough",
  );
  await turn(of3);
  const checkpoint = await readFile(join(folder, "tiles/checkpoint"), "utf8");
  expect(checkpoint).toMatch(/^\u2014 one\.example /m);
  expect(checkpoint).toMatch(/^\u2014 two\.example /m);
  expect(await ask(of3)).toMatchObject({ code: 0, json: { cosigned: { size: 300 } } });
  expect(await states(of3)).toMatchObject([
    { name: "one", cosignedSize: 300, problem: null },
    { name: "two", cosignedSize: 300, problem: null },
    { name: "down", cosignedSize: 0, cosignedAt: null, problem: expect.stringContaining("could not be reached") },
  ]);

  // Whoever asks for all three is told that they are not there.
  const all = policy(
    line("one", one),
    line("two", two),
    line("down", down),
    "group enough all one two down",
    "quorum enough",
  );
  expect(await ask(all)).toMatchObject({ code: 6, error: expect.stringContaining("too few witnesses") });
  const published = (to: string) => readFile(join(folder, to, "cosigned"), "utf8").catch(() => "none");
  expect(await published("tiles")).toBe(checkpoint);
  await publishTiles({ db, folder: join(folder, "for-all"), log: silentLog, policy: all });
  expect(await published("for-all")).toBe("none");

  // One stops: the newest checkpoint lacks a signature, the last one that had enough is there still.
  await stop(two);
  await grow(20);
  await turn(of3);
  expect(await ask(of3)).toMatchObject({ code: 0, json: { size: 320, cosigned: { size: 300 } } });
  expect((await ask(of3)).lines.join("\n")).toContain("up to entry 299: the 20 after it not yet");
  // What came in since is proved by what is signed.
  expect(await prove(db, 319)).toMatchObject({ size: 320 });

  // A letter's proof goes to the checkpoint that most of them signed.
  const proof = (await prove(db, 7))!;
  expect(proof.size).toBe(300);
  await writeFile(
    join(folder, "one.tlog-proof"),
    writeTlogProof({ ...proof, checkpoint: proof.note, entry: proof.body }),
  );
  expect(await ask(of3, { folder: undefined, proofs: [join(folder, "one.tlog-proof")] })).toMatchObject({ code: 0 });
  expect(await ask(all, { folder: undefined, proofs: [join(folder, "one.tlog-proof")] })).toMatchObject({ code: 6 });

  // It comes back with what it has seen, and catches up.
  const again = await witness("two", [logKey], two.port);
  expect(again.key).toEqual(two.key);
  await turn(of3);
  expect(await ask(of3)).toMatchObject({ code: 0, json: { cosigned: { size: 320 } } });
  expect((await states(of3))[1]).toMatchObject({ cosignedSize: 320, failingSince: null });
});

test("a cosignature of another log, of the same size and root, says nothing of this one", async () => {
  // Whoever runs this log and rewrote it runs another one too, in which the witness never saw anything else.
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const raw = Buffer.from(publicKey.export({ format: "jwk" }).x!, "base64url");
  const otherKey = verifierKey("houselights/timeline/other", raw);
  const watching = await witness("watches-two", [logKey, otherKey]);
  const to = join(folder, "uncosigned");
  await publishTiles({ db, folder: to, log: silentLog });
  const { size, root } = readUnsignedCheckpoint(await readFile(join(to, "checkpoint"), "utf8"))!;
  const body = checkpointBody(otherKey.name, size, root);
  const note = signedNote(body, otherKey.name, raw, sign(null, Buffer.from(body), privateKey));
  const answer = await fetch(`${urlOf(watching)}/add-checkpoint`, {
    method: "POST",
    body: writeAddCheckpoint({ before: 0, hashes: [], checkpoint: note }),
  });
  expect(answer.status).toBe(200);
  await writeFile(join(to, "cosigned"), note + (await answer.text()));
  const named = policy(line("watching", watching), "quorum watching");
  const both = { text: `log ${verifierKeyText(otherKey)}\n${named.text}` };
  for (const believed of [named, both])
    expect(await ask(believed, { folder: to })).toMatchObject({
      code: 6,
      error: expect.stringContaining("too few witnesses"),
    });
  // Cosigned itself, it is.
  await turn(named, db, to);
  expect(await ask(named, { folder: to })).toMatchObject({ code: 0, json: { cosigned: { size } } });
  // Neither is a checkpoint of the other log a proof that this one was rewritten.
  await writeFile(join(folder, "of-another"), note);
  const told = await ask(both, { folder: to, checkpoints: [join(folder, "of-another")] });
  expect(told).toMatchObject({ code: 5, hint: "compare it with the files of its own log" });
  await stop(watching);
});

test("what one of the two has forgotten is settled by a conflict, and asked again", async () => {
  const one = witnesses.find(({ key }) => key.name === "one.example")!;
  const alone = policy(line("one", one), "quorum one");
  await db.run("delete from timeline_witness");
  await grow(5);
  await turn(alone);
  expect((await states(alone))[0]).toMatchObject({ cosignedSize: 325, problem: null });
});

test("a rewritten timeline, and one that was cut back, get no cosignature and are said to be that", async () => {
  const one = witnesses.find(({ key }) => key.name === "one.example")!;
  const alone = policy(line("one", one), "quorum one");
  const other = join(folder, "other");
  const errors: unknown[] = [];
  const log = newLog("worker", "error", { write: (text) => void errors.push(JSON.parse(text)) });
  // It was away before: what it says when it is back is told all the same.
  const away = policy(line("one", { ...one, port: 1 }), "quorum one");
  await turn(away, rewritten, other, log);
  expect(errors).toEqual([]);
  await grow(200, rewritten);
  await turn(alone, rewritten, other, log);
  expect((await states(alone, rewritten))[0]).toMatchObject({
    cosignedSize: 0,
    problem: "it has cosigned a larger tree than this: the database may be an older copy",
  });
  // The alarm is an entry too.
  await grow(124, rewritten);
  await turn(alone, rewritten, other, log);
  expect((await states(alone, rewritten))[0]!.problem).toMatch(/^it has cosigned another tree of this size/);
  await grow(1, rewritten);
  await turn(alone, rewritten, other, log);
  expect((await states(alone, rewritten))[0]!.problem).toBe(
    "it finds that this tree does not continue what it has cosigned",
  );
  // It rings once, with what the witness answered last; the timeline that it cosigned rings nowhere.
  expect(await listAlarms(rewritten)).toMatchObject([
    {
      kind: "timeline contradicted",
      times: 3,
      acknowledgedAt: null,
      facts: { witness: "one.example", answer: "it finds that this tree does not continue what it has cosigned" },
    },
  ]);
  expect(errors).toMatchObject([
    { reason: expect.stringContaining("larger tree") },
    { reason: expect.stringContaining("another tree of this size") },
    { reason: expect.stringContaining("does not continue") },
  ]);
  expect(await listAlarms(db)).toEqual([]);
  expect(await ask(alone, { folder: other })).toMatchObject({ code: 6 });
  // What the witness cosigned of the other history does not stand for this one.
  await writeFile(join(other, "cosigned"), await readFile(join(folder, "tiles/cosigned")));
  expect(await ask(alone, { folder: other })).toMatchObject({
    code: 5,
    error: expect.stringContaining("the cosigned checkpoint") as unknown,
  });
  await rm(join(other, "cosigned"));
  expect(await ask(alone)).toMatchObject({ code: 0 });
});

const submit = async (url: string, body: string, method = "POST", path = "/add-checkpoint") => {
  const answer = await fetch(url + path, { method, ...(method === "POST" ? { body } : {}) });
  return { status: answer.status, type: answer.headers.get("content-type"), text: await answer.text() };
};

test("a witness answers with the statuses of the protocol", async () => {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const raw = Buffer.from(publicKey.export({ format: "jwk" }).x!, "base64url");
  const key = verifierKey("log.example/a", raw);
  const three = await witness("three", [key]);
  const url = urlOf(three);
  const leaves = ["a", "b", "c"].map((text) => hashLeaf(Buffer.from(text)));
  const roots = [leaves[0]!, hashNode(leaves[0]!, leaves[1]!), hashNode(hashNode(leaves[0]!, leaves[1]!), leaves[2]!)];
  const note = (
    size: number,
    root = roots[size - 1]!,
    name = key.name,
    signer = privateKey,
    extension = "",
  ): string => {
    const body = checkpointBody(name, size, root) + extension;
    return signedNote(body, key.name, raw, sign(null, Buffer.from(body), signer));
  };
  const body = (before: number, hashes: readonly Buffer[], checkpoint: string): string =>
    writeAddCheckpoint({ before, hashes, checkpoint });

  expect((await submit(url, "", "GET")).status).toBe(405);
  expect((await submit(url, "", "POST", "/elsewhere")).status).toBe(404);
  for (const nonsense of [
    "",
    "nonsense",
    `old 01\n\n${note(1)}`,
    `old -1\n\n${note(1)}`,
    `old 0\nAAAA\n\n${note(1)}`,
  ]) {
    expect({ nonsense, status: (await submit(url, nonsense)).status }).toEqual({ nonsense, status: 400 });
  }
  const most = Array.from({ length: 64 }, () => leaves[0]!);
  expect((await submit(url, body(0, most, note(1)))).status).toBe(400);
  expect((await submit(url, "x".repeat(70_000))).status).toBe(413);
  expect((await submit(url, body(0, [], note(1, roots[0]!, "another/log")))).status).toBe(404);
  const stranger = generateKeyPairSync("ed25519").privateKey;
  expect((await submit(url, body(0, [], note(1, roots[0]!, key.name, stranger)))).status).toBe(403);
  expect((await submit(url, body(2, [], note(1)))).status).toBe(400);
  expect(await submit(url, body(1, [], note(1)))).toEqual({ status: 409, type: "text/x.tlog.size", text: "0\n" });
  expect((await submit(url, body(0, [leaves[0]!], note(1)))).status).toBe(422);

  const first = await submit(url, body(0, [], note(1)));
  expect(first).toMatchObject({
    status: 200,
    text: expect.stringMatching(/^\u2014 three\.example [A-Za-z0-9+/=]+\n$/),
  });
  expect((await submit(url, body(0, [], note(2)))).text).toBe("1\n");
  // What was not cosigned is kept: with what was, it shows that the log signed two histories.
  const kept = join(folder, "three");
  const conflict = async (): Promise<string> => {
    const [name] = (await readdir(kept)).filter((one) => /^[0-9a-f]{32}-conflict$/.test(one));
    return readFile(join(kept, String(name)), "utf8");
  };
  expect((await submit(url, body(1, [leaves[2]!], note(2)))).status).toBe(422);
  expect(await conflict()).toBe(note(2));
  // Lines behind the third are signed with the rest, and mean nothing here.
  expect((await submit(url, body(1, [leaves[1]!], note(2, roots[1]!, key.name, privateKey, "more\n")))).status).toBe(
    200,
  );
  expect((await submit(url, body(2, [], note(2)))).status).toBe(200);
  expect((await submit(url, body(2, [], note(2, roots[0]!)))).status).toBe(409);
  expect(await conflict()).toBe(note(2, roots[0]!));
  // What it cannot remember it does not cosign.
  const memory = (await readdir(kept)).find((name) => /^[0-9a-f]{32}$/.test(name));
  await mkdir(join(kept, `${memory}.new`));
  expect(await submit(url, body(2, [leaves[2]!], note(3)))).toMatchObject({ status: 500, text: "" });
  await rm(join(kept, `${memory}.new`), { recursive: true });
  // Many at once: one of them is first, and nobody takes it back.
  const at3 = body(2, [leaves[2]!], note(3));
  const statuses = (await Promise.all(Array.from({ length: 5 }, () => submit(url, at3)))).map(({ status }) => status);
  expect(statuses.toSorted((one, other) => one - other)).toEqual([200, 409, 409, 409, 409]);

  await expect(witness("three", [key])).rejects.toThrow("another process");
  await stop(three);
  const again = await witness("three", [key]);
  expect((await submit(urlOf(again), body(2, [], note(2)))).text).toBe("3\n");
  await stop(again);
  const remembered = join(folder, "three");
  for (const name of await readdir(remembered)) {
    if (/^[0-9a-f]{32}$/.test(name)) await writeFile(join(remembered, name), "torn");
  }
  const damaged = await witness("three", [key]);
  expect((await submit(urlOf(damaged), body(0, [], note(3)))).status).toBe(500);
});

test("a witness that answers nonsense, hangs, redirects or floods is said, and nobody waits for it", async () => {
  let sizesSaid = 0;
  const answers: Readonly<Record<string, Parameters<typeof createServer>[1]>> = {
    "has no cosignature": (_request, response) => void response.writeHead(200).end("\u2014 x.example AAAAAAAA\n"),
    "answered 302": (_request, response) => void response.writeHead(302, { location: "http://127.0.0.1:1/" }).end(),
    "answered 500": (_request, response) => void response.writeHead(500).end("broken"),
    "does not know this timeline": (_request, response) => void response.writeHead(404).end(),
    "does not know the key": (_request, response) => void response.writeHead(403).end(),
    // Another one each time.
    "does not keep to one size": (_request, response) =>
      void response.writeHead(409, { "content-type": "text/x.tlog.size" }).end(`${++sizesSaid}\n`),
    "could not be reached": (request) => void request.socket.destroy(),
    "its answer is too long": (_request, response) => void response.writeHead(200).end("x".repeat(100_000)),
  };
  for (const [problem, listener] of Object.entries(answers)) {
    const server = createServer(listener);
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
    const key = verifierKey(
      `bad-${servers.length}.example`,
      Buffer.alloc(32, servers.length),
      signatureTypes.cosignature,
    );
    const bad = policy(line("bad", { key, port: (server.address() as AddressInfo).port }), "quorum bad");
    await turn(bad);
    expect((await states(bad))[0]!.problem, problem).toContain(problem);
  }
  expect(sizesSaid).toBe(3);
  // One that never answers is not waited for; stopping ends it.
  const server = createServer(() => undefined);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  const key = verifierKey("silent.example", Buffer.alloc(32, 99), signatureTypes.cosignature);
  const silent = policy(line("silent", { key, port: (server.address() as AddressInfo).port }), "quorum silent");
  const cosigner = openCosigner({ db, clock, log: silentLog, witnesses: silent.witnesses, contradicted });
  await cosigner.cosign(1);
  await cosigner.stop();
  expect((await states(silent))[0]).toMatchObject({ cosignedAt: null, problem: null });
});

test("a witness that fails is asked again after a pause that grows, and not before", async () => {
  let asked = 0;
  const server = createServer((_request, response) => {
    asked++;
    response.writeHead(500).end();
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  const key = verifierKey("failing.example", Buffer.alloc(32, 98), signatureTypes.cosignature);
  const failing = policy(line("failing", { key, port: (server.address() as AddressInfo).port }), "quorum failing");
  const cosigner = openCosigner({ db, clock, log: silentLog, witnesses: failing.witnesses, contradicted });
  const counts: number[] = [];
  // At last the clock is set back: what it was ahead by is no pause.
  for (const pause of [0, 0, 1_000, 1_000, 1_000, 4_000, -hourMs]) {
    clock.advance(pause);
    await cosigner.cosign(20_000);
    counts.push(asked);
  }
  clock.advance(hourMs);
  await cosigner.stop();
  expect(counts).toEqual([1, 1, 2, 2, 3, 4, 5]);
});

test.each([
  ["", "it has no quorum line"],
  ["quorum none\nquorum none", "line 2 is the second quorum line"],
  ["quorum w", "line 1 must name what is defined above it, or none"],
  ["witness w nonsense\nquorum w", "line 1 must be: witness NAME KEY"],
  ["log nonsense\nquorum none", "line 1 must be: log KEY"],
  ["group g 1 w\nquorum g", "line 1 names a member that is not defined above it"],
  ["unknown\nquorum none", "line 1 begins with none of"],
  ["# a comment\n\tquorum none \u0007", "line 2 has a control character"],
])("a policy of %j is refused: %s", (text, wrong) => {
  expect(readPolicy(text)).toEqual({ wrong: expect.stringContaining(wrong) });
});

test("a policy's groups count members, each once, and its keys are each there once", () => {
  const key = (n: number): string =>
    verifierKeyText(verifierKey(`w${n}.example`, Buffer.alloc(32, n), signatureTypes.cosignature));
  const lines = [1, 2, 3].map((n) => `witness w${n} ${key(n)}`);
  const nested = readPolicy([...lines, "group two 2 w1 w2", "group any any two w3", "quorum any", ""].join("\n"));
  if ("wrong" in nested) throw new Error(nested.wrong);
  const met = (...names: readonly string[]): boolean => nested.isMet(new Set(names));
  expect([met(), met("w1"), met("w1", "w2"), met("w3"), met("stranger")]).toEqual([false, false, true, true, false]);
  for (const bad of [
    [...lines, `witness w4 ${key(1)}`],
    [...lines, `witness w1 ${key(4)}`],
    [...lines, "group g 3 w1 w2"],
    [...lines, "group g 0 w1 w2"],
    [...lines, "group g 1 w1 w1"],
    [...lines, "group g any w1", "group h any w1"],
    [...lines, "group w3 any w1"],
    [...lines, "group g any w1", "group g any w2"],
    [...lines, "group none any w1"],
    [`witness w1 ${key(1)} http://elsewhere.example`],
    [`witness w1 ${key(1)} https://user:word@elsewhere.example`],
  ]) {
    expect(readPolicy([...bad, "quorum none"].join("\n")), bad.join("; ")).toHaveProperty("wrong");
  }
});

test("of each witness a thousand cosignatures are kept, the newest", async () => {
  const keeping = await witness("keeping");
  const others = async (): Promise<number> =>
    (await db.many("select from timeline_cosignature where key not like 'keeping.example+%'")).length;
  const alone = policy(line("keeping", keeping), "quorum keeping");
  await turn(alone);
  const before = await others();
  const sizes = async () =>
    db.one<{ count: number; least: number; most: number }>(
      `select count(*) as count, min(size) as least, max(size) as most
         from timeline_cosignature where key like 'keeping.example+%'`,
    );
  const { most } = (await sizes())!;
  // As those of smaller trees, of which there are none before the first.
  await db.run(
    `insert into timeline_cosignature (size, key, line, at)
     select -n, c.key, c.line, c.at from timeline_cosignature c, generate_series(1, 1100) n where c.key like 'keeping.example+%'`,
  );
  await grow(1);
  await turn(alone);
  expect(await sizes()).toEqual({ count: 1_000, least: -998, most: most + 1 });
  expect(await others()).toBe(before);
  await stop(keeping);
});

test("the proof that a witness is given is that of the tree at both sizes", async () => {
  const { root: before } = (await db.one<{ root: Buffer }>("select root from timeline_checkpoint where size = 300"))!;
  const now = (await db.one<{ size: number; root: Buffer }>(
    "select size, root from timeline_checkpoint order by size desc limit 1",
  ))!;
  const hashes = await proveConsistency(db, 300, now.size);
  expect(verifyConsistency({ size: 300, root: before }, now, hashes)).toBe(true);
});

test("a witness that cosigned more for another worker while it was asked contradicts nothing", async () => {
  const shared = await witness("shared");
  const direct = policy(line("shared", shared), "quorum shared");
  await turn(direct);
  await grow(3);
  const { size: asked } = await listWitnesses(db, direct.witnesses);
  let forwarded = 0;
  // Behind it the answer to the one worker is late: the other has signed and asked for more by then.
  const server = createServer((request, response) => {
    void (async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
      if (++forwarded === 1) {
        await grow(4);
        await turn(direct, db, join(folder, "of-the-other"));
      }
      const answer = await fetch(`${urlOf(shared)}${request.url}`, { method: "POST", body: Buffer.concat(chunks) });
      const type = answer.headers.get("content-type") ?? "";
      response.writeHead(answer.status, { "content-type": type }).end(await answer.text());
    })();
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  const late = policy(line("shared", { ...shared, port: (server.address() as AddressInfo).port }), "quorum shared");
  const rung = (await listAlarms(db)).length;
  await turn(late);
  expect(forwarded).toBe(2);
  expect((await states(late))[0]).toMatchObject({ cosignedSize: asked + 4, failingSince: null, problem: null });
  expect(await listAlarms(db)).toHaveLength(rung);
  await stop(shared);
});
