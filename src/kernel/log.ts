import { pino } from "pino";
import type { DestinationStream, Logger } from "pino";
import { maskCardNumbers } from "./card-number.ts";
import { logStream } from "./log-stream.ts";
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
 * Logs to standard error, since standard output belongs to what a command was asked to print: JSON lines for programs, plain ones
 * where it is a terminal. A test passes a `destination` of its own.
 */
export function newLog(
  component: string,
  level: string,
  destination?: DestinationStream,
  isTerminal = destination === undefined && process.stderr.isTTY,
): Log {
  const log: Log = pino(
    {
      level,
      base: { component },
      timestamp: pino.stdTimeFunctions.isoTime,
      // In the finished line, wherever a number stands in it: an error's text may quote what it is about.
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
    destination ??
      logStream(2, {
        lost: (lines) => log.warn({ lines }, "the log could not be written for a while, and lines are lost"),
      }),
  );
  return log;
}

/** For tests and commands that have nothing to say. */
export const silentLog: Log = pino({ level: "silent" });
