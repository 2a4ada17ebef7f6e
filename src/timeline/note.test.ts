import { generateKeyPairSync, sign } from "node:crypto";
import { expect, test } from "vitest";
import {
  cosignatureLine,
  cosignedAt,
  isSignedBy,
  readNote,
  readVerifierKey,
  signatureLine,
  signatureTypes,
  verifierKey,
  verifierKeyText,
  type VerifierKey,
} from "./note.ts";

/** C2SP signed-note and tlog-cosignature: who signed what, and nothing that only looks like it. */

function newKey(name: string, type: VerifierKey["type"] = signatureTypes.ed25519) {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const raw = Buffer.from(publicKey.export({ format: "jwk" }).x!, "base64url");
  const key = verifierKey(name, raw, type);
  return {
    key,
    raw,
    privateKey,
    line: (text: string) => signatureLine(key, sign(null, Buffer.from(text), privateKey)),
  };
}
const body = "log.example\n12\nBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n";
const noteOf = (...lines: readonly string[]) => readNote(`${body}\n${lines.map((line) => `${line}\n`).join("")}`)!;

const log = newKey("log.example");
const witness = newKey("witness.example", signatureTypes.cosignature);
const at = 1_800_000_000;
const cosigned = cosignatureLine(witness.key, witness.privateKey, body, at);

test("one false signature that names a key spoils a note that another key, or the same, did sign", () => {
  const [good, other] = [log.line(body), newKey("log.example")];
  const false1 = other.line(`${body}x`);
  expect(isSignedBy(noteOf(good), [log.key])).toBe(true);
  expect(isSignedBy(noteOf(good, other.line(body)), [log.key, other.key])).toBe(true);
  // Of a key that is not asked for it says nothing.
  expect(isSignedBy(noteOf(good, false1), [log.key])).toBe(true);
  for (const lines of [
    [good, false1],
    [false1, good],
  ]) {
    expect(isSignedBy(noteOf(...lines), [log.key, other.key])).toBe(false);
  }
  expect(isSignedBy(noteOf(log.line(`${body}x`), good), [log.key])).toBe(false);
});

test("a key counts under its own name and as what it is", () => {
  // The same point, under another name and another type.
  const renamed = { ...log.key, name: "other.example" };
  expect(isSignedBy(noteOf(signatureLine(renamed, sign(null, Buffer.from(body), log.privateKey))), [log.key])).toBe(
    false,
  );
  const asWitness = verifierKey("log.example", log.raw, signatureTypes.cosignature);
  const line = signatureLine(asWitness, sign(null, Buffer.from(body), log.privateKey));
  expect(isSignedBy(noteOf(line), [asWitness])).toBe(false);

  expect(cosignedAt(noteOf(cosigned), witness.key)).toBe(at);
  const asLog = verifierKey("witness.example", witness.raw);
  const byLog = cosignatureLine(asLog, witness.privateKey, body, at);
  expect(cosignedAt(noteOf(byLog), asLog)).toBeUndefined();
  const unnamed = cosignatureLine({ ...witness.key, name: "other.example" }, witness.privateKey, body, at);
  expect(cosignedAt(noteOf(unnamed), witness.key)).toBeUndefined();
  expect(cosignedAt(noteOf(unnamed, cosigned), witness.key)).toBe(at);
});

test("a cosignature is of its second and of this text", () => {
  const bytes = Buffer.from(cosigned.split(" ")[2]!, "base64");
  const lineOf = (changed: Buffer): string => `\u2014 witness.example ${changed.toString("base64")}`;
  expect(cosignedAt(noteOf(lineOf(bytes)), witness.key)).toBe(at);
  const later = Buffer.from(bytes);
  later.writeBigUInt64BE(BigInt(at + 1), 4);
  expect(cosignedAt(noteOf(lineOf(later)), witness.key)).toBeUndefined();
  expect(cosignedAt(noteOf(lineOf(bytes.subarray(0, -1))), witness.key)).toBeUndefined();
  const elsewhere = cosignatureLine(witness.key, witness.privateKey, `${body}more\n`, at);
  expect(cosignedAt(noteOf(elsewhere), witness.key)).toBeUndefined();
  // What no number holds exactly is no second.
  const time = Buffer.alloc(8, 0xff);
  const message = Buffer.from(`cosignature/v1\ntime ${time.readBigUInt64BE()}\n${body}`);
  const endless = signatureLine(witness.key, Buffer.concat([time, sign(null, message, witness.privateKey)]));
  expect(cosignedAt(noteOf(endless), witness.key)).toBeUndefined();
});

test("what is no note is none, whatever else stands in it", () => {
  const good = log.line(body);
  expect(readNote(`${body}\n${good}\n`)?.signatures).toHaveLength(1);
  expect(readNote(`${body}\n${`${good}\n`.repeat(64)}`)?.signatures).toHaveLength(64);
  const encoded = good.split(" ")[2]!;
  for (const text of [
    body,
    `${body}\n${good}`,
    `${body}\n${good}\nno signature\n`,
    `${body}\n\u2014 log.example AAAA\n`,
    `${body}\n\u2014 log+example ${encoded}\n`,
    `${body}\n${good.replace(encoded, `${encoded}====`)}\n`,
    `${body}\t\n\n${good}\n`,
    `${body}\r\n\n${good}\n`,
    `${body}\n${`${good}\n`.repeat(65)}`,
    `${"x".repeat(65_536)}\n\n${good}\n`,
  ]) {
    expect([text.slice(0, 200), readNote(text)]).toEqual([text.slice(0, 200), undefined]);
  }
});

test("a key's line is read with the id that it has, and with no other", () => {
  for (const { key } of [log, witness]) {
    const text = verifierKeyText(key);
    expect(readVerifierKey(` ${text}\n`)).toEqual(key);
    const id = key.id.toString("hex");
    for (const wrong of [
      text.replace(id, id === "00000000" ? "00000001" : "00000000"),
      text.replace(key.name, `${key.name}x`),
      text.replace(/.{4}$/, ""),
      text.replace(/\+([0-9a-f]{8})\+.{4}/, "+$1+AAAA"),
    ]) {
      expect([wrong, readVerifierKey(wrong)]).toEqual([wrong, undefined]);
    }
  }
});
