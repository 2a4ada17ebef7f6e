import { once } from "node:events";
import type { Socket } from "node:net";
import { SMTPServer } from "smtp-server";

/** A relay that keeps recipient and Message-ID only: five thousand letters need no parser. Some it asks to come again. */
export async function startCountingRelay() {
  const letters: { readonly to: string; readonly messageId: string }[] = [];
  const later = new Set<string>();
  const pace = { answersAfterMs: 0 };
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ["STARTTLS"],
    disableReverseLookup: true,
    closeTimeout: 100,
    onRcptTo: ({ address }, _session, callback) => {
      if (!later.delete(address)) return callback();
      callback(Object.assign(new Error("4.7.1 later"), { responseCode: 451 }));
    },
    onData: (stream, session, callback) => {
      const chunks: Buffer[] = [];
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("error", () => undefined);
      stream.on("end", () => {
        const messageId = /^message-id: (\S+)/im.exec(Buffer.concat(chunks).toString("latin1"))?.[1] ?? "";
        letters.push({ to: session.envelope.rcptTo.map(({ address }) => address).join(), messageId });
        const answer = `OK: queued as Q${String(letters.length).padStart(6, "0")}`;
        if (pace.answersAfterMs === 0) return callback(null, answer);
        setTimeout(() => callback(null, answer), pace.answersAfterMs);
      });
    },
  });
  server.on("error", () => undefined);
  const sockets = new Set<Socket>();
  server.server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => undefined);
  });
  server.listen(0, "127.0.0.1");
  await once(server.server, "listening");
  const address = server.server.address();
  if (address === null || typeof address === "string") throw new Error("the relay has no port");
  return {
    url: `smtp://127.0.0.1:${address.port}`,
    letters,
    later,
    /** How long it takes to say that it has a letter. */
    pace,
    /** Ends every connection at once, as a relay does that is killed and started again. */
    drop: () => {
      for (const socket of sockets) socket.destroy();
    },
    stop: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
}
