import type { Socket } from "node:net";
import type { KeyholderAt } from "../config/keyholder-place.ts";
import { sleep } from "../kernel/clock.ts";
import { Fault } from "../kernel/fault.ts";
import type { FaultCode } from "../kernel/fault.ts";
import type { Log } from "../kernel/log.ts";
import type { Secret } from "../kernel/secret.ts";
import { base64 } from "./arguments.ts";
import { doorsOf, isMereEnd, whyNot, whyUncertified, type Door } from "./dial.ts";
import { isRecord } from "./durable-file.ts";
import {
  encodeFrame,
  frameReader,
  maxAnswerFrameBytes,
  maxCallFrameBytes,
  maxCallsInFrame,
  maxHelloBytes,
} from "./frames.ts";
import type { Role } from "./keyholder.ts";
import type { Operation } from "./permissions.ts";
import { purposeOfUse } from "./use-purposes.ts";

export type ConnectionOptions = KeyholderAt & AskerOptions;

interface AskerOptions {
  readonly role: Role;
  readonly credential: Secret;
  /** Announces ids before they are used; without it every use of a key is one that nobody announced. */
  readonly announcing?: Announcing | undefined;
  /** What the caller's database knows of the keys' age; without it whoever serves is taken. */
  readonly generations?: Generations | undefined;
  /** How long a call waits for its answer, a restart of the key process included. */
  readonly waitMs?: number;
  readonly log: Log;
}

/**
 * When the second of two keyholders has taken over and the first one comes back, both serve: the first with keys of a lower generation
 * and with a witness that missed what came since. Whoever connects passes it over.
 */
export interface Generations {
  /** The highest that the caller's database has met; asked at each connection. */
  known(): Promise<number>;
  /** Told of one that is passed over, each time. */
  replaced(keyholder: string, generation: number, known: number): void;
  /** Told of the generation of each keyholder that is taken. */
  met(generation: number): void;
}

/** How a caller accounts for its uses of keys: see `use-ledger.ts`. */
export interface Announcing {
  /** Known to this process alone; the keyholder knows the caller by its digest. */
  readonly secret: Secret;
  /** The database that the caller works for. */
  readonly database: string;
  /** `undefined` for an id that is announced; otherwise resolves once it is, or rejects because it cannot be. */
  cover(id: number): Promise<void> | undefined;
}

/**
 * What one client asked. Tests compare refusals by it, so it counts calls and their contents and leaves out what varies
 * by itself (frames, ids, repetitions after a restart).
 */
export interface KeyholderStats {
  readonly calls: Readonly<Record<string, number>>;
  /** Bytes of the calls' arguments and of their answers, as JSON. */
  readonly askedBytes: number;
  readonly answeredBytes: number;
  /** Frames sent: calls made in one turn of the event loop share one. */
  readonly frames: number;
}

export interface Connection {
  /** Resolves with the answer's JSON value. Every operation may be repeated, and is after a lost connection. */
  readonly call: (operation: Operation, values: readonly unknown[]) => Promise<unknown>;
  readonly stats: () => KeyholderStats;
  readonly close: () => Promise<void>;
}

const defaultWaitMs = 2_000;
/** Parts of `waitMs` by which waits are counted: a call waits for all of them and at most one more; a change of keys longer. */
const ticksPerWait = 8;
const firstPauseMs = 10;
const longestPauseMs = 250;
const maxUnanswered = 50_000;
/** Where one frame ends and the next begins; below what the process takes, for the frame's own brackets. */
const fullFrameBytes = maxCallFrameBytes / 2;
const maxCallBytes = maxCallFrameBytes - 1024;

/** A change of keys may wait for a hardware module or a new RSA key: so many times `waitMs`. */
const patience = 6;
const slowOperations: ReadonlySet<Operation> = new Set(["keys.rotate", "keys.use", "keys.close", "keys.retire"]);

