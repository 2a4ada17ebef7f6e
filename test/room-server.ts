import { newServer, type App } from "../src/http/server.ts";
import type { Check } from "../src/http/viewer.ts";
import { systemClock, type Clock } from "../src/kernel/clock.ts";
import { silentLog } from "../src/kernel/log.ts";
import { systemRandom } from "../src/kernel/random.ts";

/** A server for the routes of one room, whose sessions are those that `check` knows; nobody has a second factor. */
export const roomServer = (
  check: Check,
  more: { readonly clock?: Clock } & Partial<
    Pick<
      Parameters<typeof newServer>[0],
      "publicOrigin" | "pageFrame" | "trustProxy" | "connections" | "tls" | "log" | "finished"
    >
  > = {},
): App =>
  newServer({
    hasSecondFactor: () => Promise.resolve(false),
    publicOrigin: "http://localhost:8080",
    trustProxy: false,
    tls: null,
    check,
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    ...more,
  });
