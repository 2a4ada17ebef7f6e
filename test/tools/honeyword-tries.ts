import { createHash } from "node:crypto";
import { Secret } from "../../src/kernel/secret.ts";
import { systemClock } from "../../src/kernel/clock.ts";
import { silentLog } from "../../src/kernel/log.ts";
import { newId, systemRandom } from "../../src/kernel/random.ts";
import type { AccountId } from "../../src/kernel/brand.ts";
import { answerer } from "../../src/keyholder/answers.ts";
import { exactKeyOf, filterBits, indexCount, onesInFilter } from "../../src/keyholder/honeywords.ts";
import type { Role, Witness } from "../../src/keyholder/keyholder.ts";
import { keepingHandlers } from "../../src/keyholder/keeping.ts";
import { withMissing } from "../../src/keyholder/keys.ts";

export interface Tried {
  readonly tries: number;
  readonly wrong: number;
  readonly rightRefused: number;
  readonly wrongAccepted: number;
  readonly falseAlarms: number;
  /** The derived bound: wrong tries times the chance that one fits. */
  readonly expectedFalseAlarms: number;
}

/** Nobody asks it here. */
const noWitness = new Proxy({} as Witness, {
  get: () => () => Promise.reject(new Error("no witness is asked")),
});

/**
 * Ordinary sign-ins by the keyholder's own operations, in this process and at a test-only hash cost: one SHA-256 stands
 * for Argon2id, whose tag is as random. Half are right, half are slips and guesses. Accounts have 50 tries each.
 */
export function tryMany(tries: number): Tried {
  const needs = { random: systemRandom, clock: systemClock, log: silentLog };
  const keys = withMissing(needs);
  const exactKeys = [exactKeyOf(systemRandom.bytes(32))];
  const exact = { all: () => exactKeys, rotate: () => Promise.resolve() };
  // Nobody changes a key here.
  const change = () => Promise.resolve(keys);
  const keeping = keepingHandlers({ ...needs, exact, keys: () => keys, change, graceMs: 0 });
  const nobody = (): never => {
    throw new Error("nobody compares here");
  };
  const answer = answerer({
    ...needs,
    keeping,
    uses: { "uses.callers": nobody, "uses.beyond": nobody, "uses.settle": nobody },
    standing: { "standing.follow": nobody, "standing.read": nobody, "standing.promote": nobody },
    addresses: { admit: () => undefined, counts: () => ({ opened: 0, limit: 0, refused: 0 }) },
    witness: noWitness,
    exact,
    keys: () => keys,
    keysWith: () => Promise.resolve(keys),
  });
  const ask = (role: Role, ...call: [Parameters<typeof answer>[1], ...unknown[]]): unknown =>
    answer(role, call[0], call.slice(1));
  const tagOf = (word: string): string =>
    Buffer.from(new Secret(createHash("sha256").update(word).digest()).reveal()).toString("base64");

  let [wrong, rightRefused, wrongAccepted] = [0, 0, 0];
  for (let done = 0; done < tries;) {
    const account = newId<AccountId>(systemRandom, systemClock.now());
    const password = systemRandom.bytes(12).toString("base64");
    const record = ask("web", "sealPassword", account, tagOf(`${account} ${password}`));
    for (let n = 0; n < 50 && done < tries; n++, done++) {
      const isRight = n % 2 === 0;
      const word = isRight ? password : `${password.slice(0, -1)} ${n}`;
      const accepted = ask("web", "verifyPassword", account, record, tagOf(`${account} ${word}`));
      if (!isRight) wrong += 1;
      if (isRight && accepted !== true) rightRefused += 1;
      if (!isRight && accepted !== false) wrongAccepted += 1;
    }
  }
  const hits = ask("mailer", "honeywords", 0) as readonly unknown[];
  const expectedFalseAlarms = wrong * (onesInFilter / filterBits) ** indexCount;
  return { tries, wrong, rightRefused, wrongAccepted, falseAlarms: hits.length, expectedFalseAlarms };
}
