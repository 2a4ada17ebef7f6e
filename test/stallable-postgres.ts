import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** One node's way to PostgreSQL, which can go silent without being closed, or be cut. */
export interface StallablePostgres {
  /** The socket folder that the node connects to. */
  readonly folder: string;
  /** From now on nothing passes, in either direction; connections stay open, and new ones are taken and not answered. */
  stall(): void;
  /** What stands goes silent for good, as behind a firewall that has forgotten it; new connections pass. */
  lose(): void;
  /** From now on every connection is closed, and so is every new one. */
  cut(): void;
  /** Lets everything pass again, what was held up first. */
  restore(): void;
  close(): Promise<void>;
}

export async function stallablePostgres(upstreamFolder: string): Promise<StallablePostgres> {
  const folder = await mkdtemp(join(tmpdir(), "houselights-way-"));
  const sockets = new Set<Socket>();
  const lost = new Set<Socket>();
  let state: "open" | "stalled" | "cut" = "open";
  const keep = (socket: Socket): void => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => sockets.delete(socket));
  };
  const server = createServer((near) => {
    if (state === "cut") return void near.destroy();
    const far = connect(join(upstreamFolder, ".s.PGSQL.5432"));
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      keep(from);
      from.on("data", (chunk) => to.write(chunk));
      from.on("close", () => to.destroy());
      if (state === "stalled") from.pause();
    }
  });
  await new Promise<void>((resolve) => server.listen(join(folder, ".s.PGSQL.5432"), resolve));
  return {
    folder,
    stall: () => {
      state = "stalled";
      for (const socket of sockets) socket.pause();
    },
    lose: () => {
      for (const socket of sockets) {
        socket.pause();
        sockets.delete(socket);
        lost.add(socket);
      }
    },
    cut: () => {
      state = "cut";
      for (const socket of sockets) socket.destroy();
    },
    restore: () => {
      state = "open";
      for (const socket of sockets) socket.resume();
    },
    close: async () => {
      for (const socket of [...sockets, ...lost]) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      await rm(folder, { recursive: true, force: true });
    },
  };
}
