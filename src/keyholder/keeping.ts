import type { Clock } from "../kernel/clock.ts";
import type { Log } from "../kernel/log.ts";
import type { Random } from "../kernel/random.ts";
import type { Answer, KeepingHandlers } from "./answers.ts";
import { contextPattern, limits } from "./arguments.ts";
import type { ArgumentReader } from "./arguments.ts";
import type { KeyPurpose } from "./keyholder.ts";
import { parsePurpose } from "./keys.ts";
import type { Keys } from "./keys.ts";
import type { OpenFolder } from "./open-folder.ts";
import { maxRewrapped, rewrapKinds, rewrapped } from "./rewrap.ts";
import { closed, keyStates, retired, rotated, usePrepared } from "./rotation.ts";

interface Needs extends Pick<OpenFolder, "keys" | "change" | "exact"> {
  readonly random: Random;
  readonly clock: Clock;
  readonly log: Log;
  /** How long a version is on its way out before it can be retired. */
  readonly graceMs: number;
}

/** What the key process answers to those who keep keys. Throws KEYHOLDER_REFUSED for what would lose something. */
export function keepingHandlers(needs: Needs): KeepingHandlers {
  const { keys, change, exact, log, graceMs } = needs;

  const changing =
    (
      what: string,
      next: (now: Keys, purpose: KeyPurpose, version: number) => Keys | Promise<Keys>,
      first?: (purpose: KeyPurpose) => Promise<void>,
    ) =>
    async (args: ArgumentReader): Promise<Answer> => {
      const purpose = args.parsed("purpose", parsePurpose);
      const version = args.count("version");
      args.end();
      let isChanged = false;
      await change(
        async (now) => {
          const after = await next(now, purpose, version);
          isChanged = after !== now;
          return after;
        },
        () => first?.(purpose) ?? Promise.resolve(),
      );
      if (isChanged) log.warn({ purpose, version }, what);
      return null;
    };

  return {
    "keys.states": (args) => {
      args.end();
      const now = keys();
      return { generation: now.generation, states: keyStates(now) };
    },
    "keys.rotate": changing(
      "a new key is made, after this version",
      (now, purpose, after) => rotated(needs, now, purpose, after),
      // The exact key goes with that which seals password records: it is on disk before any record is sealed again.
      (purpose) => (purpose === "password" ? exact.rotate() : Promise.resolve()),
    ),
    "keys.use": changing("a prepared key is in use", usePrepared),
    "keys.close": changing("a key is on its way out", (now, purpose, version) => closed(needs, now, purpose, version)),
    "keys.retire": changing("a key is retired", (now, purpose, version) =>
      retired(needs, now, purpose, version, graceMs),
    ),
    "keys.rewrap": (args) => {
      const kind = args.oneOf("kind", rewrapKinds);
      const contexts = args.texts("contexts", maxRewrapped, contextPattern);
      const packed = args.bytes("values", ...limits.batch);
      args.end();
      return rewrapped({ random: needs.random, keys: keys(), exact: exact.all() }, kind, contexts, packed).toString(
        "base64",
      );
    },
  };
}
