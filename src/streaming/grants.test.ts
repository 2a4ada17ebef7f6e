import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { AccountId, FileId, SessionId, TitleId } from "../kernel/brand.ts";
import { hourMs, manualClock, plus, type EpochMs } from "../kernel/clock.ts";
import { newId, systemRandom } from "../kernel/random.ts";
import type { KeyholderClient } from "../keyholder/client.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import { testKeyholder, type TestKeyholder } from "../keyholder/test-keyholder.ts";
import { encodeClaims, grantLength, grantText, newGrants, parseGrant, type GrantClaims } from "./grants.ts";

let process: TestKeyholder;
let keyholder: KeyholderClient;

beforeAll(async () => {
  process = await testKeyholder();
  keyholder = await process.connect("web");
});
afterAll(() => process.stop());

const start = Date.UTC(2026, 10, 22);

/** The keyholder, asked for its public keys in a way of the test's own. */
const askedBy = (publicKeys: Keyholder["publicKeys"]): Pick<Keyholder, "sign" | "publicKeys"> => ({
  sign: (purpose, message) => keyholder.sign(purpose, message),
  publicKeys,
});

function someClaims(expiresAt = (start + hourMs) as EpochMs): GrantClaims {
  const now = start as EpochMs;
  return {
    accountId: newId<AccountId>(systemRandom, now),
    sessionId: newId<SessionId>(systemRandom, now),
    titleId: newId<TitleId>(systemRandom, now),
    fileId: newId<FileId>(systemRandom, now),
    expiresAt,
  };
}

test("a grant gives back what it was made of, on any node that knows the public key", async () => {
  const clock = manualClock(start);
  const claims = someClaims();
  const text = await newGrants({ keyholder, clock }).issue(claims);
  expect(text).toHaveLength(grantLength);
  expect(await newGrants({ keyholder, clock }).verify(text)).toEqual(claims);
});

test("a grant is refused from the instant it expires, having been accepted a moment before", async () => {
  const clock = manualClock(start);
  const grants = newGrants({ keyholder, clock });
  const claims = someClaims(plus(clock.now(), 1_000));
  const text = await grants.issue(claims);
  clock.advance(999);
  expect(await grants.verify(text)).toEqual(claims);
  clock.advance(1);
  expect(await grants.verify(text)).toBeUndefined();
});

test("no grant with one bit changed is accepted, while the unchanged one is", async () => {
  const grants = newGrants({ keyholder, clock: manualClock(start) });
  const claims = someClaims();
  const text = await grants.issue(claims);
  const bytes = Buffer.from(text, "base64url");
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const changed = Buffer.from(bytes);
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    expect(await grants.verify(changed.toString("base64url"))).toBeUndefined();
  }
  expect(await grants.verify(text)).toEqual(claims);
});

test("a grant has one spelling", async () => {
  const grants = newGrants({ keyholder, clock: manualClock(start) });
  const claims = someClaims();
  const text = await grants.issue(claims);
  const base64 = Buffer.from(text, "base64url").toString("base64");
  const others = [`${text}=`, `${text}\n`, ` ${text}`, `${text.slice(0, 90)} ${text.slice(90)}`, `${text}.`];
  for (const other of base64 === text ? others : [...others, base64]) {
    expect(await grants.verify(other)).toBeUndefined();
  }
  expect(await grants.verify(text)).toEqual(claims);
});

test("what another purpose's key signed is no grant", async () => {
  const grants = newGrants({ keyholder, clock: manualClock(start) });
  const signed = encodeClaims(someClaims());
  expect(await grants.verify(grantText(signed, await keyholder.sign("grant", signed)))).toBeDefined();
  const operator = await process.connect("operator");
  expect(await grants.verify(grantText(signed, await operator.sign("letter", signed)))).toBeUndefined();
});

test("forged grants do not make this process ask the keyholder each time", async () => {
  const clock = manualClock(start);
  let asked = 0;
  const counting = askedBy((purpose) => {
    asked++;
    return keyholder.publicKeys(purpose);
  });
  const grants = newGrants({ keyholder: counting, clock });
  const good = await grants.issue(someClaims());
  const forged = grantText(encodeClaims(someClaims()), Buffer.alloc(64, 7));
  for (let n = 0; n < 50; n++) expect(await grants.verify(forged)).toBeUndefined();
  expect(asked).toBe(1);
  clock.advance(2_000);
  await grants.verify(forged);
  expect(asked).toBe(2);
  // Nor do many at once.
  clock.advance(2_000);
  await Promise.all(Array.from({ length: 50 }, () => grants.verify(forged)));
  expect(asked).toBe(3);
  expect(await grants.verify(good)).toBeDefined();
});

