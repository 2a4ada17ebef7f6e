import fc from "fast-check";
import { createSecretKey } from "node:crypto";
import { expect, test } from "vitest";
import type { AccountId, FileId, SessionId, TitleId } from "../src/kernel/brand.ts";
import type { EpochMs } from "../src/kernel/clock.ts";
import { codeAlphabet, newSecret, newTypedCode, readTypedCode, systemRandom } from "../src/kernel/random.ts";
import { equalBytes, Secret } from "../src/kernel/secret.ts";
import { parseForm } from "../src/http/form-body.ts";
import { readSecret, secretText } from "../src/http/cookies.ts";
import { nextPath } from "../src/http/next-path.ts";
import { openBytes, parseSealed, sealBytes, sealedOverheadBytes, canonical } from "../src/keyholder/sealed.ts";
import { parseAddress } from "../src/mail/address.ts";
import { readToken, writeToken } from "../src/sessions/tokens.ts";
import { encodeClaims, grantText, parseGrant } from "../src/streaming/grants.ts";

/**
 * What is read from outside, for any input: what we write is read back, what differs in one place is not, one thing has one
 * spelling, and nothing throws that is not meant to. A failure prints its seed and the smallest input.
 */
const id = fc.uuid({ version: 7 });
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const anyText = fc.oneof(fc.string({ unit: "binary", maxLength: 400 }), fc.string({ maxLength: 400 }));
const base64url = fc.string({
  unit: fc.constantFrom(...Array.from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=")),
  maxLength: 400,
});
/** The text with one character replaced, removed, doubled, or another case. */
const oneChange = (text: string) =>
  fc
    .record({
      at: fc.nat(Math.max(0, text.length - 1)),
      how: fc.constantFrom("replace", "remove", "double"),
      by: fc.string({ minLength: 1, maxLength: 1 }),
    })
    .map(({ at, how, by }) => {
      const before = text.slice(0, at);
      const after = text.slice(at + 1);
      if (how === "remove") return before + after;
      return how === "double" ? before + (text[at] ?? "") + (text[at] ?? "") + after : before + by + after;
    })
    .filter((changed) => changed !== text);

test("a token is read back as it was written, has one spelling, and any other text is none", () => {
  fc.assert(
    fc.property(id, id, bytes(32), (accountId, sessionId, secret) => {
      const text = writeToken({
        accountId: accountId as AccountId,
        sessionId: sessionId as SessionId,
        secret: new Secret(secret),
      }).revealText();
      const token = readToken(Secret.fromText(text));
      expect(token).toMatchObject({ accountId, sessionId });
      expect(equalBytes(token?.secret.reveal() ?? new Uint8Array(), secret)).toBe(true);
    }),
  );
  fc.assert(
    fc.property(fc.oneof(anyText, base64url), (text) => {
      const token = readToken(Secret.fromText(text));
      return token === undefined || writeToken(token).revealText() === text;
    }),
  );
  fc.assert(
    fc.property(
      fc.tuple(id, id, bytes(32)).chain(([accountId, sessionId, secret]) => {
        const text = writeToken({
          accountId: accountId as AccountId,
          sessionId: sessionId as SessionId,
          secret: new Secret(secret),
        }).revealText();
        return fc.tuple(fc.constant(text), oneChange(text));
      }),
      ([text, changed]) => {
        const one = readToken(Secret.fromText(text));
        const other = readToken(Secret.fromText(changed));
        if (one === undefined) return false;
        if (other === undefined) return true;
        // It may still be the form of a token, and is then another one.
        const isSame = one.accountId === other.accountId && one.sessionId === other.sessionId;
        return !(isSame && equalBytes(one.secret.reveal(), other.secret.reveal()));
      },
    ),
  );
});

test("a browser's binding and a single-use secret have one form, and any other text is none", () => {
  fc.assert(
    fc.property(bytes(32), (secret) => {
      const read = readSecret(secretText(new Secret(secret)));
      return read !== undefined && equalBytes(read.reveal(), secret);
    }),
  );
  fc.assert(fc.property(anyText, (text) => readSecret(text) === undefined || text.length === 43));
});

test("a typed code is read however it is spaced and cased; no other letters, no other length", () => {
  const letters = fc.constantFrom(...Array.from(codeAlphabet));
  const between = fc.constantFrom("", "-", " ", ".", "  ", "\t", "–", "\u200b");
  fc.assert(
    fc.property(fc.array(fc.tuple(letters, between, fc.boolean()), { minLength: 8, maxLength: 8 }), (parts) => {
      const typed = parts.map(([letter, space, lower]) => (lower ? letter.toLowerCase() : letter) + space).join("");
      return readTypedCode(typed, 8)?.revealText() === parts.map(([letter]) => letter).join("");
    }),
  );
  fc.assert(
    fc.property(anyText, fc.constantFrom(8, 10), (typed, length) => {
      const read = readTypedCode(typed, length)?.revealText();
      return (
        read === undefined || (read.length === length && Array.from(read).every((one) => codeAlphabet.includes(one)))
      );
    }),
  );
});

test("new secrets and codes are as long as they say, and none comes twice", () => {
  const secrets = Array.from({ length: 2_000 }, () => secretText(newSecret(systemRandom)));
  expect(new Set(secrets).size).toBe(secrets.length);
  expect(secrets.every((text) => Buffer.from(text, "base64url").length === 32)).toBe(true);
  const codes = Array.from({ length: 2_000 }, () => newTypedCode(systemRandom, 10).revealText());
  expect(new Set(codes).size).toBe(codes.length);
  // Every letter in every place: no modulo bias that a few thousand would show.
  for (let place = 0; place < 10; place++) {
    expect(new Set(codes.map((code) => code[place])).size).toBe(codeAlphabet.length);
  }
});

const key = createSecretKey(Buffer.alloc(32, 7));
const keyOf = (version: number) => (version === 3 ? key : undefined);
const seal = (plaintext: Uint8Array, context: readonly string[]) =>
  sealBytes({ random: systemRandom }, { version: 3, key }, "value", context, plaintext);

test("a sealed value opens where it was sealed and nowhere else, and not after any change", () => {
  const context = fc.array(fc.string({ maxLength: 20 }), { maxLength: 4 });
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), context, (plaintext, place) => {
      const sealed = seal(plaintext, place);
      const opened = openBytes(keyOf, "value", place, sealed);
      return (
        opened !== null && equalBytes(opened, plaintext) && sealed.length === plaintext.length + sealedOverheadBytes
      );
    }),
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), context, context, (plaintext, place, other) => {
      const isSame = JSON.stringify(place) === JSON.stringify(other);
      return isSame || openBytes(keyOf, "value", other, seal(plaintext, place)) === null;
    }),
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(), fc.integer({ min: 1, max: 255 }), (plaintext, at, by) => {
      const sealed = seal(plaintext, ["a"]);
      const place = at % sealed.length;
      sealed[place] = (sealed[place] ?? 0) ^ by;
      return openBytes(keyOf, "value", ["a"], sealed) === null;
    }),
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(), (plaintext, to) => {
      const sealed = seal(plaintext, ["a"]);
      return openBytes(keyOf, "value", ["a"], sealed.subarray(0, to % sealed.length)) === null;
    }),
  );
});

