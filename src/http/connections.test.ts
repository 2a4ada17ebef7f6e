import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { afterAll, describe, expect, onTestFinished, test } from "vitest";
import { newAuthority } from "../../test/authority.ts";
import { roomServer } from "../../test/room-server.ts";
import { manualClock, minuteMs, sleep } from "../kernel/clock.ts";
import { newLog } from "../kernel/log.ts";
import {
  connectionsWithin,
  mostConnections,
  mostPerNetwork,
  mostPerSite,
  openFilesLimit,
  type TrustProxy,
} from "./connections.ts";

const health = "GET /nothing HTTP/1.1\r\nhost: localhost\r\n\r\n";

/** A log, and what stands in it of connections that were closed. */
function dropLog() {
  const lines: Record<string, unknown>[] = [];
  const log = newLog("web", "info", { write: (line) => void lines.push(JSON.parse(line) as Record<string, unknown>) });
  return { log, said: () => lines.map(({ most, dropped, msg }) => [String(msg).split(";")[0], most, dropped]) };
}

test("a connection beyond the limit is closed, those that are there are served, and there is room when one leaves", async () => {
  const { log, said } = dropLog();
  const app = roomServer(() => Promise.resolve(null), { connections: 2, clock: manualClock(0), log });
  await app.listen({ host: "127.0.0.1", port: 0 });
  const { port } = app.server.address() as AddressInfo;
  const open = async (): Promise<Socket> => {
    const socket = connect(port, "127.0.0.1").on("error", () => undefined);
    await once(socket, "connect");
    return socket;
  };
  const asks = async (socket: Socket): Promise<string> => {
    socket.write(health);
    const [answer] = await Promise.race([once(socket, "data"), once(socket, "close").then(() => [""])]);
    return String(answer).split("\r\n")[0]!;
  };
  const [one, two] = [await open(), await open()];
  expect(await asks(one)).toBe("HTTP/1.1 404 Not Found");
  expect(await asks(two)).toBe("HTTP/1.1 404 Not Found");
  expect(await asks(await open())).toBe("");
  expect(await asks(one)).toBe("HTTP/1.1 404 Not Found");
  two.destroy();
  // The server hears of it a moment later.
  let answer = "";
  while (answer === "") {
    await sleep(10);
    answer = await asks(await open());
  }
  expect(answer).toBe("HTTP/1.1 404 Not Found");
  // However many more were closed in that minute.
  expect(said()).toEqual([["there are as many connections as this process takes", 2, 1]]);
  one.destroy();
  await app.close();
});

test("a process keeps files for its database and its films, however few it may open", () => {
  expect(connectionsWithin(null)).toBe(mostConnections);
  expect(connectionsWithin(1_048_576)).toBe(mostConnections);
  expect(connectionsWithin(20_000)).toBe(19_000);
  expect(connectionsWithin(1_024)).toBe(768);
});

test.runIf(process.platform === "linux")("the system is asked how many files that may be", () => {
  expect(openFilesLimit()).toBeGreaterThan(100);
});

