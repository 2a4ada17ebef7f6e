import { once } from "node:events";
import { connect, type AddressInfo, type Socket } from "node:net";
import { expect, test } from "vitest";
import { roomServer } from "../../test/room-server.ts";
import { sleep } from "../kernel/clock.ts";
import { connectionsWithin, mostConnections, openFilesLimit } from "./connections.ts";

const health = "GET /nothing HTTP/1.1\r\nhost: localhost\r\n\r\n";

test("a connection beyond the limit is closed, those that are there are served, and there is room when one leaves", async () => {
  const app = roomServer(() => Promise.resolve(null), { connections: 2 });
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
