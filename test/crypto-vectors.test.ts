import {
  argon2Sync,
  createCipheriv,
  createHmac,
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
import { isoCBOR, verifySignature } from "@simplewebauthn/server/helpers";
import { expect, test } from "vitest";
import { isEcdsaSignature } from "../src/credentials/ecdsa-signature.ts";
import { ordinaryCost, startHashPool } from "../src/credentials/hash-pool.ts";
import { decrypt, encrypt } from "../src/keyholder/aes-gcm.ts";
import { openText, passphraseSeal } from "../src/keyholder/key-seal.ts";
import { derived, macOf, signRsa } from "../src/keyholder/keys.ts";
import { silentLog } from "../src/kernel/log.ts";
import { systemRandom } from "../src/kernel/random.ts";
import { equalBytes, Secret } from "../src/kernel/secret.ts";
import { verifyEd25519 } from "../src/timeline/note.ts";

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

test("our AES-256-GCM opens what NIST sealed, seals it the same, and refuses what NIST changed", () => {
  let refused = 0;
  for (const [key, nonce, aad, ciphertext, tag, plaintext] of vectors["aes-256-gcm"]) {
    const keyObject = createSecretKey(hex(key));
    const opened = decrypt(keyObject, hex(nonce), hex(aad), hex(ciphertext), hex(tag));
    expect(opened?.toString("hex") ?? null).toBe(plaintext);
    if (plaintext === null) {
      refused++;
      continue;
    }
    const sealed = encrypt(keyObject, hex(nonce), hex(aad), hex(plaintext));
    expect(Buffer.concat(sealed).toString("hex")).toBe(ciphertext + tag);
  }
  expect(vectors["aes-256-gcm"].length).toBeGreaterThan(200);
  expect(refused).toBeGreaterThan(50);
});

test("a shorter tag is no tag", () => {
  const [key, nonce, aad, ciphertext, tag] = vectors["aes-256-gcm"][0] ?? ["", "", "", "", ""];
  const keyObject = createSecretKey(hex(key));
  const open = (length: number) =>
    decrypt(keyObject, hex(nonce), hex(aad), hex(ciphertext), hex(tag).subarray(0, length));
  expect(open(16)).not.toBeNull();
  for (const length of [0, 4, 8, 12, 15]) expect(open(length)).toBeNull();
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

test("a passphrase gives the key that seals the file of keys by Argon2id as well", async () => {
  const seal = passphraseSeal({ random: systemRandom }, Secret.fromText("seven lanterns over the harbour"));
  const sealed = await seal.seal("keys");
  const { salt, memoryKib, passes } = sealed.key;
  const expected = argon2Sync("argon2id", {
    message: "seven lanterns over the harbour",
    nonce: Buffer.from(String(salt), "base64"),
    parallelism: 1,
    memory: Number(memoryKib),
    passes: Number(passes),
    tagLength: 32,
  });
  expect(openText(sealed, createSecretKey(expected))).toBe("keys");
});

test("AES-256-CTR, by which a Return-Path hides its account, is that of NIST SP 800-38A, F.5.5", () => {
  const key = hex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4");
  const cipher = createCipheriv("aes-256-ctr", key, hex("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"));
  const plaintext = hex(
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710",
  );
  expect(cipher.update(plaintext).toString("hex")).toBe(
    "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c52b0930daa23de94ce87017ba2d84988ddfc9c58db67aada613c2dd08457941a6",
  );
});

interface Case {
  readonly tcId: number;
  readonly result: "valid" | "invalid" | "acceptable";
  readonly [field: string]: unknown;
}
type Group = Readonly<Record<string, unknown>> & { readonly tests: readonly Case[] };
type Holds = (test: (field: string) => Buffer, group: Group, whole: Case) => boolean | Promise<boolean>;

/** Wycheproof's sets, cut down to what is used here: `vectors/README.md`. */
const wycheproof = JSON.parse(readFileSync(join(import.meta.dirname, "vectors/wycheproof.json"), "utf8")) as Readonly<
  Record<string, { readonly testGroups: readonly Group[] }>
>;

/**
 * Puts each test of a set to `holds`. @returns how many were valid and invalid, which of them went another way than they
 * must, and of those that are neither, being good in a way that not everybody takes, which ones we take and which not.
 */
async function judge(file: string, holds: Holds) {
  const counts = { valid: 0, invalid: 0, acceptable: 0 };
  const [wrong, taken]: [number[], number[]] = [[], []];
  for (const group of wycheproof[file]?.testGroups ?? []) {
    for (const one of group.tests) {
      counts[one.result]++;
      const isTaken = await holds((field) => hex(String(one[field])), group, one);
      if (one.result === "acceptable" && isTaken) taken.push(one.tcId);
      if (one.result !== "acceptable" && isTaken !== (one.result === "valid")) wrong.push(one.tcId);
    }
  }
  return { ...counts, wrong, taken };
}

test("Wycheproof: AES-256-GCM", async () => {
  const ours = await judge("aes_gcm_test.json", (field, { ivSize }, { result }) => {
    const key = createSecretKey(field("key"));
    const [nonce, aad, ciphertext, tag] = [field("iv"), field("aad"), field("ct"), field("tag")];
    const opened = decrypt(key, nonce, aad, ciphertext, tag);
    // A nonce of another length is good for others, and never ours.
    if (ivSize !== 96) return opened === null ? result === "valid" : result !== "valid";
    if (opened === null || !opened.equals(field("msg"))) return false;
    return Buffer.concat(encrypt(key, nonce, aad, opened)).equals(Buffer.concat([ciphertext, tag]));
  });
  expect(ours).toEqual({ valid: 46, invalid: 29, acceptable: 10, wrong: [], taken: [] });
});

test("Wycheproof: HMAC-SHA-256, and HMAC-SHA-1, which codes of apps are made of", async () => {
  expect(
    await judge("hmac_sha256_test.json", (field) =>
      equalBytes(macOf(createSecretKey(field("key")), field("msg")), field("tag")),
    ),
  ).toEqual({ valid: 33, invalid: 54, acceptable: 0, wrong: [], taken: [] });
  expect(
    await judge("hmac_sha1_test.json", (field) =>
      equalBytes(
        createHmac("sha1", createSecretKey(field("key")))
          .update(field("msg"))
          .digest(),
        field("tag"),
      ),
    ),
  ).toEqual({ valid: 33, invalid: 54, acceptable: 0, wrong: [], taken: [] });
});

test("Wycheproof: HKDF-SHA-256 without salt, of which we take 32 bytes", async () => {
  const ours = await judge("hkdf_sha256_test.json", (field, _group, { size }) => {
    const least = Math.min(32, Number(size));
    return derived(field("ikm"), field("info")).subarray(0, least).equals(field("okm").subarray(0, least));
  });
  expect(ours).toEqual({ valid: 22, invalid: 0, acceptable: 0, wrong: [], taken: [] });
});

/** A passkey's signature, as it is checked: by what `verifyAuthenticationResponse` calls, with a key as an authenticator gives it. */
async function isPasskeySignature(
  key: ReadonlyMap<number, number | Uint8Array>,
  field: (name: string) => Buffer,
): Promise<boolean> {
  const [signature, data] = [new Uint8Array(field("sig")), new Uint8Array(field("msg"))];
  try {
    return await verifySignature({ signature, data, credentialPublicKey: isoCBOR.encode(new Map(key)) });
  } catch {
    return false;
  }
}

/** A field of a group as COSE has it: bytes, without a sign. */
const bytesOf = (group: Group, name: string): Uint8Array =>
  new Uint8Array(hex(String(group[name]).replace(/^(00)+(?=..)/, "")));

test("Wycheproof: Ed25519, of checkpoints and cosignatures, and of passkeys", async () => {
  const all = { valid: 84, invalid: 61, acceptable: 0, wrong: [], taken: [] };
  expect(
    await judge("eddsa_test.json", (field, { pk }) => verifyEd25519(hex(String(pk)), field("msg"), field("sig"))),
  ).toEqual(all);
  expect(
    await judge("eddsa_test.json", (field, { pk }) =>
      isPasskeySignature(
        new Map<number, number | Uint8Array>([
          [1, 1],
          [3, -8],
          [-1, 6],
          [-2, new Uint8Array(hex(String(pk)))],
        ]),
        field,
      ),
    ),
  ).toEqual(all);
});

test("Wycheproof: ECDSA over P-256 with SHA-256, of passkeys, in its one spelling", async () => {
  let spelled = 0;
  const ours = await judge("ecdsa_secp256r1_sha256_test.json", async (field, { uncompressed }) => {
    const point = new Uint8Array(hex(String(uncompressed)));
    const key = new Map<number, number | Uint8Array>([
      [1, 2],
      [3, -7],
      [-1, 1],
      [-2, point.subarray(1, 33)],
      [-3, point.subarray(33)],
    ]);
    const isSigned = await isPasskeySignature(key, field);
    if (isSigned && !isEcdsaSignature(field("sig"))) spelled++;
    return isSigned && isEcdsaSignature(field("sig"));
  });
  // The one that may be taken has a negative number, as an old program once wrote it; we do not.
  expect(ours).toEqual({ valid: 147, invalid: 239, acceptable: 1, wrong: [], taken: [] });
  // What the library would take, and Wycheproof and Web Authentication section 6.5.5 do not.
  expect(spelled).toBe(18);
});

test("Wycheproof: RSA with PKCS#1 v1.5 and SHA-256, of passkeys, and as we sign for DKIM and for tokens", async () => {
  const ours = await judge("rsa_signature_2048_sha256_test.json", (field, group) =>
    isPasskeySignature(
      new Map<number, number | Uint8Array>([
        [1, 3],
        [3, -257],
        [-1, bytesOf(group, "n")],
        [-2, bytesOf(group, "e")],
      ]),
      field,
    ),
  );
  // Of those that may be taken, two have the public exponent 3: an authenticator's key is its owner's to make. The third
  // leaves out the NULL of RFC 8017 section 9.2 and is refused.
  expect(ours).toEqual({ valid: 7, invalid: 230, acceptable: 3, wrong: [], taken: [239, 240] });
  const made = await judge("rsa_sig_gen_misc_test.json", async (field, { privateKeyPkcs8 }) => {
    const key = createPrivateKey({ key: hex(String(privateKeyPkcs8)), format: "der", type: "pkcs8" });
    return (await signRsa(key, field("msg"))).equals(field("sig"));
  });
  expect(made).toEqual({ valid: 16, invalid: 0, acceptable: 0, wrong: [], taken: [] });
});
