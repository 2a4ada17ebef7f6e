import { domainToASCII } from "node:url";
import fc from "fast-check";
import { expect, test } from "vitest";
import { domainOf, lookUpForm, parseAddress, withoutAddresses } from "./address.ts";

const normalisedOf = (text: string): string | undefined => {
  const parsed = parseAddress(text);
  return parsed.kind === "address" ? parsed.normalised : undefined;
};

test.each([
  ["anna@example.org", "anna@example.org"],
  ["  Anna@Example.ORG ", "anna@example.org"],
  ["o'brien+films@sub.example.co.uk", "o'brien+films@sub.example.co.uk"],
  ["anna@bücher.example", "anna@xn--bcher-kva.example"],
  ["ANNA@BÜCHER.example", "anna@xn--bcher-kva.example"],
  ["jose\u0301@example.org", "jos\u00e9@example.org"],
  ["me@localhost", "me@localhost"],
  [`${"a".repeat(64)}@example.org`, `${"a".repeat(64)}@example.org`],
])("%s is looked up as %s", (text, normalised) => {
  expect(normalisedOf(text)).toBe(normalised);
  expect(lookUpForm(text)).toBe(normalised);
});

test("what letters are sent to keeps the case that was typed", () => {
  expect(parseAddress(" Anna@Example.org")).toMatchObject({ address: "Anna@Example.org" });
});

test("a domain is written as it is registered, however it was typed: nothing invisible or full-width stays in it", () => {
  const registered = (text: string) => parseAddress(text);
  expect(registered("anna@B\u00dcCHER.example")).toMatchObject({ address: "anna@b\u00fccher.example" });
  expect(registered("anna@exa\u00adm\u200bple.org")).toMatchObject({ address: "anna@example.org" });
  expect(registered("anna@\uff45xample\u3002org")).toMatchObject({ address: "anna@example.org" });
});

test("whatever stands in an address, its domain ends where the address does", () => {
  const text = fc.string({
    unit: fc.constantFrom(...Array.from("ab.-/#?\\:[]<>,;\"'()%&=+~ \t\n\u0000\u001b\u00e9\u202e")),
    maxLength: 12,
  });
  fc.assert(
    fc.property(text, text, (before, after) => {
      const parsed = parseAddress(`anna@${before}example.org${after}`);
      if (parsed.kind === "refused") return;
      expect(domainToASCII(parsed.address.split("@")[1] ?? "")).toBe(parsed.normalised.split("@")[1]);
      expect(parsed.address).toMatch(/^anna@[\p{L}\p{N}.-]+$/u);
    }),
  );
});

test.each([
  [""],
  ["   "],
  ["anna"],
  ["@example.org"],
  ["anna@"],
  ["anna@example"],
  ["a@b@example.org"],
  ["anna@example..org"],
  ["anna@-example.org"],
  ["anna@example.org."],
  ["anna@127.0.0.1"],
  ["anna@[127.0.0.1]"],
  ["anna@exa%6dple.org"],
  [".anna@example.org"],
  ["an..na@example.org"],
  ['"anna b"@example.org'],
  ["anna b@example.org"],
  ["anna@exam ple.org"],
  ["anna,bob@example.org"],
  ["<anna@example.org>"],
  ["anna\r\nBcc: bob@example.org"],
  ["anna@example.org\r\nBcc: x"],
  ["anna\u0000@example.org"],
  ["anna\u200b@example.org"],
  // What a URL's host ends at, or is read without.
  ["anna@example.org/else.example"],
  ["anna@example.org?else.example"],
  ["anna@example.org#else.example"],
  ["anna@example.org\\else.example"],
  ["anna@example.org/>\u001b[2J"],
  ["anna@example.org:"],
  ["anna@\uff0fexample.org"],
  ["anna@exam\tple.org"],
  [`${"a".repeat(65)}@example.org`],
  [`anna@${"a".repeat(64)}.org`],
  [`anna@${"a.".repeat(130)}org`],
  ["a".repeat(1_000_000)],
])("%j is refused with a sentence", (text) => {
  const parsed = parseAddress(text);
  expect(parsed.kind).toBe("refused");
  if (parsed.kind === "refused") expect(parsed.reason).toMatch(/\.$/);
});

test("any text is looked up by something short, and what is no address finds no address", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 600 }), (text) => {
      const form = lookUpForm(text);
      expect(form.length).toBeLessThanOrEqual(255);
      expect(form.isWellFormed()).toBe(true);
      if (parseAddress(text).kind === "refused") expect(parseAddress(form)).not.toMatchObject({ normalised: form });
    }),
  );
});

test("normalising twice changes nothing", () => {
  fc.assert(
    fc.property(fc.emailAddress(), (text) => {
      const once = normalisedOf(text);
      if (once !== undefined) expect(normalisedOf(once)).toBe(once);
    }),
  );
});

test("a domain is what stands behind the @", () => {
  expect(domainOf("anna@xn--bcher-kva.example")).toBe("xn--bcher-kva.example");
});

test("a reply is stored without addresses, in one line, of at most 200 characters", () => {
  const stored = withoutAddresses(
    `550 5.1.1 <Anna.B+x@example.org>: no\r\nsuch person; anna@bücher.example ${"x".repeat(300)}`,
  );
  expect(stored).not.toMatch(/@/);
  expect(stored).not.toMatch(/[\r\n]/);
  expect(stored).toMatch(/^550 5\.1\.1 <\(address\)>: no such person; \(address\) xxx/);
  expect(stored.length).toBeLessThanOrEqual(200);
  expect(withoutAddresses("550 no\u202emih ot\u2066\u001b[2Jsaid\u2028so \ud83c")).toBe("550 no mih ot [2Jsaid so");
});
