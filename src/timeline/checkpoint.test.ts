import { generateKeyPairSync, sign } from "node:crypto";
import { expect, test } from "vitest";
import { checkpointBody, readCheckpoint, signedNote } from "./checkpoint.ts";
import { noteKeyId, verifyEd25519 } from "./note.ts";

function newKey() {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const raw = Buffer.from(publicKey.export({ format: "jwk" }).x!, "base64url");
  return { raw, sign: (text: string) => sign(null, Buffer.from(text), privateKey) };
}

const origin = "houselights/timeline/0198a9a0-0000-7000-8000-000000000000";
const root = Buffer.alloc(32, 7);

// The key of golang.org/x/mod/sumdb/note's example, "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW".
test("the key id is the one that the signed-note format publishes for a known key", () => {
  const key = Buffer.from("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", "base64").subarray(1);
  expect(noteKeyId("PeterNeumann", key).toString("hex")).toBe("c74f20a3");
});

test("a signed checkpoint reads back, beside the signature of a cosigner too", () => {
  const key = newKey();
  const body = checkpointBody(origin, 12, root);
  const note = signedNote(body, origin, key.raw, key.sign(body));
  expect(readCheckpoint(note, origin, [newKey().raw, key.raw])).toEqual({ size: 12, root });
  const cosigned = `${note}\u2014 witness.example ${Buffer.alloc(68).toString("base64")}\n`;
  expect(readCheckpoint(cosigned, origin, [key.raw])).toEqual({ size: 12, root });
});

test("a checkpoint is refused under another key, another name, or with any byte changed", () => {
  const key = newKey();
  const body = checkpointBody(origin, 12, root);
  const note = signedNote(body, origin, key.raw, key.sign(body));
  expect(readCheckpoint(note, origin, [key.raw])).toBeDefined();
  expect(readCheckpoint(note, origin, [newKey().raw])).toBeUndefined();
  expect(readCheckpoint(note, `${origin}x`, [key.raw])).toBeUndefined();
  // Signed with our key under our name, and a checkpoint of another log.
  const others = checkpointBody(`${origin}x`, 12, root);
  expect(readCheckpoint(signedNote(others, origin, key.raw, key.sign(others)), origin, [key.raw])).toBeUndefined();
  for (let i = 0; i < note.length; i++) {
    const changed = note.slice(0, i) + String.fromCharCode(note.charCodeAt(i) ^ 1) + note.slice(i + 1);
    expect(readCheckpoint(changed, origin, [key.raw]), `byte ${i}`).toBeUndefined();
  }
});

test("a key or signature of the wrong length is refused, not thrown", () => {
  expect(verifyEd25519(Buffer.alloc(31), Buffer.from("x"), Buffer.alloc(64))).toBe(false);
  expect(verifyEd25519(Buffer.alloc(32), Buffer.from("x"), Buffer.alloc(63))).toBe(false);
});
