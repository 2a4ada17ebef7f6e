import { pino } from "pino";
import type { DestinationStream, Logger } from "pino";
import { maskCardNumbers } from "./card-number.ts";
import { plainLine } from "./plain-line.ts";

export type Log = Logger;

/**
 * Names under which a secret or a person could reach a log line; pino replaces their values. Secrets are objects that
 * print as `[secret]` anyway: this is the second fence.
 */
export const redactedNames = [
  "password",
  "newPassword",
  "currentPassword",
  "code",
  "token",
  "access_token",
  "device_code",
  "user_code",
  "secret",
  "grant",
  "address",
  "name",
  "authorization",
  "cookie",
  "set-cookie",
];

/**
 * Lines on standard error: standard output belongs to what a command was asked to print. JSON for programs, and for who sits at
 * the terminal one plain line each. A test reads them elsewhere.
 */
export function newLog(
  component: string,
  level: string,
  destination?: DestinationStream,
  isTerminal = destination === undefined && process.stderr.isTTY,
): Log {
  return pino(
    {
      level,
      base: { component },
      timestamp: pino.stdTimeFunctions.isoTime,
      // Whatever it stood in: an error's text quotes what it was about.
      hooks: {
        streamWrite: isTerminal ? (line) => plainLine(maskCardNumbers(line)) : maskCardNumbers,
      },
      redact: {
        paths: redactedNames.flatMap((name) => {
          const key = /^\w+$/.test(name) ? name : `["${name}"]`;
          return /^\w+$/.test(name) ? [key, `*.${key}`, `*.*.${key}`] : [key, `*${key}`, `*.*${key}`];
        }),
        censor: "[redacted]",
      },
    },
    destination ?? standardError(),
  );
}

/** A terminal that was closed takes nothing more; what writes to it goes on, and stops as it is told to. */
function standardError(): DestinationStream {
  const stream = pino.destination({ fd: 2, sync: false });
  stream.on("error", () => undefined);
  return stream;
}

/** For tests and commands that have nothing to say. */
export const silentLog: Log = pino({ level: "silent" });