test("bytes that nobody sealed are none, and never throw", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (some) => openBytes(keyOf, "value", ["a"], some) === null));
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (some) => {
      const parts = parseSealed(some);
      if (parts === null) return some.length < sealedOverheadBytes || some[0] !== 1;
      return parts.ciphertext.length === some.length - sealedOverheadBytes && parts.tag.length === 16;
    }),
  );
});

test("two different lists never become the same associated data", () => {
  const list = fc.array(fc.string({ maxLength: 12 }), { maxLength: 5 });
  fc.assert(
    fc.property(
      list,
      list,
      (one, other) => JSON.stringify(one) === JSON.stringify(other) || !canonical(one).equals(canonical(other)),
    ),
  );
});

test("a grant is read back as it was written, has one spelling, and any other text is none", () => {
  const claims = fc.record({
    accountId: id.map((text) => text as AccountId),
    sessionId: id.map((text) => text as SessionId),
    titleId: id.map((text) => text as TitleId),
    fileId: id.map((text) => text as FileId),
    expiresAt: fc.nat(2 ** 31).map((ms) => (ms * 1_000) as EpochMs),
  });
  fc.assert(
    fc.property(claims, bytes(64), (given, signature) => {
      const signed = encodeClaims(given);
      const read = parseGrant(grantText(signed, Buffer.from(signature)));
      expect(read?.claims).toEqual(given);
      return read !== undefined && read.signed.equals(signed) && equalBytes(read.signature, signature);
    }),
  );
  fc.assert(
    fc.property(fc.oneof(anyText, base64url), (text) => {
      const read = parseGrant(text);
      return read === undefined || grantText(read.signed, read.signature) === text;
    }),
  );
  fc.assert(
    fc.property(
      fc.tuple(claims, bytes(64)).chain(([given, signature]) => {
        const text = grantText(encodeClaims(given), Buffer.from(signature));
        return fc.tuple(fc.constant(text), oneChange(text));
      }),
      ([text, changed]) => {
        const one = parseGrant(text);
        const other = parseGrant(changed);
        if (one === undefined || other === undefined) return one !== undefined;
        return !(one.signed.equals(other.signed) && one.signature.equals(other.signature));
      },
    ),
  );
});

