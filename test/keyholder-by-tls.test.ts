import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { connect as connectSocket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { afterAll, expect, test } from "vitest";
import type { TlsFiles } from "../src/config/keyholder-place.ts";
import { parseConfig } from "../src/config/config.ts";
import { hourMs, manualClock, sleep, systemClock } from "../src/kernel/clock.ts";
import { messageOf } from "../src/kernel/fault.ts";
import { silentLog } from "../src/kernel/log.ts";
import { systemRandom } from "../src/kernel/random.ts";
import { Secret } from "../src/kernel/secret.ts";
import { readArguments } from "../src/keyholder/arguments.ts";
import { backupExactKeys, restoreExactKeys } from "../src/keyholder/exact-key.ts";
import { backupKeys, restoreKeys } from "../src/keyholder/backup-keys.ts";
import { connectKeyholder } from "../src/keyholder/client.ts";
import type { Role } from "../src/keyholder/keyholder.ts";
import { openFolder } from "../src/keyholder/open-folder.ts";
import { forEachRole } from "../src/keyholder/permissions.ts";
import { serveKeyholderByTls } from "../src/keyholder/server.ts";
import { openStanding } from "../src/keyholder/standby.ts";
import { startKeyholder, type SupervisedKeyholder } from "../src/keyholder/supervise.ts";
import { floorsAt, head } from "../src/keyholder/test-values.ts";
import { readBook } from "../src/keyholder/witness.ts";
import { newAuthority } from "./authority.ts";
import { eventually } from "./running-service.ts";
import { freePort } from "../src/incidents/drill/free-port.ts";

/** A keyholder on a host of its own: by mutual TLS and nothing less, and a standby that takes over without forgetting. */
const folder = await mkdtemp(join(tmpdir(), "houselights-tls-"));
const running: SupervisedKeyholder[] = [];
afterAll(async () => {
  for (const each of running) await each.stop();
  await rm(folder, { recursive: true, force: true });
});

const authority = newAuthority(folder, "ours");
const stranger = newAuthority(folder, "strangers");
const good = authority.issue("good");

/** A folder of keys as a keyholder that listens makes them. */
const template = (async () => {
  const keysDir = join(folder, "template");
  const listening = { listen: { host: "127.0.0.1", port: await freePort() }, files: good, demote: false };
  const socketPath = join(keysDir, "keyholder.sock");
  await (await startKeyholder({ keysDir, socketPath, listening, log: silentLog })).stop();
  return keysDir;
})();

interface Started {
  readonly keyholder: SupervisedKeyholder;
  readonly keysDir: string;
  readonly port: number;
}

async function start(
  name: string,
  files: TlsFiles,
  {
    port,
    follows,
    credentials,
    demote = false,
    isOwn = false,
  }: Partial<Pick<Started, "port">> & {
    readonly follows?: Started;
    readonly credentials?: SupervisedKeyholder["credentials"];
    readonly demote?: boolean;
    readonly isOwn?: boolean;
  } = {},
): Promise<Started> {
  const keysDir = join(folder, name);
  // RSA keys take long to make: all but one have the same.
  if (!isOwn && !existsSync(keysDir)) await cp(await template, keysDir, { recursive: true });
  const listen = { host: "127.0.0.1", port: port ?? (await freePort()) };
  const followed = follows === undefined ? undefined : { addresses: [{ ...listen, port: follows.port }], files: good };
  const keyholder = await startKeyholder({
    keysDir,
    socketPath: join(keysDir, "keyholder.sock"),
    credentials,
    listening: { listen, files, follows: followed, demote },
    log: silentLog,
  });
  running.push(keyholder);
  return { keyholder, keysDir, port: listen.port };
}

function connect(
  to: readonly Started[],
  {
    role = "web",
    files = good,
    host = "127.0.0.1",
    waitMs = 5_000,
  }: {
    readonly role?: Role;
    readonly files?: TlsFiles;
    readonly host?: string;
    readonly waitMs?: number;
  } = {},
) {
  const addresses = to.map(({ port }) => ({ host, port }));
  const credential = to[0]!.keyholder.credentials[role];
  return connectKeyholder({ tls: { addresses, files }, role, credential, waitMs, log: silentLog });
}

/** The operator on a keyholder's own host. */
const operatorOf = ({ keyholder: { socketPath } }: Started, credential: Secret) =>
  connectKeyholder({ socketPath, role: "operator", credential, waitMs: 10_000, log: silentLog });

/** A client that asks of each keyholder what a service's does: what the database has met, and whatever it met since. */
async function generationAware(to: readonly Started[], known: number, waitMs = 10_000) {
  const met: number[] = [];
  const addresses = to.map(({ port }) => ({ host: "127.0.0.1", port }));
  const client = await connectKeyholder({
    tls: { addresses, files: good },
    role: "web",
    credential: to[0]!.keyholder.credentials.web,
    generations: {
      known: () => Promise.resolve(Math.max(known, ...met)),
      replaced: () => undefined,
      met: (generation) => void met.push(generation),
    },
    waitMs,
    log: silentLog,
  });
  return { client, met };
}

/** Why a connection with these files is not made, in the words that an operator reads. */
async function complaint(to: Started, files: TlsFiles, host?: string): Promise<string> {
  const waitMs = 1_500;
  try {
    const client = await connect([to], { files, waitMs, ...(host === undefined ? {} : { host }) });
    await client.close();
    return "";
  } catch (thrown) {
    return messageOf(thrown);
  }
}

test("each end is refused that has not a good certificate, and is told what is wrong with it", async () => {
  const first = await start("certificates", good);
  const { ca } = good;
  const expired = await start("expired", authority.issue("old", { days: -1 }));
  const foreign = await start("foreign", { ...stranger.issue("server"), ca });
  const client = await start("client-only", authority.issue("client-only", { usage: "clientAuth" }));
  const gone = { ...first, port: await freePort() };
  const cases: readonly (readonly [Started, TlsFiles, string, string?])[] = [
    [first, { ...good, ca: stranger.ca }, "its certificate is not signed by KEYHOLDER_CA"],
    [first, good, "its certificate is for another name", "localhost"],
    [first, { ...stranger.issue("client"), ca }, "does not know the authority"],
    [first, authority.issue("expired", { days: -1 }), "KEYHOLDER_CERT has expired"],
    [first, authority.issue("server-only", { usage: "serverAuth" }), "KEYHOLDER_CERT is not one of a client"],
    [first, { ...good, key: join(folder, "none") }, "KEYHOLDER_KEY: the file cannot be read"],
    [first, { ...good, key: stranger.issue("other").key }, "not a certificate with its key"],
    [expired, good, "its certificate has expired"],
    [foreign, good, "its certificate is not signed by KEYHOLDER_CA"],
    [client, good, "its certificate is not one of a server"],
    [gone, good, "nobody listens there"],
  ];
  const said = await Promise.all(cases.map(([to, files, , host]) => complaint(to, files, host)));
  for (const [index, [, , words]] of cases.entries()) expect(said[index]).toContain(words);
  // The same with everything as it should be.
  expect(await complaint(first, good)).toBe("");

  // The role's credential is asked for besides, and a certificate that names roles is good for those alone.
  const only = authority.issue("web-host", { units: ["web", "witness"] });
  await (await connect([first], { files: only })).close();
  await expect(connect([first], { files: only, role: "mailer" })).rejects.toMatchObject({ code: "KEYHOLDER_REFUSED" });
  await (await connect([first], { role: "mailer" })).close();
  await expect(
    connectKeyholder({
      tls: { addresses: [{ host: "127.0.0.1", port: first.port }], files: good },
      role: "web",
      credential: expired.keyholder.credentials.web,
      log: silentLog,
    }),
  ).rejects.toMatchObject({ code: "KEYHOLDER_REFUSED" });
}, 60_000);

/** What comes back when a stranger says hello, by whatever it speaks. */
function firstAnswer(socket: ReturnType<typeof connectSocket>, ready: string): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    socket.on(ready, () => socket.write(Buffer.concat([Buffer.from([0, 0, 0, 2]), Buffer.from("{}")])));
    socket.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
    socket.on("error", () => undefined);
    socket.on("close", () => resolve(text));
  });
}

