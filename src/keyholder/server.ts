import { createHash } from "node:crypto";
import { chmod, lstat, unlink } from "node:fs/promises";
import { connect, createServer } from "node:net";
import type { Server, Socket } from "node:net";
import { dirname } from "node:path";
import { createServer as createTlsServer, TLSSocket } from "node:tls";
import type { HostPort, TlsFiles } from "../config/keyholder-place.ts";
import { after, secondMs } from "../kernel/clock.ts";
import { Fault, messageOf } from "../kernel/fault.ts";
import type { Log } from "../kernel/log.ts";
import type { Secret } from "../kernel/secret.ts";
import type { Answer } from "./answers.ts";
import { minVersion, noCertificate, readTlsFiles, whyNot } from "./dial.ts";
import { ensurePrivateFolder, isRecord, systemCode } from "./durable-file.ts";
import { encodeFrame, frameReader, maxCallFrameBytes, maxCallsInFrame, maxHelloBytes } from "./frames.ts";
import type { Caller, Role } from "./keyholder.ts";
import { mayAsk, parseOperation, parseRole } from "./permissions.ts";
import type { Operation } from "./permissions.ts";
import { readCaller } from "./use-ledger.ts";

const maxConnections = 256;
const helloWaitMs = 5 * secondMs;

interface Needs {
  readonly log: Log;
  /** How long somebody may stay who has not said hello, or came without a good certificate and reads why; 5 s by default. */
  readonly strangerMs?: number;
  readonly credentials: Readonly<Record<Role, Secret>>;
  /** A standby sends whoever comes to the next address. Operators on its own host are let in, to look and to promote it. */
  readonly isStandby: () => boolean;
  /** The generation of the keys: whoever connects compares it with the highest that its database has met. */
  readonly generation: () => number;
  /** Told of each call that is about to be answered. */
  readonly note: (caller: Caller, operation: Operation, id: number) => void;
  readonly answer: (role: Role, operation: Operation, values: readonly unknown[]) => Answer | Promise<Answer>;
}

/** One answer on the wire: `[id, 0, value]`, or `[id, 1, fault code, message]`. */
type Reply = readonly [number, 0, Answer] | readonly [number, 1, string, string];

interface Call {
  readonly id: number;
  readonly operation: unknown;
  readonly values: readonly unknown[];
}

function parseCalls(frame: unknown): readonly Call[] | undefined {
  if (!isRecord(frame) || !Array.isArray(frame["calls"])) return undefined;
  const items: readonly unknown[] = frame["calls"];
  if (items.length > maxCallsInFrame) return undefined;
  const calls: Call[] = [];
  for (const item of items) {
    if (!Array.isArray(item)) return undefined;
    const [id, operation, values]: readonly unknown[] = item;
    if (!Number.isSafeInteger(id) || typeof id !== "number" || !Array.isArray(values)) return undefined;
    calls.push({ id, operation, values });
  }
  return calls;
}

/** The role whose credential the hello carries. Digests are compared, in constant time. */
function admitted(hello: unknown, credentials: Readonly<Record<Role, Secret>>): Role | undefined {
  const role = isRecord(hello) ? parseRole(hello["role"]) : undefined;
  const credential = isRecord(hello) ? hello["credential"] : undefined;
  if (role === undefined || typeof credential !== "string") return undefined;
  const digest = createHash("sha256").update(Buffer.from(credential, "base64")).digest();
  return credentials[role].matches(digest) ? role : undefined;
}

function faultReply(log: Log, id: number, operation: unknown, thrown: unknown): Reply {
  if (thrown instanceof Fault) return [id, 1, thrown.code, thrown.message];
  // An error of the runtime may quote what it worked on; its name and the operation are enough to find it.
  log.error({ operation, error: thrown instanceof Error ? thrown.name : "unknown" }, "a call failed");
  return [id, 1, "IMPOSSIBLE", "the call failed inside the keyholder; its log says where"];
}

/**
 * Roles that a certificate is good for: those that its subject names as organisational units (OU), or whichever credential comes with
 * it if it names none. So a host that only hands letters over can be given a certificate for that alone.
 */