test("a form is read as browsers write it, field for field; anything else is refused by an error, never guessed", () => {
  const name = fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 });
  const value = fc.string({ unit: "grapheme", maxLength: 60 });
  fc.assert(
    fc.property(fc.uniqueArray(fc.tuple(name, value), { selector: ([one]) => one, maxLength: 6 }), (fields) => {
      const body = Buffer.from(new URLSearchParams(fields as [string, string][]).toString());
      expect(new Map(Object.entries(parseForm(body)))).toEqual(new Map(fields));
    }),
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array({ maxLength: 200 }),
        fc.string({ maxLength: 200 }).map((text) => Buffer.from(text)),
      ),
      (body) => {
        try {
          // Read twice the same, and own properties alone, whatever their names.
          const fields = parseForm(body);
          return (
            JSON.stringify(parseForm(body)) === JSON.stringify(fields) &&
            Object.getPrototypeOf(fields) === Object.prototype
          );
        } catch (thrown) {
          return thrown instanceof Error;
        }
      },
    ),
  );
  for (const hostile of ["__proto__=x", "constructor=x", "a=%00", "=x"])
    expect(() => parseForm(Buffer.from(hostile))).not.toThrow();
  expect(({} as Record<string, unknown>)["x"]).toBeUndefined();
});

test("a next page stays on this site for whoever resolves it", () => {
  const nasty = fc.string({
    unit: fc.constantFrom(
      "/",
      "\\",
      "\t",
      "\n",
      ":",
      "@",
      ".",
      "?",
      "#",
      "e",
      "%09",
      "%2f",
      "javascript:",
      "//e.example",
    ),
    maxLength: 12,
  });
  fc.assert(
    fc.property(
      fc.oneof(
        anyText,
        nasty,
        nasty.map((text) => `/${text}`),
      ),
      (text) => {
        const path = nextPath(text);
        return path === undefined || new URL(path, "https://films.example.org").origin === "https://films.example.org";
      },
    ),
    { numRuns: 2_000 },
  );
});

test("an address that is taken has one @, no white space, no control characters, and a look-up form of its own", () => {
  fc.assert(
    fc.property(fc.oneof(fc.emailAddress({ size: "large" }), anyText), (text) => {
      const parsed = parseAddress(text);
      if (parsed.kind === "refused") return parsed.reason.length > 0;
      const again = parseAddress(parsed.address);
      return (
        /^[^\s\p{Cc}]+@[^\s\p{Cc}@]+$/u.test(parsed.address) &&
        again.kind !== "refused" &&
        again.normalised === parsed.normalised
      );
    }),
    { numRuns: 2_000 },
  );
});
