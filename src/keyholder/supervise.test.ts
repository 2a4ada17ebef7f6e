import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { chmod, mkdir, readFile, readdir, rm, rmdir, stat, symlink, truncate, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { epoch } from "../kernel/brand.ts";
import { messageOf } from "../kernel/fault.ts";
import { silentLog } from "../kernel/log.ts";
import { Secret } from "../kernel/secret.ts";
import { connectKeyholder } from "./client.ts";
import { encodeChecked } from "./durable-file.ts";
import { encodeFrame, frameReader, maxAnswerFrameBytes } from "./frames.ts";
import { readGeneration } from "./generation.ts";
import { keysPath } from "./keys.ts";
import { socketPathFor } from "./socket-path.ts";
import { readOperatorCredential } from "./operator-credential.ts";
import { startKeyholder } from "./supervise.ts";
import type { SupervisedKeyholder } from "./supervise.ts";
import { endAfterEach } from "./test-endings.ts";
import { newAccountId } from "./test-values.ts";
import { forEachRole, roles } from "./permissions.ts";
import { witnessPath } from "./witness.ts";

const { toEnd, temporaryFolder } = endAfterEach();

async function start(keysDir: string, socketPath = join(keysDir, "keyholder.sock")): Promise<SupervisedKeyholder> {
  const keyholder = await startKeyholder({ keysDir, socketPath, log: silentLog });
  toEnd.push(() => keyholder.stop());
  return keyholder;
}

async function connectWeb(
  { socketPath, credentials }: Pick<SupervisedKeyholder, "socketPath" | "credentials">,
  waitMs = 10_000,
) {
  const client = await connectKeyholder({
    socketPath,
    role: "web",
    credential: credentials.web,
    log: silentLog,
    waitMs,
  });
  toEnd.push(() => client.close());
  return client;
}

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

test("files are 0600 and the folder 0700, and a second start finds the same keys", async () => {
  const keysDir = join(await temporaryFolder(), "keys");
  const first = await start(keysDir);
  const client = await connectWeb(first);
  const index = await client.index("address", "ada@example.org");
  const modes = async (): Promise<Record<string, string>> => {
    const names = (await readdir(keysDir)).map((name) => join(keysDir, name));
    const found = await Promise.all([keysDir, ...names].map(async (path) => [path, (await stat(path)).mode] as const));
    return Object.fromEntries(found.map(([path, mode]) => [basename(path), (mode & 0o777).toString(8)]));
  };
  expect(await modes()).toEqual({
    keys: "700",
    "generation.json": "600",
    "keys.json": "600",
    "exact.key": "600",
    "witness.json": "600",
    "operator.credential": "600",
    "keyholder.sock": "600",
    lock: "600",
  });
  await first.stop();
  expect(Object.keys(await modes()).toSorted()).toEqual([
    "exact.key",
    "generation.json",
    "keys",
    "keys.json",
    "lock",
    "uses.json",
    "witness.json",
  ]);
  const again = await connectWeb(await start(keysDir));
  expect(await again.index("address", "ada@example.org")).toEqual(index);
});

test("every purpose has a version of its key from the first day", async () => {
  const keysDir = join(await temporaryFolder(), "keys");
  await (await start(keysDir)).stop();
  const { body } = JSON.parse(await readFile(keysPath(keysDir), "utf8"));
  const { dkim, signal, ...others } = body.purposes;
  const gone = { retiredUpTo: 0, published: {} };
  // RSA keys take their time, and come when they are first asked for.
  for (const ring of [dkim, signal]) expect(ring).toEqual({ newest: 0, versions: {}, ...gone });
  expect(Object.keys(others)).toHaveLength(13);
  for (const ring of Object.values(others)) {
    const only = { material: expect.any(String), madeAt: expect.any(Number), closingSince: null };
    expect(ring).toEqual({ newest: 1, versions: { "1": only }, ...gone });
  }
});

test("damaged, half-written or open files stop the start, and nothing is overwritten", async () => {
  const keysDir = join(await temporaryFolder(), "keys");
  await (await start(keysDir)).stop();
  const whole = { keys: await readFile(keysPath(keysDir)), witness: await readFile(witnessPath(keysDir)) };
  const generationPath = join(keysDir, "generation.json");
  const generation = await readFile(generationPath, "utf8");
  const generationOf = (said: unknown): string => encodeChecked(JSON.parse(generation).format, { generation: said });
  const text = whole.keys.toString();
  const swapped = text.replace(
    /"wrap":\{"newest":1,"retiredUpTo":0,"published":\{\},"versions":\{"1":\{"material":"(.)/,
    (match, letter: string) => match.slice(0, -1).concat(letter === "A" ? "B" : "A"),
  );
  expect(swapped).not.toBe(text);
  const bad: readonly [string, () => Promise<unknown>, RegExp][] = [
    ["half-written keys", () => writeFile(keysPath(keysDir), text.slice(0, 500)), /keys\.json is damaged/],
    ["empty keys", () => writeFile(keysPath(keysDir), ""), /keys\.json is damaged/],
    ["one changed letter", () => writeFile(keysPath(keysDir), swapped), /keys\.json is damaged \(its hash/],
    ["readable by others", () => chmod(keysPath(keysDir), 0o644), /keys\.json is open to other users/],
    ["half-written witness", () => writeFile(witnessPath(keysDir), '{"format"'), /witness\.json is damaged/],
    ["half a generation", () => writeFile(generationPath, '{"format"'), /generation\.json is damaged/],
    ["a generation that is none", () => writeFile(generationPath, generationOf("1")), /is not a generation/],
    ["no witness", () => rm(witnessPath(keysDir)), /has keys and no witness/],
    ["no keys", () => rm(keysPath(keysDir)), /has a witness and no keys/],
    ["folder open to others", () => chmod(keysDir, 0o750), /keys is open to other users/],
    ["keys that are longer than any", () => truncate(keysPath(keysDir), 2 ** 22), /keys\.json is larger than/],
    [
      "a link in place of the keys",
      async () => {
        await writeFile(join(keysDir, "elsewhere"), whole.keys, { mode: 0o600 });
        await rm(keysPath(keysDir));
        await symlink(join(keysDir, "elsewhere"), keysPath(keysDir));
      },
      /cannot read .*keys\.json/,
    ],
  ];
  for (const [what, damage, message] of bad) {
    await damage();
    const before = await Promise.all(
      [keysPath(keysDir), witnessPath(keysDir)].map((path) => readFile(path).catch(() => 0)),
    );
    await expect(start(keysDir), what).rejects.toThrow(message);
    const after = await Promise.all(
      [keysPath(keysDir), witnessPath(keysDir)].map((path) => readFile(path).catch(() => 0)),
    );
    expect(after, what).toEqual(before);
    await chmod(keysDir, 0o700);
    for (const [path, bytes] of [
      [keysPath(keysDir), whole.keys],
      [witnessPath(keysDir), whole.witness],
      [generationPath, generation],
    ] as const) {
      await rm(path, { force: true });
      await writeFile(path, bytes, { mode: 0o600 });
    }
    await rm(join(keysDir, "elsewhere"), { force: true });
  }
  await start(keysDir);
});

test("a start cut off between the first files is finished by the next", async () => {
  const keysDir = join(await temporaryFolder(), "keys");
  await (await start(keysDir)).stop();
  const { format, body } = JSON.parse(await readFile(keysPath(keysDir), "utf8"));
  const unwitnessed = { ...body, witnessed: false };
  const sha256 = createHash("sha256").update(JSON.stringify(unwitnessed)).digest("hex");
  await writeFile(keysPath(keysDir), JSON.stringify({ format, sha256, body: unwitnessed }));
  await rm(witnessPath(keysDir));
  await writeFile(join(keysDir, ".witness.json.new"), "half");
  await (await start(keysDir)).stop();
  const finished = JSON.parse(await readFile(keysPath(keysDir), "utf8")).body;
  expect(finished).toEqual({ ...body, generation: body.generation + 1 });
  expect(await readdir(keysDir)).toContain("witness.json");
});

test("a process that is killed is started again with the same credentials, and calls wait for it", async () => {
  const keyholder = await start(join(await temporaryFolder(), "keys"));
  const client = await connectWeb(keyholder);
  const index = await client.index("address", "ada@example.org");
  const pid = keyholder.pid();
  process.kill(pid, "SIGKILL");
  // Some of these leave before the death is noticed, some after.
  const during = Array.from({ length: 20 }, async (_, at) => {
    for (let turn = 0; turn < at; turn++) await new Promise((resolve) => setImmediate(resolve));
    return client.index("address", "ada@example.org");
  });
  for (const answer of await Promise.all(during)) expect(answer).toEqual(index);
  expect(keyholder.pid()).not.toBe(pid);
  expect(client.stats().calls["index"]).toBe(21);
});

test("a process that stays away is KEYHOLDER_UNAVAILABLE after the wait, and answers again when it is back", async () => {
  const keyholder = await start(join(await temporaryFolder(), "keys"));
  const client = await connectWeb(keyholder, 300);
  await client.index("address", "x");
  process.kill(keyholder.pid(), "SIGSTOP");
  try {
    await expect(client.index("address", "x")).rejects.toMatchObject({ code: "KEYHOLDER_UNAVAILABLE" });
  } finally {
    process.kill(keyholder.pid(), "SIGCONT");
  }
  await expect.poll(() => client.index("address", "x").catch(() => undefined)).toHaveLength(32);
  await keyholder.stop();
  await expect(client.index("address", "x")).rejects.toMatchObject({ code: "KEYHOLDER_UNAVAILABLE" });
  await expect(connectWeb(keyholder, 100)).rejects.toMatchObject({ code: "KEYHOLDER_UNAVAILABLE" });
});

test("stopping while a killed process is being started again leaves none behind", async () => {
  const keysDir = join(await temporaryFolder(), "keys");
  const keyholder = await start(keysDir);
  process.kill(keyholder.pid(), "SIGKILL");
  await expect.poll(() => isAlive(keyholder.pid())).toBe(false);
  await keyholder.stop();
  expect(isAlive(keyholder.pid())).toBe(false);
  await (await connectWeb(await start(keysDir))).index("address", "x");
});

test("a second keyholder on the same folder refuses while the first lives, by whatever socket", async () => {
  const folder = await temporaryFolder();
  const keysDir = join(folder, "keys");
  const first = await start(keysDir);
  await expect(start(keysDir)).rejects.toThrow("another process holds the keys");
  await expect(start(keysDir, join(keysDir, "other.sock"))).rejects.toThrow("another process holds the keys");
  await expect(start(join(folder, "others"), first.socketPath)).rejects.toThrow("another process listens");
  await (await connectWeb(first)).index("address", "x");
  await first.stop();
  await start(keysDir);
});

test("a lock that cannot be taken for another reason is not said to be somebody's", async () => {
  const keysDir = join(await temporaryFolder(), "keys");
  await mkdir(join(keysDir, "lock"), { recursive: true, mode: 0o700 });
  await expect(start(keysDir)).rejects.toThrow(/the keys in .* cannot be locked: unable to open database file/);
});

test("the socket that a kill left is taken away; a file that is no socket is not", async () => {
  const keysDir = join(await temporaryFolder(), "keys");
  await mkdir(keysDir, { mode: 0o700 });
  const socketPath = join(keysDir, "keyholder.sock");
  const leave = `require("node:net").createServer().listen(process.argv[1], () => process.kill(process.pid, "SIGKILL"))`;
  await once(spawn(process.execPath, ["-e", leave, socketPath]), "close");
  expect((await stat(socketPath)).isSocket()).toBe(true);
  await (await start(keysDir)).stop();
  await writeFile(socketPath, "a file");
  await expect(start(keysDir)).rejects.toThrow("is no socket");
  expect(await readFile(socketPath, "utf8")).toBe("a file");
});

test("the process ends when whoever started it is killed", async () => {
  const keysDir = join(await temporaryFolder(), "keys");
  const script = `
    import { silentLog } from ${JSON.stringify(import.meta.resolve("../kernel/log.ts"))};
    import { startKeyholder } from ${JSON.stringify(import.meta.resolve("./supervise.ts"))};
    const keysDir = ${JSON.stringify(keysDir)};
    const keyholder = await startKeyholder({ keysDir, socketPath: keysDir + "/keyholder.sock", log: silentLog });
    console.log(keyholder.pid());`;
  const parent = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [printed] = await once(parent.stdout, "data");
  const pid = Number(String(printed));
  expect(isAlive(pid)).toBe(true);
  parent.kill("SIGKILL");
  await expect.poll(() => isAlive(pid), { timeout: 10_000 }).toBe(false);
  const next = await start(keysDir);
  await (await connectWeb(next)).index("address", "x");
});

/** A key process without a supervisor. @returns what it has said, too. */
function startAlone(keysDir: string) {
  const flags = ["--keys", keysDir, "--socket", join(keysDir, "keyholder.sock"), "--log-level", "silent"];
  const processPath = fileURLToPath(new URL("./process.ts", import.meta.url));
  const child = spawn(process.execPath, [processPath, ...flags], { stdio: ["pipe", "pipe", "inherit"], env: {} });
  toEnd.push(async () => child.kill("SIGKILL"));
  let said = "";
  child.stdout.on("data", (chunk) => (said += String(chunk)));
  const credentials = forEachRole(() => randomBytes(32));
  const text = forEachRole((role) => credentials[role].toString("base64"));
  return { child, credentials, line: `${JSON.stringify({ credentials: text })}\n`, said: () => said };
}

test("the process ends when whoever started it is gone before it was ready", async () => {
  const { child, line } = startAlone(join(await temporaryFolder(), "keys"));
  child.stdin.end(line);
  expect(await once(child, "close")).toEqual([0, null]);
});

test("told to end, the process writes down what keys were used for, and leaves no socket", async () => {
  const keysDir = join(await temporaryFolder(), "keys");
  const { child, credentials, line, said } = startAlone(keysDir);
  child.stdin.write(line);
  await expect.poll(said).toContain('{"ready":true}');
  const client = await connectWeb({
    socketPath: join(keysDir, "keyholder.sock"),
    credentials: forEachRole((role) => new Secret(credentials[role])),
  });
  await client.index("address", "x");
  child.kill("SIGTERM");
  expect(await once(child, "close")).toEqual([0, null]);
  const names = await readdir(keysDir);
  expect(names).not.toContain("keyholder.sock");
  const { body } = JSON.parse(await readFile(join(keysDir, "uses.json"), "utf8"));
  expect(body.totals).toEqual({ index: 1 });
});

test("a process that hangs is ended all the same", async () => {
  const keyholder = await start(join(await temporaryFolder(), "keys"));
  const pid = keyholder.pid();
  process.kill(pid, "SIGSTOP");
  await keyholder.stop();
  expect(isAlive(pid)).toBe(false);
});

test("Ctrl-C, which a terminal sends to every process, leaves the keyholder serving", async () => {
  const keyholder = await start(join(await temporaryFolder(), "keys"));
  const client = await connectWeb(keyholder);
  const pid = keyholder.pid();
  process.kill(pid, "SIGINT");
  process.kill(pid, "SIGHUP");
  await client.index("address", "x");
  expect(keyholder.pid()).toBe(pid);
});

test("a command on the host connects as operator with what lies in the folder, while the keyholder runs", async () => {
  const keysDir = join(await temporaryFolder(), "keys");
  const keyholder = await start(keysDir);
  const given = await readOperatorCredential(keysDir);
  const client = await connectKeyholder({ ...given, role: "operator", log: silentLog, waitMs: 10_000 });
  await client.counters();
  await client.close();
  await keyholder.stop();
  await expect(readOperatorCredential(keysDir)).rejects.toMatchObject({ code: "KEYHOLDER_UNAVAILABLE" });
});

test("a folder whose path is too long for a socket gets one elsewhere, closed to others", async () => {
  const folder = await temporaryFolder();
  const keysDir = join(folder, "k".repeat(120), "keys");
  const socketPath = await socketPathFor(keysDir);
  toEnd.push(() => rm(dirname(socketPath), { recursive: true, force: true }));
  expect(Buffer.byteLength(socketPath)).toBeLessThanOrEqual(100);
  expect(await socketPathFor(keysDir)).toBe(socketPath);
  expect((await stat(dirname(socketPath))).mode & 0o777).toBe(0o700);
  await (await connectWeb(await start(keysDir, socketPath))).index("address", "x");

  const squatted = join(folder, "s".repeat(120), "keys");
  const wanted = dirname(await socketPathFor(squatted));
  toEnd.push(() => rm(wanted, { recursive: true, force: true }));
  await chmod(wanted, 0o777);
  await expect(socketPathFor(squatted)).rejects.toThrow("is open to other users");
  await rm(wanted, { recursive: true });
  await symlink(folder, wanted);
  await expect(socketPathFor(squatted)).rejects.toThrow("is not a folder");
});

test("strangers that say too much or nonsense are cut off, and others are served meanwhile", async () => {
  const keysDir = join(await temporaryFolder(), "keys");
  const keyholder = await start(keysDir);
  const client = await connectWeb(keyholder);
  const generation = await readGeneration(keysDir);
  const hello = encodeFrame(
    JSON.stringify({ role: "web", credential: Buffer.from(keyholder.credentials.web.reveal()).toString("base64") }),
  );
  const calls = (body: unknown) => Buffer.concat([hello, encodeFrame(JSON.stringify(body))]);
  const welcome = encodeFrame(JSON.stringify({ hello: "welcome", generation })).toString();
  const sent: readonly [Buffer, string][] = [
    [randomBytes(4096), ""],
    [encodeFrame("null"), encodeFrame(JSON.stringify({ hello: "refused" })).toString()],
    [encodeFrame(JSON.stringify({ role: "web", credential: "x".repeat(5000) })), ""],
    [encodeFrame(JSON.stringify({ calls: [[1, "counters", []]] })), encodeFrame('{"hello":"refused"}').toString()],
    // What comes behind a hello that was refused is not read, were it a good one.
    [
      Buffer.concat([encodeFrame("null"), calls({ calls: [[1, "counters", []]] })]),
      encodeFrame('{"hello":"refused"}').toString(),
    ],
    [calls({ calls: "all" }), welcome],
    [calls({ calls: [[1, "index"]] }), welcome],
    [calls({ calls: Array.from({ length: 1001 }, (_, at) => [at, "counters", []]) }), welcome],
    [Buffer.concat([hello, Buffer.from([0xff, 0xff, 0xff, 0xff])]), welcome],
  ];
  for (const [bytes, answer] of sent) {
    const socket = connect(keyholder.socketPath);
    let received = "";
    socket.on("data", (chunk) => (received += String(chunk)));
    socket.on("error", () => undefined);
    socket.write(bytes);
    await once(socket, "close");
    expect(received).toBe(answer);
    await client.index("address", "x");
  }
});

test("who does not read its answers is not read either, and gets all of them once it does", async () => {
  const keyholder = await start(join(await temporaryFolder(), "keys"));
  const credential = Buffer.from(keyholder.credentials.web.reveal()).toString("base64");
  const [frames, callsInFrame] = [300, 500];
  const socket = connect(keyholder.socketPath);
  toEnd.push(async () => void socket.destroy());
  socket.write(encodeFrame(JSON.stringify({ role: "web", credential })));
  for (let frame = 0; frame < frames; frame++) {
    const calls = Array.from({ length: callsInFrame }, (_, at) => [frame * callsInFrame + at, "counters", []]);
    socket.write(encodeFrame(JSON.stringify({ calls })));
  }
  const waiting: number[] = [];
  // Until nothing has been taken for half a second.
  while (waiting.length < 10 || waiting.at(-10) !== socket.writableLength) {
    waiting.push(socket.writableLength);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  expect(socket.writableLength).toBeGreaterThan(0);

  const others = await connectWeb(keyholder);
  await others.index("address", "x");
  const reader = frameReader(maxAnswerFrameBytes);
  let answered = 0;
  for await (const chunk of socket) {
    reader.push(chunk as Buffer);
    for (let frame = reader.next(); frame !== undefined; frame = reader.next()) {
      answered += (frame.value as { answers?: unknown[] }).answers?.length ?? 0;
    }
    if (answered === frames * callsInFrame) break;
  }
  expect(answered).toBe(frames * callsInFrame);
});

test("nothing secret is in arguments, environment, log or error text", async () => {
  const keysDir = join(await temporaryFolder(), "keys");
  const socketPath = join(keysDir, "keyholder.sock");
  const processPath = fileURLToPath(new URL("./process.ts", import.meta.url));
  const credentials = forEachRole(() => randomBytes(32));
  const child = spawn(
    process.execPath,
    [processPath, "--keys", keysDir, "--socket", socketPath, "--log-level", "trace"],
    { stdio: "pipe", env: {} },
  );
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (said += String(chunk)));
  const base64 = Object.fromEntries(
    Object.entries(credentials).map(([role, bytes]) => [role, bytes.toString("base64")]),
  );
  child.stdin.write(`${JSON.stringify({ credentials: base64 })}\n`);
  await expect.poll(() => said, { timeout: 10_000 }).toContain('{"ready":true}');

  const shown = await Promise.all(
    ["cmdline", "environ"].map((name) => readFile(`/proc/${child.pid}/${name}`, "latin1")),
  );
  const secrets = Object.values(credentials);
  const errors: string[] = [];
  const typed = Secret.fromText("correct horse battery staple");
  const dkimField = Buffer.from("to:anna@example.org\r\ndkim-signature:v=1; b=");
  for (const role of roles) {
    const options = { socketPath, role, log: silentLog, waitMs: 10_000 };
    const client = await connectKeyholder({ ...options, credential: new Secret(credentials[role]) });
    const accountId = newAccountId();
    const tag = randomBytes(32);
    secrets.push(tag);
    const asked = [
      client.verifyPassword(accountId, randomBytes(90), new Secret(tag)),
      client.sealPassword(accountId, typed),
      client.sealPassword(accountId, new Secret(randomBytes(100))),
      client.seal(randomBytes(69), { table: "account", column: "name", accountId }, typed.revealText()),
      client.sealForMailer(`${typed.revealText()}\n`, typed),
      client.openForMailer("context", randomBytes(40)),
      client.dkimSign(1, [{ rsa: dkimField, ed25519: dkimField }]),
      client.witness.abandon("unknown", epoch(1)),
    ];
    for (const result of await Promise.allSettled(asked)) {
      if (result.status === "rejected") errors.push(String(result.reason));
    }
    await client.close();
    await connectKeyholder({ ...options, credential: new Secret(tag) }).catch((error: unknown) =>
      errors.push(String(error)),
    );
  }
  const { body } = JSON.parse(await readFile(keysPath(keysDir), "utf8"));
  for (const ring of Object.values<{ versions: Record<string, { material: string }> }>(body.purposes)) {
    for (const { material } of Object.values(ring.versions)) secrets.push(Buffer.from(material, "base64"));
  }
  child.stdin.end();
  await once(child, "close");

  const everything = [said, ...shown, ...errors].join("\n").toLowerCase();
  expect(errors.length).toBeGreaterThan(10);
  expect(everything).toContain("sealed data does not open");
  expect(everything).toContain("a role asked for what it may not");
  expect(secrets).toHaveLength(2 * roles.length + 14);
  for (const secret of secrets) {
    // Keys in PKCS#8 begin alike: the end is what is secret.
    const end = secret.subarray(-24);
    for (const text of [
      end.toString("hex"),
      end.toString("base64"),
      end.toString("base64url"),
      secret.toString("base64"),
    ]) {
      expect(everything).not.toContain(text.toLowerCase());
    }
  }
  expect(everything).not.toContain(typed.revealText());
});

test("a process started without credentials says so and ends", async () => {
  const keysDir = join(await temporaryFolder(), "keys");
  const processPath = fileURLToPath(new URL("./process.ts", import.meta.url));
  const run = async (flags: readonly string[], input: string): Promise<string> => {
    const child = spawn(process.execPath, [processPath, ...flags], { stdio: ["pipe", "pipe", "ignore"] });
    let said = "";
    child.stdout.on("data", (chunk) => (said += String(chunk)));
    child.stdin.on("error", () => undefined);
    child.stdin.end(input);
    const [code] = await once(child, "close");
    expect(code).toBe(1);
    return said;
  };
  const flags = ["--keys", keysDir, "--socket", join(keysDir, "keyholder.sock")];
  expect(await run([], "")).toContain("needs --keys DIR and --socket PATH");
  expect(await run(flags, "")).toContain("standard input ended before the credentials");
  expect(await run(flags, "x".repeat(9_000))).toContain("the line of credentials is too long");
  expect(await run(flags, "hunter2\n")).toBe('{"failed":"the line of credentials is not JSON"}\n');
  expect(await run(flags, '{"credentials":{"web":"aHVudGVyMg=="}}\n')).toContain(
    "credential for web is missing or short",
  );
  await expect(stat(keysDir)).rejects.toMatchObject({ code: "ENOENT" });
});

test("where the operator's credential cannot be written, the process does not stay behind", async () => {
  const keysDir = join(await temporaryFolder(), "keys");
  const path = join(keysDir, "operator.credential");
  await mkdir(path, { recursive: true, mode: 0o700 });
  await expect(start(keysDir)).rejects.toThrow();
  await rmdir(path);
  // It held the keys: another start would be refused.
  await expect.poll(() => start(keysDir).then(() => "started", messageOf)).toBe("started");
});

test("an address in use by something that is not ours is left alone", async () => {
  const keysDir = join(await temporaryFolder(), "keys");
  await mkdir(keysDir, { mode: 0o700 });
  const socketPath = join(keysDir, "keyholder.sock");
  const other = createServer((socket) => socket.end());
  await new Promise<void>((resolve) => other.listen(socketPath, resolve));
  toEnd.push(async () => other.close());
  await expect(start(keysDir)).rejects.toThrow("another process listens");
  expect((await stat(socketPath)).isSocket()).toBe(true);
});