test("without a certificate, by an older TLS or in clear nobody gets to say hello", async () => {
  const first = await start("hello", good);
  const [ca, cert, key] = await Promise.all([good.ca, good.cert, good.key].map((path) => readFile(path, "utf8")));
  const at = { host: "127.0.0.1", port: first.port, ca: ca! };
  expect(await firstAnswer(connectTls({ ...at, cert: cert!, key: key! }), "secureConnect")).toContain("refused");
  const without = await firstAnswer(connectTls(at), "secureConnect");
  expect(without).toContain("uncertified");
  expect(without).not.toContain("refused");
  expect(await firstAnswer(connectTls({ ...at, cert: cert!, key: key!, maxVersion: "TLSv1.2" }), "secureConnect")).toBe(
    "",
  );
  expect(await firstAnswer(connectSocket(first.port, "127.0.0.1"), "connect")).not.toContain("hello");
});

test("who has no certificate and goes on talking keeps no place", async () => {
  const host = "127.0.0.1";
  const needs = {
    log: silentLog,
    strangerMs: 100,
    credentials: forEachRole(() => new Secret(randomBytes(32))),
    isStandby: () => false,
    generation: () => 1,
    note: () => undefined,
    answer: () => null,
  };
  const port = await freePort();
  const server = await serveKeyholderByTls(needs, { host, port }, good);
  const below = connectSocket({ host, port, allowHalfOpen: true });
  const socket = connectTls({ socket: below, host, ca: await readFile(good.ca, "utf8") });
  const closed = Promise.withResolvers<void>();
  socket.on("error", () => undefined).on("close", () => closed.resolve());
  socket.on("secureConnect", () => socket.resume());
  const talking = setInterval(() => socket.write("x"), 10);
  await closed.promise;
  clearInterval(talking);
  await server.close();
});