describe("of one network", () => {
  /** So small a part of all that a network has two and a site five. */
  const connections = 20;

  /** A server that hears from each connection whence it comes: the sockets are real, and only what they say of that is not. */
  async function elsewhere(trustProxy: TrustProxy = false, more: Parameters<typeof roomServer>[1] = {}) {
    const app = roomServer(() => Promise.resolve(null), { connections, trustProxy, ...more });
    await app.ready();
    let from = "";
    const door = createServer((socket) => {
      Object.defineProperty(socket, "remoteAddress", { value: from });
      app.server.emit("connection", socket);
    });
    door.listen(0, "127.0.0.1");
    await once(door, "listening");
    const open: Socket[] = [];
    onTestFinished(async () => {
      for (const socket of open) socket.destroy();
      door.close();
      await app.close();
    });
    return async (address: string): Promise<{ readonly isServed: boolean; readonly socket: Socket }> => {
      from = address;
      const { port } = door.address() as AddressInfo;
      const socket =
        "tls" in more ? connectTls({ host: "127.0.0.1", port, rejectUnauthorized: false }) : connect(port, "127.0.0.1");
      open.push(socket.on("error", () => undefined));
      socket.write(health);
      const [answer] = await Promise.race([once(socket, "data"), once(socket, "close").then(() => [""])]).catch(() => [
        "",
      ]);
      return { isServed: String(answer) !== "", socket };
    };
  }

  function certificate() {
    const folder = mkdtempSync(join(tmpdir(), "houselights-connections-"));
    afterAll(() => rmSync(folder, { recursive: true }));
    const { cert, key } = newAuthority(folder, "ours").issue("server");
    return { certFile: cert, keyFile: key };
  }

  async function served(addresses: readonly string[], trustProxy?: TrustProxy): Promise<number> {
    const come = await elsewhere(trustProxy);
    let count = 0;
    for (const address of addresses) if ((await come(address)).isServed) count++;
    return count;
  }

  const fromSite = (networks: number): string[] =>
    Array.from({ length: networks }, (_, n) => [
      `2001:db8:1:${n}::1`,
      `2001:db8:1:${n}::2`,
      `2001:db8:1:${n}::3`,
    ]).flat();

  test("the shares are those that the page names", () => {
    expect((mostPerNetwork * connections) / mostConnections).toBe(2);
    expect((mostPerSite * connections) / mostConnections).toBe(5);
  });

  test.each([
    ["an IPv4 address", Array<string>(5).fill("203.0.113.7"), 2],
    ["an IPv4 address, as a socket for both names it", Array<string>(5).fill("::ffff:203.0.113.7"), 2],
    ["another address is another network", ["203.0.113.7", "203.0.113.7", "203.0.113.7", "203.0.113.8"], 3],
    ["a /64", ["2001:db8:1:1::1", "2001:db8:1:1:ffff::2", "2001:db8:1:1::3"], 2],
    ["a /48, whatever the number of its networks", fromSite(5), 5],
    ["this machine has no share", [...Array<string>(5).fill("127.0.0.1"), ...Array<string>(4).fill("::1")], 9],
  ])("%s", async (_what, addresses, count) => {
    expect(await served(addresses)).toBe(count);
  });

  test.each([
    ["a proxy by its address", ["10.0.0.7"], 5, "10.0.0.7"],
    ["a proxy by its network", ["192.0.2.0/24", "10.0.0.0/8"], 5, "::ffff:10.0.0.7"],
    ["a proxy of IPv6", ["2001:db8:1::/48"], 5, "2001:db8:1::7"],
    ["proxies by their number", 1, 5, "10.0.0.7"],
    ["another address is the proxy's", ["10.0.0.8"], 2, "10.0.0.7"],
  ] as const)("%s", async (_what, trustProxy, count, address) => {
    expect(await served(Array<string>(5).fill(address), trustProxy)).toBe(count);
  });

  test.each([
    ["in clear", {}],
    ["by TLS", { tls: certificate() }],
  ])("who leaves makes room, those that are there go on: %s", async (_how, tls) => {
    const come = await elsewhere(false, tls);
    const [one, two] = [await come("203.0.113.7"), await come("203.0.113.7")];
    expect([one.isServed, two.isServed, (await come("203.0.113.7")).isServed]).toEqual([true, true, false]);
    one.socket.destroy();
    await expect.poll(async () => (await come("203.0.113.7")).isServed, { timeout: 20_000 }).toBe(true);
    two.socket.write(health);
    expect(String((await once(two.socket, "data"))[0])).toContain("404");
  });

  test("a network that is refused because its /48 is full loses none of its own places", async () => {
    const come = await elsewhere();
    const others: Socket[] = [];
    for (const address of fromSite(5)) {
      const { isServed, socket } = await come(address);
      if (isServed) others.push(socket);
    }
    expect(others).toHaveLength(5);
    const late = "2001:db8:1:9::1";
    for (let tries = 0; tries < 3; tries++) expect((await come(late)).isServed).toBe(false);
    for (const socket of others) socket.destroy();
    for (let both = 0; both < 2; both++) await expect.poll(async () => (await come(late)).isServed).toBe(true);
  });

  test("it is said once a minute that connections of a network are closed, and how many were", async () => {
    const { log, said } = dropLog();
    const clock = manualClock(0);
    const come = await elsewhere(false, { clock, log });
    const comeOften = async (times: number): Promise<void> => {
      for (let n = 0; n < times; n++) await come("203.0.113.7");
    };
    await comeOften(2 + 3);
    expect(said()).toEqual([["one network has as many connections as it may have", 2, 1]]);
    clock.advance(minuteMs);
    await comeOften(1);
    expect(said().slice(1)).toEqual([["one network has as many connections as it may have", 2, 3]]);
  });
});
