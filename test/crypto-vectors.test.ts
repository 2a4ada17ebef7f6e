import {
  argon2Sync,
  createDecipheriv,
  createCipheriv,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  createVerify,
  hash,
  randomBytes,
  sign,
  verify,
} from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ordinaryCost, startHashPool } from "../src/credentials/hash-pool.ts";
import { macOf } from "../src/keyholder/keys.ts";
import { silentLog } from "../src/kernel/log.ts";
import { Secret } from "../src/kernel/secret.ts";

/**
 * The primitives that everything stands on, as this Node and these packages have them, against published vectors: good
 * ones give what was published, bad ones are refused. `vectors/published.json` says where each comes from.
 */
const vectors = JSON.parse(readFileSync(join(import.meta.dirname, "vectors/published.json"), "utf8")) as {
  readonly "aes-256-gcm": readonly (readonly [string, string, string, string, string, string | null])[];
  readonly "hmac-sha-256": readonly (readonly [string, string, string])[];
  readonly ed25519: readonly (readonly [string, string, string, string])[];
  readonly "rsa-pkcs1-sha256": readonly (readonly [string, string, string, string, boolean])[];
};
const hex = (text: string): Buffer => Buffer.from(text, "hex");
const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const base64url = (text: string): string => hex(text.length % 2 === 0 ? text : `0${text}`).toString("base64url");

test("AES-256-GCM opens what NIST sealed, seals it the same, and refuses what NIST changed", () => {
  let refused = 0;
  for (const [key, nonce, aad, ciphertext, tag, plaintext] of vectors["aes-256-gcm"]) {
    const decipher = createDecipheriv("aes-256-gcm", hex(key), hex(nonce), { authTagLength: 16 });
    decipher.setAAD(hex(aad)).setAuthTag(hex(tag));
    const opened = decipher.update(hex(ciphertext));
    if (plaintext === null) {
      expect(() => decipher.final()).toThrow();
      refused++;
      continue;
    }
    decipher.final();
    expect(opened.toString("hex")).toBe(plaintext);
    const cipher = createCipheriv("aes-256-gcm", hex(key), hex(nonce), { authTagLength: 16 });
    cipher.setAAD(hex(aad));
    expect(Buffer.concat([cipher.update(hex(plaintext)), cipher.final()]).toString("hex")).toBe(ciphertext);
    expect(cipher.getAuthTag().toString("hex")).toBe(tag);
  }
  expect(vectors["aes-256-gcm"].length).toBeGreaterThan(200);
  expect(refused).toBeGreaterThan(50);
});

test("a shorter tag is no tag", () => {
  const [key, nonce, , , tag] = vectors["aes-256-gcm"][0] ?? ["", "", "", "", ""];
  const decipher = createDecipheriv("aes-256-gcm", hex(key), hex(nonce), { authTagLength: 16 });
  for (const length of [0, 4, 8, 12, 15]) expect(() => decipher.setAuthTag(hex(tag).subarray(0, length))).toThrow();
});

test("our HMAC-SHA-256 is that of RFC 4231", () => {
  for (const [key, message, mac] of vectors["hmac-sha-256"]) {
    expect(macOf(createSecretKey(hex(key)), hex(message)).toString("hex")).toBe(mac);
  }
  expect(vectors["hmac-sha-256"].length).toBeGreaterThan(5);
});

test("SHA-256 is that of FIPS 180-4, and SHA-1, by which breached passwords are looked up, too", () => {
  // The examples of NIST for one block and for two.
  const two = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
  expect(hash("sha256", "abc")).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  expect(hash("sha256", two)).toBe("248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  expect(hash("sha1", "abc")).toBe("a9993e364706816aba3e25717850c26c9cd0d89d");
});

test("Ed25519 signs as RFC 8032 has it, from a seed as our keys keep it, and verifies by public key alone", () => {
  const head = hex("302e020100300506032b657004220420");
  for (const [seed, publicKey, message, signature] of vectors.ed25519) {
    const key = createPrivateKey({ key: Buffer.concat([head, hex(seed)]), format: "der", type: "pkcs8" });
    expect(sign(null, hex(message), key).toString("hex")).toBe(signature);
    const known = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: base64url(publicKey) }, format: "jwk" });
    expect(verify(null, hex(message), known, hex(signature))).toBe(true);
    const other = Buffer.concat([hex(message), Buffer.of(0)]);
    expect(verify(null, other, known, hex(signature))).toBe(false);
    expect(verify(null, hex(message), known, hex(signature).subarray(0, 63))).toBe(false);
    // S + L is the same signature to a careless verifier (RFC 8032 section 5.1.7).
    expect(verify(null, hex(message), known, plusOrder(hex(signature)))).toBe(false);
  }
  expect(vectors.ed25519.length).toBeGreaterThan(50);
});

/** The signature with the group's order added to its second half: malleable, and to be refused. */
function plusOrder(signature: Buffer): Buffer {
  const order = 2n ** 252n + 27742317777372353535851937790883648493n;
  const s = BigInt(`0x${hexOf(signature.subarray(32).toReversed())}`) + order;
  return Buffer.concat([signature.subarray(0, 32), hex(s.toString(16).padStart(64, "0")).subarray(-32).toReversed()]);
}

test("RSA with PKCS#1 v1.5 and SHA-256, as DKIM has it, accepts what NIST signed and refuses what NIST spoilt", () => {
  let refused = 0;
  for (const [modulus, exponent, message, signature, isGood] of vectors["rsa-pkcs1-sha256"]) {
    const key = createPublicKey({
      key: { kty: "RSA", n: base64url(modulus), e: base64url(exponent.replace(/^(00)+(?=.)/, "")) },
      format: "jwk",
    });
    expect(createVerify("RSA-SHA256").update(hex(message)).verify(key, hex(signature))).toBe(isGood);
    if (!isGood) refused++;
  }
  expect(refused).toBeGreaterThan(3);
});

test("Argon2id: Node's is that of RFC 9106 section 5.3, and ours is Node's, at the cost that passwords have", async () => {
  const published = argon2Sync("argon2id", {
    message: Buffer.alloc(32, 1),
    nonce: Buffer.alloc(16, 2),
    secret: Buffer.alloc(8, 3),
    associatedData: Buffer.alloc(12, 4),
    parallelism: 4,
    memory: 32,
    passes: 3,
    tagLength: 32,
  });
  expect(published.toString("hex")).toBe("0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659");
  const pool = startHashPool({ threads: 1, log: silentLog });
  try {
    for (const text of ["seven lanterns over the harbour", "é", "", "x".repeat(1_024)]) {
      const salt = randomBytes(16);
      const { memoryKib, passes } = ordinaryCost;
      const expected = argon2Sync("argon2id", {
        message: Buffer.from(text),
        nonce: salt,
        parallelism: 1,
        memory: memoryKib,
        passes,
        tagLength: 32,
      });
      const tag = await pool.hash("sign-in", Secret.fromText(text), salt, ordinaryCost);
      expect(hexOf(tag.reveal())).toBe(hexOf(expected));
    }
  } finally {
    await pool.close();
  }
  expect(pool.cost).toBe(ordinaryCost);
  // OWASP's least: 19 MiB and two passes.
  expect(ordinaryCost).toMatchObject({ memoryKib: 19 * 1_024, passes: 2 });
});