test("a connection that is given up while the files of its certificate are read ends, whoever answers then", async () => {
  const first = await start("given up", good);
  const ca = join(folder, "slow-ca");
  execFileSync("mkfifo", [ca]);
  const given = connect([first], { files: { ...good, ca }, waitMs: 100 });
  const refused = expect(given).rejects.toMatchObject({ code: "KEYHOLDER_UNAVAILABLE" });
  // Longer than it waits; the file is read only now.
  await sleep(500);
  await writeFile(ca, await readFile(good.ca));
  await refused;
});

test("settings: tls:// wants all three files, and nothing else is taken for a keyholder elsewhere", () => {
  const files = { KEYHOLDER_CA: "ca.pem", KEYHOLDER_CERT: "cert.pem", KEYHOLDER_KEY: "key.pem" };
  const url = { KEYHOLDER_URL: "tls://a.example:8430, tls://[::1]:8431", KEYHOLDER_CREDENTIALS: "c.json" };
  const read = (environment: Readonly<Record<string, string>>): string => {
    try {
      return JSON.stringify(parseConfig(environment, "/srv").keyholderAt);
    } catch (thrown) {
      return messageOf(thrown);
    }
  };
  expect(JSON.parse(read({ ...url, ...files }))).toEqual({
    tls: {
      addresses: [
        { host: "a.example", port: 8430 },
        { host: "::1", port: 8431 },
      ],
      files: { ca: "/srv/ca.pem", cert: "/srv/cert.pem", key: "/srv/key.pem" },
    },
  });
  expect(read(url)).toContain("KEYHOLDER_CA: must be set with KEYHOLDER_CERT and KEYHOLDER_KEY");
  const { KEYHOLDER_CERT: _cert, ...two } = files;
  expect(read({ ...url, ...two })).toContain("KEYHOLDER_CERT: must be set with the other two");
  for (const wrong of ["tcp://a.example:8430", "tls://a.example", "tls://a:0", "tls://a:1,unix:/x", "tls://u@a:1"]) {
    expect(read({ ...url, ...files, KEYHOLDER_URL: wrong }), wrong).toContain("KEYHOLDER_URL: must be unix:");
  }
});

/** A folder for a standby, from the other's backups. */
async function backedUpTo(name: string, { keysDir }: Started): Promise<void> {
  const [keysFile, exactFile] = [join(folder, `${name}.keys`), join(folder, `${name}.exact`)];
  await backupKeys(keysDir, keysFile);
  await backupExactKeys(keysDir, exactFile);
  await restoreKeys(keysFile, join(folder, name));
  await restoreExactKeys(exactFile, join(folder, name));
}