function isCertifiedFor(socket: Socket, role: Role): boolean {
  if (!(socket instanceof TLSSocket)) return true;
  const units: unknown = socket.getPeerCertificate().subject?.OU;
  const named = (Array.isArray(units) ? units : [units]).filter((unit) => parseRole(unit) !== undefined);
  return named.length === 0 || named.includes(role);
}

function serve(
  socket: Socket,
  { log, strangerMs = helloWaitMs, credentials, isStandby, generation, note, answer }: Needs,
): void {
  const reader = frameReader(maxHelloBytes);
  let role: Role | undefined;
  let caller: Caller | undefined;
  const callOff = after(strangerMs, () => socket.destroy());

  function send(body: object): void {
    if (!socket.writable) return;
    // A caller that does not read its answers is not read either, so that they cannot pile up here.
    if (!socket.write(encodeFrame(JSON.stringify(body)))) socket.pause();
  }

  function turnAway(hello: "refused" | "standby"): void {
    socket.write(encodeFrame(JSON.stringify({ hello })));
    // At once when that is written: one that does not end its own half would keep one of the places.
    socket.destroySoon();
  }

  function answerCalls(asker: Role, calls: readonly Call[]): void {
    const ready: Reply[] = [];
    for (const { id, operation: name, values } of calls) {
      const operation = parseOperation(name);
      try {
        if (operation === undefined) throw new Fault("KEYHOLDER_REFUSED", "there is no such operation");
        if (caller !== undefined && mayAsk(asker, operation)) note(caller, operation, id);
        const result = answer(asker, operation, values);
        if (result instanceof Promise) {
          // What waits for the disk answers on its own, so that nothing else waits with it.
          void result.then(
            (value) => send({ answers: [[id, 0, value]] }),
            (error: unknown) => send({ answers: [faultReply(log, id, operation, error)] }),
          );
        } else {
          ready.push([id, 0, result]);
        }
      } catch (error) {
        ready.push(faultReply(log, id, operation, error));
      }
    }
    if (ready.length > 0) send({ answers: ready });
  }

  function read(): void {
    for (let frame = reader.next(); frame !== undefined; frame = reader.next()) {
      if (role === undefined) {
        const asking = admitted(frame.value, credentials);
        if (asking === undefined) {
          log.warn("a connection brought a credential that is not valid");
          return turnAway("refused");
        }
        if (!isCertifiedFor(socket, asking)) {
          log.warn({ role: asking }, "a certificate is not good for the role whose credential came with it");
          return turnAway("refused");
        }
        if (isStandby() && (asking !== "operator" || socket instanceof TLSSocket)) return turnAway("standby");
        callOff();
        role = asking;
        caller = readCaller(isRecord(frame.value) ? frame.value : {}, role);
        reader.setLimit(maxCallFrameBytes);
        send({ hello: "welcome", generation: generation() });
        continue;
      }
      const calls = parseCalls(frame.value);
      if (calls === undefined) throw new Fault("KEYHOLDER_REFUSED", "a frame holds no calls");
      answerCalls(role, calls);
    }
  }

  socket.on("drain", () => socket.resume());
  socket.on("error", (error) => log.debug({ error: error.message }, "a connection broke"));
  socket.on("close", callOff);
  socket.on("data", (chunk: Buffer) => {
    if (socket.writableEnded) return;
    reader.push(chunk);
    try {
      read();
    } catch (error) {
      log.warn({ role, error: messageOf(error) }, "a connection sent what is no frame of calls");
      socket.destroy();
    }
  });
}

/** Whether a process listens there. */
const answers = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const probe = connect(path);
    probe.once("connect", () => {
      probe.destroy();
      resolve(true);
    });
    probe.once("error", () => resolve(false));
  });

/** Takes away the socket that a killed process left; refuses if it is alive or no socket. */
async function clearSocket(path: string): Promise<void> {
  const found = await lstat(path).catch((error: unknown) => {
    if (systemCode(error) === "ENOENT") return undefined;
    throw error;
  });
  if (found === undefined) return;
  if (!found.isSocket()) throw new Fault("CONFIG_INVALID", `${path} exists and is no socket`);
  if (await answers(path)) throw new Fault("KEYHOLDER_UNAVAILABLE", `another process listens on ${path}`);
  await unlink(path);
}