test("while the keyholder is away, grants go on being judged by the keys that were read", async () => {
  const clock = manualClock(start);
  let isAway = false;
  let asked = 0;
  const sometimes = askedBy((purpose) => {
    asked++;
    return isAway ? Promise.reject(new Error("away")) : keyholder.publicKeys(purpose);
  });
  const grants = newGrants({ keyholder: sometimes, clock });
  const text = await grants.issue(someClaims());
  isAway = true;
  asked = 0;
  clock.advance(10 * 60_000);
  // Each question in vain takes seconds, for which no segment waits.
  for (let n = 0; n < 10; n++) expect(await grants.verify(text)).toBeDefined();
  expect(asked).toBe(1);
  clock.advance(60_000);
  isAway = false;
  for (let n = 0; n < 10; n++) expect(await grants.verify(text)).toBeDefined();
  expect(asked).toBe(2);
});

test("once the keyholder was asked in vain, nobody waits for its next answer", async () => {
  const clock = manualClock(start);
  let publicKeys: Keyholder["publicKeys"] = (purpose) => keyholder.publicKeys(purpose);
  const grants = newGrants({ keyholder: askedBy((purpose) => publicKeys(purpose)), clock });
  const claims = someClaims();
  const text = await grants.issue(claims);
  clock.advance(61_000);
  publicKeys = () => Promise.reject(new Error("away"));
  expect(await grants.verify(text)).toEqual(claims);
  clock.advance(11_000);
  let asked = 0;
  publicKeys = () => {
    asked++;
    return new Promise(() => undefined);
  };
  expect(await grants.verify(text)).toEqual(claims);
  expect(asked).toBe(1);
});

test("the first grant under a new key is good at once, and those under the old one stay so", async () => {
  const operator = await process.connect("operator");
  let isRotated = false;
  const rotating: Pick<Keyholder, "sign" | "publicKeys"> = {
    sign: (purpose, message) => (isRotated ? operator.sign("letter", message) : keyholder.sign(purpose, message)),
    publicKeys: async (purpose) => [
      ...(await keyholder.publicKeys(purpose)),
      ...(isRotated ? await operator.publicKeys("letter") : []),
    ],
  };
  const grants = newGrants({ keyholder: rotating, clock: manualClock(start) });
  const [before, after] = [someClaims(), someClaims()];
  const old = await grants.issue(before);
  isRotated = true;
  const fresh = await grants.issue(after);
  expect([await grants.verify(fresh), await grants.verify(old)]).toEqual([after, before]);
});

test.each([
  ["a minute passes", 61_000],
  ["the clock is set back", -hourMs],
])("a signature that was found good is not asked again, until its key is withdrawn and %s", async (_what, laterMs) => {
  const clock = manualClock(start);
  let isWithdrawn = false;
  const rotating = askedBy(async (purpose) =>
    isWithdrawn ? (await process.connect("operator")).publicKeys("letter") : keyholder.publicKeys(purpose),
  );
  const grants = newGrants({ keyholder: rotating, clock });
  const claims = someClaims();
  const text = await grants.issue(claims);
  expect([await grants.verify(text), await grants.verify(text)]).toEqual([claims, claims]);
  isWithdrawn = true;
  clock.advance(laterMs);
  expect(await grants.verify(text)).toBeUndefined();
});

test("any text is parsed to a grant that encodes back to the same text, or not at all", () => {
  const base64url = fc.stringMatching(/^[A-Za-z0-9_-]{180}$/);
  const withVersion = base64url.map((text) => `AQ${text.slice(2)}`);
  fc.assert(
    fc.property(
      fc.oneof(fc.string(), fc.string({ minLength: 180, maxLength: 180 }), base64url, withVersion),
      (text) => {
        const grant = parseGrant(text);
        if (grant === undefined) return;
        expect(grantText(encodeClaims(grant.claims), grant.signature)).toBe(text);
      },
    ),
  );
});

test("claims survive the way through text, whatever the ids and the instant", () => {
  const uuid = fc.uuid();
  fc.assert(
    fc.property(uuid, uuid, uuid, uuid, fc.nat({ max: 2 ** 47 }), (account, session, title, file, instant) => {
      const claims: GrantClaims = {
        accountId: account as AccountId,
        sessionId: session as SessionId,
        titleId: title as TitleId,
        fileId: file as FileId,
        expiresAt: instant as EpochMs,
      };
      const parsed = parseGrant(grantText(encodeClaims(claims), Buffer.alloc(64)));
      expect(parsed?.claims).toEqual(claims);
    }),
  );
});

test.each(["", "AQ", "A".repeat(179), "A".repeat(181), `${"A".repeat(179)}=`, `${"A".repeat(179)}+`, "\0".repeat(180)])(
  "%j is no grant",
  (text) => {
    expect(parseGrant(text)).toBeUndefined();
  },
);