test("a standby follows, serves nobody, and takes over by a command with all that the first remembered", async () => {
  const first = await start("first", good);
  const { credentials } = first.keyholder;
  await backedUpTo("second", first);
  const second = await start("second", good, { follows: first, credentials });
  const local = await operatorOf(second, credentials.operator);
  await eventually("the standby to be in step", async () =>
    (await local.standing.read()).inStepAt === null ? undefined : true,
  );
  expect(await local.standing.read()).toMatchObject({ isStandby: true, hasSameKeys: true });
  await expect(local.index("address", "ada@example.org")).rejects.toThrow("is a standby");
  for (const role of ["web", "operator"] as const)
    await expect(connect([second], { role, waitMs: 1_000 })).rejects.toThrow("it is a standby");

  // Whatever the order of the addresses, whoever serves is found.
  const web = await connect([second, first], { waitMs: 10_000 });
  const operator = await connect([first, second], { role: "operator", waitMs: 10_000 });
  const before = await web.index("address", "ada@example.org");
  const db = "a-database";
  const start1 = { floors: floorsAt(1), head: head(1) };
  await operator.witness.enrol(db, start1);
  for (const epoch of [2, 3, 4]) {
    await operator.witness.confirm(db, floorsAt(epoch));
    // It was answered, so the other has it on disk: nothing is waited for here.
    expect((await readBook(second.keysDir))?.get(db)?.floors).toEqual(floorsAt(epoch));
  }
  await operator.witness.advance(db, head(9));
  expect((await readBook(second.keysDir))?.get(db)?.head).toEqual(head(9));
  // It asks once for each change and heartbeat, and not all the time.
  expect((await operator.counters()).served["standing.follow"]).toBeLessThan(500);
  await expect(local.standing.promote(false)).rejects.toThrow("still answers: stop that one first");

  // The process alone is killed: its supervisor starts it again, and calls wait for that.
  process.kill(first.keyholder.pid(), "SIGKILL");
  expect(await web.index("address", "ada@example.org")).toEqual(before);
  await eventually("the standby to be in step again", async () => {
    await operator.witness.advance(db, head(10));
    return (await readBook(second.keysDir))?.get(db)?.head.size === 10 ? true : undefined;
  });

  await first.keyholder.stop();
  await eventually("the standby to be promoted", () =>
    local.standing.promote(false).then(
      () => true,
      () => undefined,
    ),
  );
  expect(await web.index("address", "ada@example.org")).toEqual(before);
  expect((await operator.witness.read(db, start1)).floors).toEqual(floorsAt(4));
  expect(await local.standing.read()).toMatchObject({ isStandby: false });
  const { generation } = await operator.keys.states();

  // Promoted, it stays so when it dies.
  process.kill(second.keyholder.pid(), "SIGKILL");
  expect(await web.index("address", "ada@example.org")).toEqual(before);
  await operator.witness.confirm(db, floorsAt(5));

  // The first, come back as it was, is older than what every database has met; as a standby it catches up.
  const stale = await start("first", good, { port: first.port, credentials });
  const stalest = await connect([stale], { role: "operator", waitMs: 10_000 });
  expect((await stalest.keys.states()).generation).toBeLessThan(generation);
  await stalest.close();

  // Whoever is cut off meanwhile, or starts now, passes it over, whatever the order of the addresses.
  const running = await generationAware([stale, second], generation - 1);
  expect(running.met).toEqual([generation]);
  process.kill(second.keyholder.pid(), "SIGKILL");
  expect(await running.client.index("address", "ada@example.org")).toEqual(before);
  expect(running.met).toEqual([generation, generation]);
  await running.client.close();
  await expect(generationAware([stale, stale], generation, 1_500)).rejects.toThrow(/another took its place/);
  await stale.keyholder.stop();
  const back = await start("first", good, { port: first.port, credentials, follows: second });
  await eventually("the first to have caught up", async () =>
    (await readBook(back.keysDir))?.get(db)?.floors.password === 5 ? true : undefined,
  );
  for (const each of [web, operator, local]) await each.close();

  // And it takes over in its turn: above the generation of the one that it followed, which was above its own.
  await second.keyholder.stop();
  const turned = await operatorOf(back, credentials.operator);
  await eventually("the first to be promoted", () =>
    turned.standing.promote(false).then(
      () => true,
      () => undefined,
    ),
  );
  expect((await turned.keys.states()).generation).toBeGreaterThan(generation);
  await turned.close();
}, 90_000);

test("a clock that is set back keeps no standby from being promoted", async () => {
  const first = await start("before the clock", good);
  const { credentials } = first.keyholder;
  const keysDir = join(folder, "clock");
  await cp(await template, keysDir, { recursive: true });
  const clock = manualClock(systemClock.now());
  const needs = { clock, random: systemRandom, log: silentLog };
  const opened = await openFolder(needs, keysDir);
  const follows = { addresses: [{ host: "127.0.0.1", port: first.port }], files: good };
  const standing = await openStanding({
    ...needs,
    ...opened,
    folder: keysDir,
    follows,
    credential: credentials.operator,
    demote: false,
  });
  const promote = async () =>
    standing.handlers["standing.promote"](readArguments("standing.promote", ["in step"]), "operator");
  await eventually("the standby to be in step", async () => {
    const read = await standing.handlers["standing.read"](readArguments("standing.read", []), "operator");
    return (read as { inStepAt: number | null }).inStepAt === null ? undefined : true;
  });
  await expect(promote()).rejects.toThrow("still answers");
  clock.advance(-hourMs);
  await first.keyholder.stop();
  await eventually("the promotion", () =>
    promote().then(
      () => true,
      () => undefined,
    ),
  );
  expect(standing.isStandby()).toBe(false);
  await standing.close();
  opened.lock.release();
}, 60_000);