interface Call {
  readonly id: number;
  readonly text: string;
  /** The tick in which it was asked. */
  readonly askedIn: number;
  readonly ticks: number;
  resolve(value: unknown): void;
  reject(fault: Fault): void;
}

/** The length of an answer as JSON; most are base64, in which nothing is escaped. */
const jsonLength = (answer: unknown): number =>
  typeof answer === "string" ? answer.length + 2 : (JSON.stringify(answer) ?? "").length;

/** Faults that the process may answer with; anything else it says is not understood. */
const answeredCodes: readonly FaultCode[] = [
  "CONFIG_INVALID",
  "KEYHOLDER_REFUSED",
  "DATABASE_UNKNOWN",
  "SEALED_UNREADABLE",
  "DISK_FULL",
  "KEYHOLDER_UNAVAILABLE",
];

/**
 * Connects, and stays connected until closed. Throws KEYHOLDER_UNAVAILABLE when the process does not answer within
 * `waitMs`, KEYHOLDER_REFUSED when the credential is not valid, CONFIG_INVALID when one that was replaced is all there is.
 * Waits by timers and not by a clock, so that a clock that jumps changes nothing.
 */
export async function openConnection(options: ConnectionOptions): Promise<Connection> {
  const { role, credential, announcing, generations, log } = options;
  const waitMs = options.waitMs ?? defaultWaitMs;
  const doors = doorsOf(options);
  /** Why each door did not open when it was tried last. */
  const shut = new Map<Door, string>();
  /** Those behind which an older generation of the keys serves. */
  const outdated = new Set<Door>();
  const closing = new AbortController();
  const unanswered = new Map<number, Call>();
  let toSend: Call[] = [];
  let socket: Socket | undefined;
  let nextId = 1;
  let isGathering = false;
  let tick = 0;
  /** The tick in which the keyholder was last heard. */
  let heardIn = 0;
  let isTicking = false;
  const counts = new Map<Operation, number>();
  let askedBytes = 0;
  let answeredBytes = 0;
  let frames = 0;

  const unavailable = (): Fault => {
    const tried = doors.map((door) => {
      const why = shut.get(door);
      return why === undefined ? door.name : `${door.name} (${why})`;
    });
    return new Fault("KEYHOLDER_UNAVAILABLE", `the keyholder does not answer on ${tried.join(", ")}`);
  };
  let isFirst = true;
  /**
   * Whether the keyholder behind a door is the one to ask. A single keyholder is taken at the first connection even if it is behind: whoever
   * connects compares its keys one by one, and says more exactly what is wrong.
   */
  async function isCurrent(door: Door, generation: unknown): Promise<boolean> {
    if (generations === undefined || typeof generation !== "number") return true;
    const known = await generations.known().catch(() => undefined);
    if (known === undefined) {
      shut.set(door, "the database does not say how old its keys may be");
      return false;
    }
    if (generation < known && (doors.length > 1 || !isFirst)) {
      generations.replaced(door.name, generation, known);
      outdated.add(door);
      const ages = `its keys are of generation ${generation}, and this database has known ${known}`;
      shut.set(door, `${ages}: another took its place, or an older file of keys was put back`);
      return false;
    }
    outdated.delete(door);
    generations.met(generation);
    return true;
  }

  const refusedCredential = (): Fault =>
    new Fault("KEYHOLDER_REFUSED", `the keyholder does not accept the ${role} credential`);

  function sendWaiting(): void {
    if (socket === undefined) return;
    while (toSend.length > 0) {
      let bytes = 0;
      let count = 0;
      for (const call of toSend) {
        if (count === maxCallsInFrame || (count > 0 && bytes + call.text.length > fullFrameBytes)) break;
        bytes += call.text.length;
        count += 1;
      }
      const batch = toSend.slice(0, count);
      toSend = toSend.slice(count);
      frames += 1;
      socket.write(encodeFrame(`{"calls":[${batch.map((call) => call.text).join(",")}]}`));
    }
  }

  function failAll(fault: () => Fault): void {
    toSend = [];
    const failed = [...unanswered.values()];
    unanswered.clear();
    for (const call of failed) call.reject(fault());
  }

  function settle(answer: unknown): void {
    if (!Array.isArray(answer)) throw new Fault("KEYHOLDER_UNAVAILABLE", "the keyholder's answer is not understood");
    const [id, failed, first, second]: readonly unknown[] = answer;
    const call = typeof id === "number" ? unanswered.get(id) : undefined;
    // Nobody waits any more for what is answered too late.
    if (call === undefined) return;
    unanswered.delete(call.id);
    answeredBytes += jsonLength(first);
    if (failed === 0) return call.resolve(first);
    const code = answeredCodes.find((one) => one === first) ?? "IMPOSSIBLE";
    call.reject(new Fault(code, `keyholder: ${typeof second === "string" ? second : "no reason given"}`));
  }

  /** One connection from hello to its end. */
  async function attempt(door: Door, welcomed: () => void): Promise<"refused" | "lost"> {
    const noteWhy = (thrown: unknown): void => {
      const why = whyNot(thrown);
      // A socket on this host says nothing more than that nobody answers.
      if (why === undefined || door.ready !== "secureConnect") return;
      // An alert may be lost when the other end closes at once (RFC 8446 section 6.1): what was said before it tells more.
      if (isMereEnd(thrown) && shut.has(door)) return;
      shut.set(door, why);
    };
    const opening = await door.open().catch(noteWhy);
    if (opening === undefined) return "lost";
    return new Promise((resolve) => {
      const reader = frameReader(maxHelloBytes);
      let outcome: "refused" | "lost" = "lost";
      const hang = (): unknown => opening.destroy();
      closing.signal.addEventListener("abort", hang);
      // It may have been closed while the files of the certificate were read.
      if (closing.signal.aborted) hang();
      // Each door has its share of the wait, so that one behind which nobody answers does not use it up.
      opening.setTimeout(waitMs / doors.length, () => {
        noteWhy(new Fault("KEYHOLDER_UNAVAILABLE", "it does not answer in time"));
        hang();
      });
      opening.on(door.ready, () => {
        const named =
          announcing === undefined ? {} : { caller: base64(announcing.secret.reveal()), database: announcing.database };
        const hello = { role, credential: base64(credential.reveal()), ...named };
        opening.write(encodeFrame(JSON.stringify(hello)));
      });
      opening.on("data", (chunk: Buffer) => {
        heardIn = tick;
        reader.push(chunk);
        try {
          for (let frame = reader.next(); frame !== undefined; frame = reader.next()) {
            const body = isRecord(frame.value) ? frame.value : {};
            if (Array.isArray(body["answers"])) {
              for (const answer of body["answers"]) settle(answer);
            } else if (body["hello"] === "welcome") {
              reader.setLimit(maxAnswerFrameBytes);
              void isCurrent(door, body["generation"]).then((isTaken) => {
                if (!isTaken || opening.destroyed) return opening.destroy();
                opening.setTimeout(0);
                socket = opening;
                isFirst = false;
                shut.delete(door);
                welcomed();
              });
            } else {
              outcome = body["hello"] === "refused" ? "refused" : "lost";
              if (body["hello"] === "uncertified") shut.set(door, whyUncertified(body["why"]));
              if (body["hello"] === "standby") shut.set(door, "it is a standby");
              opening.destroy();
            }
          }
        } catch {
          log.error("the keyholder's answer is not understood");
          opening.destroy();
        }
      });
      opening.on("error", noteWhy);
      opening.on("close", () => {
        closing.signal.removeEventListener("abort", hang);
        if (socket === opening) socket = undefined;
        resolve(outcome);
      });
    });
  }

  async function stayConnected(settled: (outcome: "connected" | "refused") => void): Promise<void> {
    let pauseMs = firstPauseMs;
    for (let tries = 0; !closing.signal.aborted; tries++) {
      const door = doors[tries % doors.length];
      if (door === undefined) return;
      const outcome = await attempt(door, () => {
        pauseMs = firstPauseMs;
        settled("connected");
        // What the last process may or may not have done is asked again, in the order it was asked.
        toSend = [...unanswered.values()];
        sendWaiting();
      });
      if (closing.signal.aborted) break;
      if (outcome === "refused") {
        failAll(refusedCredential);
        settled("refused");
      }
      await sleep(pauseMs, closing.signal);
      pauseMs = Math.min(pauseMs * 2, longestPauseMs);
    }
  }

  /** The calls of this turn of the event loop are sent together when it ends. */
  function gather(): void {
    if (isGathering) return;
    isGathering = true;
    setImmediate(() => {
      isGathering = false;
      sendWaiting();
    });
  }

  /**
   * Fails what has waited too long, by one timer for all calls that runs while any is unanswered.
   */
  async function watchWaits(): Promise<void> {
    if (isTicking) return;
    isTicking = true;
    while (unanswered.size > 0 && !closing.signal.aborted) {
      await sleep(waitMs / ticksPerWait, closing.signal);
      tick += 1;
      for (const call of unanswered.values()) {
        // Asked in order, so the first that is not late by any measure ends the look.
        if (call.askedIn >= tick - ticksPerWait) break;
        if (call.askedIn >= tick - call.ticks) continue;
        unanswered.delete(call.id);
        call.reject(unavailable());
        // A host that is gone closes nothing: after a wait in silence the next door is tried.
        if (heardIn < tick - ticksPerWait) socket?.destroy();
      }
      toSend = toSend.filter((one) => unanswered.has(one.id));
    }
    isTicking = false;
  }

  function announced(operation: Operation, values: readonly unknown[]): Promise<unknown> {
    const id = nextId++;
    const wait = purposeOfUse[operation] === null ? undefined : announcing?.cover(id);
    return wait === undefined ? call(id, operation, values) : wait.then(() => call(id, operation, values));
  }

  function call(id: number, operation: Operation, values: readonly unknown[]): Promise<unknown> {
    const valuesText = JSON.stringify(values);
    const text = `[${id},"${operation}",${valuesText}]`;
    counts.set(operation, (counts.get(operation) ?? 0) + 1);
    askedBytes += valuesText.length;
    if (closing.signal.aborted || unanswered.size >= maxUnanswered) return Promise.reject(unavailable());
    if (text.length > maxCallBytes) {
      return Promise.reject(
        new Fault("KEYHOLDER_REFUSED", `${operation}: more than ${maxCallBytes} bytes in one call`),
      );
    }
    return new Promise((resolve, reject) => {
      const ticks = slowOperations.has(operation) ? patience * ticksPerWait : ticksPerWait;
      const waiting: Call = { id, text, askedIn: tick, ticks, resolve, reject };
      unanswered.set(id, waiting);
      toSend.push(waiting);
      gather();
      void watchWaits();
    });
  }

  let running: Promise<void> = Promise.resolve();
  const given = new AbortController();
  const first = await new Promise<"connected" | "refused" | "silent">((resolve) => {
    running = stayConnected(resolve);
    void sleep(waitMs, given.signal).then(() => resolve("silent"));
  });
  given.abort();

  async function close(): Promise<void> {
    closing.abort();
    failAll(unavailable);
    await running;
  }
  if (first !== "connected") {
    await close();
    if (first === "refused") throw refusedCredential();
    throw outdated.size === 0 ? unavailable() : new Fault("CONFIG_INVALID", unavailable().message);
  }
  return {
    call: announced,
    close,
    stats: () => ({ calls: Object.fromEntries(counts), askedBytes, answeredBytes, frames }),
  };
}
