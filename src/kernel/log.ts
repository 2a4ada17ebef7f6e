import { pino } from "pino";
import type { Logger } from "pino";

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

/** JSON lines on standard error: standard output belongs to what a command was asked to print. */
export function newLog(component: string, level: string): Log {
  return pino(
    {
      level,
      base: { component },
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: {
        paths: redactedNames.flatMap((name) => {
          const key = /^\w+$/.test(name) ? name : `["${name}"]`;
          return /^\w+$/.test(name) ? [key, `*.${key}`, `*.*.${key}`] : [key, `*${key}`, `*.*${key}`];
        }),
        censor: "[redacted]",
      },
    },
    pino.destination({ fd: 2, sync: false }),
  );
}

/** For tests and commands that have nothing to say. */
export const silentLog: Log = pino({ level: "silent" });
