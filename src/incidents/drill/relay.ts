import { once } from "node:events";
import type { AddressInfo, Socket } from "node:net";
import { SMTPServer, type SMTPServerSession } from "smtp-server";
import { sleep } from "../../kernel/clock.ts";
import { Fault } from "../../kernel/fault.ts";
import type { Random } from "../../kernel/random.ts";
import { codeIn, plainTextOf } from "./mail-text.ts";
import type { LateBounces } from "./late-bounces.ts";
import { askProviders, comesBack, type Answer, type ProviderPace } from "./providers.ts";

export interface DrillRelay {
  /** What the drill's service is given as its relay; on the loopback. */
  readonly url: string;
  /** Recipients of notices by Message-ID, each taken once or more often. */
  readonly notices: ReadonlyMap<string, { readonly to: string; readonly times: number }>;
  /** Notices taken so far, those that came again included. */
  taken(): number;
  /** Answers so far, by their class: `250`, `451 4.7.1`, `none`. */
  readonly answers: ReadonlyMap<string, number>;
  /** Notices that were taken and came back, each counted once. */
  returned(): number;
  /** Calls back for each first arrival of a notice in a mailbox. */
  onNotice(arrived: (to: string) => void): void;
  /** The newest code that was mailed to an address after the `seen`th; `undefined` when none came in time. */
  nextCode(to: string, seen: number, patienceMs: number): Promise<string | undefined>;
  /** How many codes have come to an address. */
  codesTo(to: string): number;
  stop(): Promise<void>;
}

interface RelayNeeds {
  readonly monotonicMs: () => number;
  readonly random: Random;
  readonly lateBounces: Pick<LateBounces, "report">;
}

/** An answer over a network takes so long at most; letters are on their way meanwhile. */
const answerWithinMs = 100;
/** How long a provider that hangs keeps the sender waiting before it drops the connection. */
const hangMs = 5_000;

/** A relay of the drill's own, with mailboxes behind it. It speaks SMTP (RFC 5321) and passes nothing on to anybody. */
export async function startRelay(
  { monotonicMs, random, lateBounces }: RelayNeeds,
  reference: () => string,
  pace: ProviderPace,
): Promise<DrillRelay> {
  const ask = askProviders(pace);
  const notices = new Map<string, { to: string; times: number }>();
  const answers = new Map<string, number>();
  const codes = new Map<string, string[]>();
  const waiting = new Map<string, Set<() => void>>();
  const planned = new WeakMap<SMTPServerSession, Answer>();
  const sockets = new Map<number, Socket>();
  const stopping = new AbortController();
  const returned = new Set<string>();
  let taken = 0;
  let arrived: (to: string) => void = () => undefined;

  const count = (reply: string): void => void answers.set(reply, (answers.get(reply) ?? 0) + 1);
  const failure = ({ code, text }: Exclude<Answer, string>): Error =>
    Object.assign(new Error(text), { responseCode: code });

  function keep(raw: Buffer, to: string, returnPath: string): void {
    const text = plainTextOf(raw);
    const messageId = /^message-id:\s*(\S+)/im.exec(raw.toString("latin1"))?.[1] ?? "";
    if (reference() !== "" && messageId.includes(reference())) {
      taken++;
      const known = notices.get(messageId);
      if (known !== undefined) known.times++;
      else notices.set(messageId, { to, times: 1 });
      if (comesBack(to)) {
        returned.add(messageId);
        lateBounces.report(returnPath, to);
      } else if (known === undefined) arrived(to);
      return;
    }
    const code = codeIn(text);
    if (code === undefined) return;
    codes.set(to, [...(codes.get(to) ?? []), code]);
    for (const wake of waiting.get(to) ?? []) wake();
  }

  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ["STARTTLS"],
    disableReverseLookup: true,
    closeTimeout: 100,
    onRcptTo: ({ address }, session, callback) => {
      const answer = ask(address.toLowerCase(), monotonicMs());
      planned.set(session, answer);
      if (typeof answer === "string") return callback();
      count(`${answer.code} ${answer.text.slice(0, 5)}`);
      callback(failure(answer));
    },
    onData: (stream, session, callback) => {
      const chunks: Buffer[] = [];
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("error", () => undefined);
      stream.on("end", () => {
        if (planned.get(session) === "hang") {
          count("none");
          void sleep(hangMs, stopping.signal).then(() => sockets.get(session.remotePort)?.destroy());
          return;
        }
        const { mailFrom, rcptTo } = session.envelope;
        const returnPath = mailFrom === false ? "" : mailFrom.address;
        for (const { address } of rcptTo) keep(Buffer.concat(chunks), address.toLowerCase(), returnPath);
        count("250");
        const queueId = `D${String(taken).padStart(7, "0")}`;
        // The letter is in the mailbox by now; the sender hears of it later, or never.
        void (async () => {
          await sleep(random.below(answerWithinMs), stopping.signal);
          callback(null, `2.0.0 OK: queued as ${queueId}`);
        })();
      });
    },
  });
  server.on("error", () => undefined);
  server.server.on("connection", (socket: Socket) => {
    const port = socket.remotePort;
    if (port === undefined) return;
    sockets.set(port, socket);
    socket.on("close", () => sockets.delete(port));
    socket.on("error", () => undefined);
  });
  server.listen(0, "127.0.0.1");
  await once(server.server, "listening");
  const { port } = server.server.address() as AddressInfo;
  if (!(port > 0)) throw new Fault("IMPOSSIBLE", "the drill's relay has no port");

  const codesTo = (to: string): number => codes.get(to)?.length ?? 0;
  return {
    url: `smtp://127.0.0.1:${port}`,
    notices,
    taken: () => taken,
    returned: () => returned.size,
    answers,
    onNotice: (call) => {
      arrived = call;
    },
    codesTo,
    nextCode: async (to, seen, patienceMs) => {
      if (codesTo(to) <= seen) {
        const came = new AbortController();
        const wake = (): void => came.abort();
        const others = waiting.get(to) ?? new Set();
        waiting.set(to, others.add(wake));
        await sleep(patienceMs, AbortSignal.any([came.signal, stopping.signal]));
        others.delete(wake);
      }
      return codesTo(to) > seen ? codes.get(to)?.at(-1) : undefined;
    },
    stop: async () => {
      stopping.abort();
      for (const socket of sockets.values()) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
