import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer as createHttps } from "node:https";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getCACertificates, setDefaultCACertificates, TLSSocket } from "node:tls";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { deliver } from "../src/canaries/webhook.ts";
import { openDb } from "../src/db/db.ts";
import { testConnection, testDatabase } from "../src/db/test-database.ts";
import { silentLog } from "../src/kernel/log.ts";
import { Secret } from "../src/kernel/secret.ts";
import { systemClock } from "../src/kernel/clock.ts";
import { postSet } from "../src/signals/post-set.ts";
import { newAuthority } from "./authority.ts";

/**
 * Whom the service calls shows a certificate that is trusted, in time and for its name, or is told nothing (ASVS 5.0 12.3.1
 * and 12.3.2): an alarm's webhook, a relying service's endpoint, a database elsewhere. Relays and keyholders have tests of
 * their own.
 */
let folder: string;
let trusted: string;
const usual = getCACertificates("default");
const certificates: Record<string, { readonly key: Buffer; readonly cert: Buffer }> = {};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "houselights-outgoing-"));
  const [ours, foreign] = [newAuthority(folder, "ours"), newAuthority(folder, "foreign")];
  trusted = ours.ca;
  const made = {
    good: ours.issue("good", { names: "DNS:localhost" }),
    "of nobody we trust": foreign.issue("stranger", { names: "DNS:localhost" }),
    "for another name": ours.issue("other", { names: "DNS:elsewhere.example" }),
    "that has expired": ours.issue("late", { names: "DNS:localhost", days: -1 }),
    "for clients": ours.issue("client", { names: "DNS:localhost", usage: "clientAuth" }),
  };
  for (const [name, { key, cert }] of Object.entries(made)) {
    certificates[name] = { key: readFileSync(key), cert: readFileSync(cert) };
  }
  setDefaultCACertificates([...usual, readFileSync(ours.ca, "utf8")]);
});
afterAll(async () => {
  setDefaultCACertificates(usual);
  await rm(folder, { recursive: true, force: true });
});

const bad = ["of nobody we trust", "for another name", "that has expired", "for clients"] as const;

/** An https server that shows this certificate and keeps what it was sent. */
async function receiver(shows: string, during: (port: number, got: string[]) => Promise<void>): Promise<void> {
  const got: string[] = [];
  const server = createHttps(certificates[shows] ?? {}, (request, response) => {
    request.on("data", (chunk: Buffer) => got.push(chunk.toString()));
    request.on("end", () => response.writeHead(202).end());
    got.push(`${request.method} ${request.url}`);
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  try {
    await during((server.address() as AddressInfo).port, got);
  } finally {
    server.closeAllConnections();
    await new Promise((closed) => server.close(closed));
  }
}

const alarm = { id: "one", type: "alarm", data: { kind: "canary" } };
const post = (port: number) =>
  deliver(
    { url: Secret.fromText(`https://localhost:${port}/hook`), secret: Secret.fromText("s".repeat(32)) },
    alarm,
    systemClock.now(),
  );
const push = (port: number) =>
  postSet(
    {
      url: `https://localhost:${port}/events`,
      authorization: "Bearer of the receiver",
      privateNetwork: false,
      mayBeThisMachine: true,
    },
    "a.security.event",
  );

test("what shows a good certificate is told", async () => {
  await receiver("good", async (port, got) => {
    expect(await post(port)).toBeUndefined();
    expect(await push(port)).toEqual({ kind: "taken" });
    expect(got.filter((line) => line.startsWith("POST"))).toEqual(["POST /hook", "POST /events"]);
  });
});

describe.each(bad)("a certificate %s", (name) => {
  test("gets no alarm and no signal, and why is said without an address", async () => {
    await receiver(name, async (port, got) => {
      const refusal = await post(port);
      const pushed = await push(port);
      expect(got).toEqual([]);
      const code =
        /^it could not be reached \((?:[A-Z0-9_]*CERT[A-Z0-9_]*|UNABLE_TO_VERIFY_LEAF_SIGNATURE|INVALID_PURPOSE)\)$/;
      expect(refusal).toMatch(code);
      expect(pushed).toMatchObject({ kind: "later", why: expect.stringMatching(code) as string });
    });
  });
});

/** In front of the tests' PostgreSQL, what PostgreSQL does for TLS: one letter of consent, and then the handshake (protocol 3.0, SSLRequest). */
async function encryptedDatabase(
  shows: string,
  during: (port: number, opened: () => number) => Promise<void>,
): Promise<void> {
  const { host, port } = testConnection("postgres");
  let opened = 0;
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.once("data", () => {
      socket.write("S");
      const secure = new TLSSocket(socket, { isServer: true, ...certificates[shows] });
      secure.on("error", () => socket.destroy());
      secure.once("data", (first: Buffer) => {
        opened++;
        const behind = connect(`${host}/.s.PGSQL.${port ?? 5432}`);
        sockets.add(behind);
        behind.on("error", () => secure.destroy());
        behind.write(first);
        secure.pipe(behind).pipe(secure);
      });
    });
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  try {
    await during((server.address() as AddressInfo).port, () => opened);
  } finally {
    for (const socket of sockets) socket.destroy();
    await new Promise((closed) => server.close(closed));
  }
}

async function ask(port: number, name: string): Promise<unknown> {
  const { user } = testConnection(name);
  const rest = `sslmode=verify-full&sslrootcert=${encodeURIComponent(trusted)}`;
  const db = openDb({
    connection: { connectionString: `postgres://${String(user)}@localhost:${port}/${name}?${rest}` },
    log: silentLog,
    maxConnections: 1,
  });
  try {
    return await db.one(`select 1 as answer`);
  } catch (thrown) {
    return thrown;
  } finally {
    await db.close();
  }
}

test("a database elsewhere is asked when its certificate is good, and told nothing otherwise", async () => {
  const name = String((await testDatabase({ maxConnections: 1 })).pool.options.database);
  await encryptedDatabase("good", async (port, opened) => {
    expect(await ask(port, name)).toEqual({ answer: 1 });
    expect(opened()).toBe(1);
  });
  for (const shows of bad) {
    await encryptedDatabase(shows, async (port, opened) => {
      expect([shows, await ask(port, name), opened()]).toEqual([shows, expect.any(Error), 0]);
    });
  }
});
