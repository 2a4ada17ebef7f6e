import fc from "fast-check";
import { expect, test } from "vitest";
import { hasCardNumber, maskCardNumbers } from "./card-number.ts";

/** Numbers that the issuers publish for tests. */
const published = [
  "4111111111111111",
  "4012888888881881",
  "5555555555554444",
  "5105105105105100",
  "2223003122003222",
  "378282246310005",
  "371449635398431",
  "30569309025904",
  "38520000023237",
  "36227206271667",
  "6011111111111117",
  "6011000990139424",
  "3530111333300000",
  "6200000000000005",
  "6304000000000000",
  "4000000000000000006",
  "6205500000000000004",
];
const grouped = (digits: string, sizes: readonly number[], between: string): string => {
  const groups: string[] = [];
  let at = 0;
  for (const size of sizes) groups.push(digits.slice(at, (at += size)));
  return [...groups, digits.slice(at)].filter((group) => group !== "").join(between);
};

test("every published number is found, alone, in a sentence, grouped, spaced out, and in other scripts' digits", () => {
  for (const number of published) {
    const arabic = Array.from(number, (digit) => String.fromCodePoint(0x660 + Number(digit))).join("");
    const wide = Array.from(number, (digit) => String.fromCodePoint(0xff10 + Number(digit))).join("");
    const forms = [
      number,
      `my card is ${number}, please`,
      `card:${number}.`,
      `(${number})`,
      ...[" ", "-", ".", "_", "/", "\u00a0", "\u2013", "  ", " - ".trim()].flatMap((between) => [
        grouped(number, [4, 4, 4], between),
        grouped(number, [4, 6], between),
      ]),
      Array.from(number).join(" "),
      `2026 ${grouped(number, [4, 4, 4], " ")} 12`,
      arabic,
      wide,
    ];
    for (const form of forms) {
      expect([form, hasCardNumber(form)]).toEqual([form, true]);
      const masked = maskCardNumbers(form);
      expect(masked).toContain("[card number]");
      expect(hasCardNumber(masked)).toBe(false);
    }
  }
  expect(maskCardNumbers("from 4111 1111 1111 1111 to 5555-5555-5555-4444!")).toBe(
    "from [card number] to [card number]!",
  );
});

test("one changed digit, two swapped ones, no issuer and too many digits are no card number", () => {
  for (const number of published) {
    for (let at = 0; at < number.length; at++) {
      const other = String((Number(number[at]) + 1) % 10);
      expect(hasCardNumber(number.slice(0, at) + other + number.slice(at + 1))).toBe(false);
    }
    expect(hasCardNumber(`${number}123456789`)).toBe(false);
    expect(hasCardNumber(`x${number}`)).toBe(false);
  }
  expect(hasCardNumber("1111111111111117")).toBe(false);
  expect(hasCardNumber("0000000000000000")).toBe(false);
});

test("phone numbers, ids, instants, years and sums are no card numbers", () => {
  for (const text of [
    "+49 170 1234567 or +4411 1111 1111 1111",
    "019ab3c4-4111-7111-8111-411111111111",
    "12345678-4111-1111-1111-111111111111",
    "2026-11-26T03:04:05.123456789Z",
    "1764126245123",
    "1764126245123456789",
    "4,812,077 passwords, 9,204,331 sessions, 318,442 passkeys",
    "Fire in 1999, 2003, 2011, 2014 and 2020",
    "192.168.100.200 10.0.0.1",
    "invoice 2026-0000-0000-0001",
  ]) {
    expect([text, hasCardNumber(text)]).toEqual([text, false]);
  }
  fc.assert(fc.property(fc.uuid(), (id) => !hasCardNumber(`the row ${id}, again ${id}`)));
});

test("masking changes nothing else, and never takes long", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => {
      if (!hasCardNumber(text)) return maskCardNumbers(text) === text;
      return !hasCardNumber(maskCardNumbers(text));
    }),
  );
  // As many groups as a body can hold: each is looked at from once, for nineteen digits at most.
  const long = "4 ".repeat(32_000);
  expect(maskCardNumbers(long).length).toBeLessThanOrEqual(long.length * 8);
});