test("keys of the same numbers that are not the same keys are told apart", async () => {
  const [first, second] = [await start("twin", good), await start("other twin", good)];
  for (const each of [first, second]) {
    const operator = await operatorOf(each, each.keyholder.credentials.operator);
    await operator.keys.rotate("index.throttle", 1);
    await operator.close();
  }
  await second.keyholder.stop();
  const { credentials } = first.keyholder;
  const following = await start("other twin", good, { follows: first, credentials });
  const local = await operatorOf(following, credentials.operator);
  expect(
    await eventually("the standby to have heard", async () => (await local.standing.read()).hasSameKeys ?? undefined),
  ).toBe(false);
  await local.close();
}, 60_000);

test("a standby that would make new things with another version of a key has not the same keys", async () => {
  const first = await start("prepared", good);
  const { credentials } = first.keyholder;
  const [mailer, operator] = [
    await connect([first], { role: "mailer" }),
    await operatorOf(first, credentials.operator),
  ];
  await mailer.dkimPublicKeys();
  await operator.keys.rotate("dkim", 1);
  await backedUpTo("unprepared", first);
  const second = await start("unprepared", good, { follows: first, credentials });
  const local = await operatorOf(second, credentials.operator);
  const become = (same: boolean) =>
    eventually(`the keys to be the same: ${same}`, async () =>
      (await local.standing.read()).hasSameKeys === same ? true : undefined,
    );
  await become(true);
  await operator.keys.use("dkim", 2);
  await become(false);
  for (const client of [mailer, operator, local]) await client.close();
}, 60_000);

test("a service that has met newer keys takes none of an older file, were there no other keyholder", async () => {
  const only = await start("put back", good);
  // At its start it may: the database says there what is wrong.
  const { client } = await generationAware([only], 1_000_000, 500);
  await client.index("address", "ada@example.org");
  process.kill(only.keyholder.pid(), "SIGKILL");
  await eventually("it to be passed over", () =>
    client.index("address", "ada@example.org").then(
      () => Promise.reject(new Error("it was taken")),
      (thrown: unknown) => (messageOf(thrown).includes("an older file of keys was put back") ? true : undefined),
    ),
  );
  await client.close();
}, 60_000);

test("a standby that may know less, or has other keys, is promoted only by whoever says so, or not at all", async () => {
  const first = await start("one", good);
  const { credentials } = first.keyholder;
  const second = await start("other", good, { follows: first, credentials, isOwn: true });
  const local = await operatorOf(second, credentials.operator);
  await eventually("the standby to have heard", async () =>
    (await local.standing.read()).hasSameKeys === false ? true : undefined,
  );
  await first.keyholder.stop();
  await eventually("the first to be gone", () =>
    local.standing.promote(true).then(
      () => Promise.reject(new Error("it was promoted")),
      (thrown: unknown) => (messageOf(thrown).includes("its keys are not those") ? true : undefined),
    ),
  );
  await local.close();
  await second.keyholder.stop();
  const again = await start("other", good, { follows: first, credentials });
  const now = await operatorOf(again, credentials.operator);
  await expect(now.standing.promote(false)).rejects.toThrow("has not been in step since it was started");
  await now.standing.promote(true);
  expect(await now.standing.read()).toMatchObject({ isStandby: false });
  await now.close();
  await again.keyholder.stop();
  const demoted = await start("other", good, { follows: first, credentials, demote: true });
  const last = await operatorOf(demoted, credentials.operator);
  expect(await last.standing.read()).toMatchObject({ isStandby: true });
  await last.close();
  // It stays one, whoever starts it again.
  await demoted.keyholder.stop();
  const restarted = await start("other", good, { follows: first, credentials });
  const latest = await operatorOf(restarted, credentials.operator);
  expect(await latest.standing.read()).toMatchObject({ isStandby: true });
  await latest.close();
  // Asked for once: promoted since, it serves again when it is started again by itself.
  await restarted.keyholder.stop();
  const twice = await start("other", good, { follows: first, credentials, demote: true });
  const promoter = await operatorOf(twice, credentials.operator);
  await promoter.standing.promote(true);
  process.kill(twice.keyholder.pid(), "SIGKILL");
  expect(await promoter.standing.read()).toMatchObject({ isStandby: false });
  await promoter.close();
}, 60_000);
