import { createServer, type AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { silentLog } from "./kernel/log.ts";
import { supervise, type StartMessage } from "./processes.ts";

const message: StartMessage = {
  kind: "start",
  connection: {},
  keyholder: { socketPath: "/nowhere" },
  credentials: {},
  port: null,
};

test("a process that the system cannot start is a reason, not the end of its supervisor", async () => {
  const real = process.execPath;
  process.execPath = "/nowhere/node";
  try {
    await expect(supervise("worker", message, silentLog)).rejects.toMatchObject({ code: "IMPOSSIBLE" });
  } finally {
    process.execPath = real;
  }
});

test("a process that is still starting ends when the service is told to stop", async () => {
  // A database that accepts connections and never says a word.
  const silent = createServer();
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const leaving = new AbortController();
  silent.once("connection", () => leaving.abort());
  const { port } = silent.address() as AddressInfo;
  try {
    const starting = supervise(
      "web",
      { ...message, connection: { host: "127.0.0.1", port, user: "nobody", database: "none" } },
      silentLog,
      leaving.signal,
    );
    await expect(starting).rejects.toThrow("ended before it was ready");
  } finally {
    silent.close();
  }
});
