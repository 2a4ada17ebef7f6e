import { deflateRawSync, deflateSync, gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { openedWhole } from "./forms.ts";
import { openPglz } from "./pglz.ts";
import { searchFor } from "./search.ts";

const value = "Zoë.Quill+Feather@Some.Example.org";
const search = searchFor([{ what: "it", value }]);
const noise = (length: number): Buffer => Buffer.from(Array.from({ length }, (_none, at) => (at * 197 + 13) & 255));
const inside = (text: string | Buffer): Buffer => Buffer.concat([noise(3_001), Buffer.from(text), noise(2_000)]);

describe("a value is found wherever it stands in other bytes, as", () => {
  const quoted = [...Buffer.from(value)].map((byte) => `=${byte.toString(16).toUpperCase().padStart(2, "0")}`).join("");
  const encodings: Readonly<Record<string, string | Buffer>> = {
    itself: value,
    capitals: value.toUpperCase(),
    "its letters without composed accents": value.normalize("NFD"),
    "Latin-1": Buffer.from(value, "latin1"),
    "UTF-16, little end first": Buffer.from("Quill.Feather@Some.Example.org", "utf16le"),
    "UTF-16, big end first": Buffer.from("Quill.Feather@Some.Example.org", "utf16le").swap16(),
    hex: Buffer.from(value).toString("hex"),
    "hex in capitals, at an odd place": `a${Buffer.from(value).toString("hex").toUpperCase()}`,
    base64: Buffer.from(value).toString("base64"),
    "base64, one byte in": Buffer.from(`x${value}`).toString("base64"),
    "base64url, two bytes in": Buffer.from(`xy${value}`).toString("base64url"),
    "base64 in lines": Buffer.from(`a longer text with ${value}`).toString("base64").replace(/.{20}/g, "$&\r\n"),
    "a part of a URL": encodeURIComponent(value),
    "a form's field": new URLSearchParams({ to: value }).toString(),
    "a JSON string": JSON.stringify(`"${value}"`).replace("ë", "\\u00eb"),
    "an HTML text": value.replace("@", "&#64;").replace("+", "&#x2b;"),
    "quoted-printable": quoted,
    gzip: gzipSync(`Dear ${value}, ${"la ".repeat(40)}`),
    zlib: deflateSync(`Dear ${value}, ${"la ".repeat(40)}`),
    "base64 of hex of base64": Buffer.from(Buffer.from(Buffer.from(value).toString("base64")).toString("hex")).toString(
      "base64",
    ),
    "itself, backwards": Buffer.from(value).reverse(),
  };
  const plain = searchFor([
    { what: "it", value },
    { what: "it", value: "Quill.Feather@Some.Example.org" },
  ]);
  test.each(Object.entries(encodings))("%s", (_how, encoded) => {
    const stretch = inside(encoded);
    expect([...plain.findIn(noise(6_000))]).toEqual([]);
    expect([...plain.findIn(stretch)].map((what) => what.replace(/, backwards$/, ""))).toEqual(["it"]);
  });
});

test("a whole value that was deflated without a header is opened", () => {
  const opened = [...openedWhole(deflateRawSync(`Dear ${value}`))];
  expect(opened.some((one) => search.findIn(one).size > 0)).toBe(true);
});

test("a digest that is excused is not looked for, and every other is", () => {
  const excused = searchFor([{ what: "a secret", value: noise(32), mayBeDigest: true }]);
  expect(excused.findIn(inside(noise(32).subarray(0, 32)))).toEqual(new Set(["a secret"]));
});

test("what PostgreSQL's compression never wrote is called wrong, and what was cut gives what came before", () => {
  // Two literals and a reference to them, ten bytes long: "abababababab".
  const whole = Buffer.from([0b100, 0x61, 0x62, 0x07, 0x02]);
  expect(openPglz(whole, 12)).toEqual({ bytes: Buffer.from("ab".repeat(6)), end: "whole" });
  expect(openPglz(whole, 40)).toMatchObject({ bytes: Buffer.from("ab".repeat(6)), end: "cut" });
  expect(openPglz(Buffer.from([0b001, 0x07, 0x02]), 10).end).toBe("wrong");
});