/** A keyholder's socket on its own host. */
export interface LocalServer {
  /** Whether anybody is connected. */
  isUsed(): boolean;
  /** Resolves once nobody is. */
  unused(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Listens on a Unix socket (0600, in a folder 0700) until closed. A connection says who it is first; a wrong credential
 * is answered and the connection closed. `close` stops at once: callers repeat what was not answered.
 */
export async function serveKeyholder(needs: Needs, socketPath: string): Promise<LocalServer> {
  await ensurePrivateFolder(dirname(socketPath));
  await clearSocket(socketPath);
  const open = new Set<Socket>();
  const server = createServer((socket) => keepAndServe(open, socket, needs));
  await listening(server, () => server.listen(socketPath));
  await chmod(socketPath, 0o600);
  return {
    isUsed: () => open.size > 0,
    unused: async () => {
      for (let [one] = open; one !== undefined; [one] = open) await closed(one);
    },
    ...closer(server, open),
  };
}

/**
 * Listens for mutual TLS until closed: TLS 1.3, with a certificate of the authority that is named. Whoever comes without one
 * does not get to say hello, and the credential of a role is asked for besides.
 */
export async function serveKeyholderByTls(
  needs: Needs,
  { host, port }: HostPort,
  files: TlsFiles,
): Promise<{ close(): Promise<void> }> {
  const pem = await readTlsFiles(files);
  const open = new Set<Socket>();
  let server: Server;
  try {
    // A certificate that is not good is refused here and not in the handshake, where Node would end the connection without a word.
    const options = { ...pem, minVersion, requestCert: true, rejectUnauthorized: false, handshakeTimeout: helloWaitMs };
    server = createTlsServer(options, (socket) => {
      if (socket.authorized) return keepAndServe(open, socket, needs);
      refuseUncertified(open, socket, needs);
    });
  } catch {
    throw new Fault("CONFIG_INVALID", "KEYHOLDER_CERT and KEYHOLDER_KEY: not a certificate with its key, in PEM");
  }
  server.on("tlsClientError", (error: Error) => {
    needs.log.warn({ error: systemCode(error) ?? "unknown" }, "a connection failed before it was made");
  });
  await listening(server, () => server.listen(port, host)).catch((error: unknown) => {
    throw new Fault("KEYHOLDER_UNAVAILABLE", `cannot listen on ${host}:${port}: ${whyNot(error) ?? "unknown"}`);
  });
  return closer(server, open);
}

/** Says what is wrong with the certificate, and reads nothing of what was sent. */
function refuseUncertified(open: Set<Socket>, socket: TLSSocket, { log, strangerMs = helloWaitMs }: Needs): void {
  const hasNone = Object.keys(socket.getPeerCertificate()).length === 0;
  const thrown: unknown = socket.authorizationError;
  const why = hasNone ? noCertificate : typeof thrown === "string" ? thrown : (systemCode(thrown) ?? "unknown");
  log.warn({ why }, "a connection without a certificate that is good here");
  open.add(socket);
  // Not after so long in silence: who goes on talking would keep one of the places.
  const callOff = after(strangerMs, () => socket.destroy());
  socket.on("close", () => {
    callOff();
    open.delete(socket);
  });
  socket.on("error", () => undefined);
  socket.resume();
  socket.end(encodeFrame(JSON.stringify({ hello: "uncertified", why })));
}

function keepAndServe(open: Set<Socket>, socket: Socket, needs: Needs): void {
  open.add(socket);
  socket.on("close", () => open.delete(socket));
  serve(socket, needs);
}

const closed = (socket: Socket): Promise<void> => new Promise((resolve) => socket.once("close", () => resolve()));

async function listening(server: Server, listen: () => unknown): Promise<void> {
  server.maxConnections = maxConnections;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.once("listening", resolve);
    listen();
  });
}

function closer(server: Server, open: ReadonlySet<Socket>): { close(): Promise<void> } {
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of open) socket.destroy();
      }),
  };
}
