import { createHash, createPublicKey, generateKeyPairSync, sign, verify } from "node:crypto";
import { expect, test } from "vitest";
import { verifyBySigstore } from "../../test/sigstore.ts";
import { checkpointBody, signedNote } from "./checkpoint.ts";
import {
  cosignatureLine,
  cosignedAt,
  isSignedBy,
  readNote,
  readVerifierKey,
  signatureTypes,
  verifierKey,
  verifierKeyText,
} from "./note.ts";
import { readTlogProof, writeTlogProof } from "./tlog-proof.ts";
import { emptyFrontier, grow, hashLeaf, hashNode, proofRanges, rootOf, subtreesOf } from "./tree.ts";

/** Code and vectors that are not ours: what they take is what outsiders take. */

const { publicKey, privateKey } = generateKeyPairSync("ed25519");
const raw = Buffer.from(publicKey.export({ format: "jwk" }).x!, "base64url");
const origin = "houselights/timeline/0198a9a0-0000-7000-8000-000000000000";

function proofOf(index: number, size: number): string {
  const bodies = Array.from({ length: size }, (_, i) => Buffer.from(`{"n":${i}}`));
  const leaves = bodies.map(hashLeaf);
  const root = rootOf(grow(emptyFrontier, leaves));
  const subtree = (level: number, place: number): Buffer =>
    level === 0 ? leaves[place]! : hashNode(subtree(level - 1, place * 2), subtree(level - 1, place * 2 + 1));
  const hashes = proofRanges(index, size).map(({ start, end }) =>
    subtreesOf(start, end)
      .map(({ level, place }) => subtree(level, place))
      .reduceRight((right, left) => hashNode(left, right)),
  );
  const body = checkpointBody(origin, size, root);
  const checkpoint = signedNote(body, origin, raw, sign(null, Buffer.from(body), privateKey));
  return writeTlogProof({ index, hashes, checkpoint, entry: bodies[index]! });
}

test("Sigstore's verifier takes every proof of ours, and none with a changed byte", () => {
  for (const size of [1, 2, 3, 7, 8, 255, 256, 257, 300]) {
    for (const index of new Set([0, Math.floor(size / 2), size - 1])) {
      const proof = proofOf(index, size);
      expect(() => verifyBySigstore(proof, origin, raw), `${index} of ${size}`).not.toThrow();
      const { entry } = readTlogProof(proof)!;
      const other = proof.replace(entry.toString("base64"), Buffer.from(`{"n":-1}`).toString("base64"));
      expect(() => verifyBySigstore(other, origin, raw)).toThrow("calculated root hash");
    }
  }
  const proof = proofOf(5, 300);
  expect(() => verifyBySigstore(proof.replace("\n300\n", "\n301\n"), origin, raw)).toThrow("signature");
  expect(() => verifyBySigstore(proof.replace("index 5", "index 6"), origin, raw)).toThrow("calculated root hash");
});

test("a note of golang.org/x/mod/sumdb/note is read and verified, and not with one byte changed", () => {
  const key = readVerifierKey("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")!;
  const text =
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n" +
    "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
  expect(isSignedBy(readNote(text)!, [key])).toBe(true);
  expect(isSignedBy(readNote(text.replace("answer", "Answer"))!, [key])).toBe(false);
  expect(verifierKeyText(key)).toBe("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW");
});

// Of the tests of github.com/transparency-dev/formats: the key of a public witness, and a cosignature's time.
test("a public witness's key is read with its id, and the time stands where others find it", () => {
  const remora = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2";
  expect(verifierKeyText(readVerifierKey(remora)!)).toBe(remora);
  expect(readVerifierKey(remora.replace("da77ade7", "da77ade8"))).toBeUndefined();
  const cosignature = Buffer.from(
    "ZGhGuQAAAABm/qTPeyKXD+R2rzyQsxPiP8mXum7qq/iF0u4vanlqJyocWODBt97w9uL+8qT7S5gxEHWWOworDcFiEBYJXORmnFBOBA==",
    "base64",
  );
  expect(cosignature.readBigUInt64BE(4)).toBe(1_727_964_367n);
});

test("a cosignature is made and read as its specification words it", () => {
  const body = checkpointBody(origin, 20_852_163, Buffer.alloc(32, 7));
  const key = verifierKey("witness.example/w1", raw, signatureTypes.cosignature);
  const made = cosignatureLine(key, privateKey, body, 1_679_315_147);
  // C2SP tlog-cosignature, "Format" and "Ed25519 signed message", put together by hand.
  const blob = Buffer.from(made.split(" ")[2]!, "base64");
  const id = createHash("sha256").update("witness.example/w1\n").update(Uint8Array.of(4)).update(raw).digest();
  expect(blob.subarray(0, 4)).toEqual(id.subarray(0, 4));
  expect(blob.readBigUInt64BE(4)).toBe(1_679_315_147n);
  const message = Buffer.from(`cosignature/v1\ntime 1679315147\n${body}`);
  expect(verify(null, message, createPublicKey(privateKey), blob.subarray(12))).toBe(true);

  const note = readNote(`${body}\n${made}\n`)!;
  expect(cosignedAt(note, key)).toBe(1_679_315_147);
  expect(cosignedAt(note, verifierKey("another", raw, signatureTypes.cosignature))).toBeUndefined();
  expect(cosignedAt(note, verifierKey("witness.example/w1", raw))).toBeUndefined();
  blob[11] = blob[11]! ^ 1;
  expect(cosignedAt(readNote(`${body}\n\u2014 ${key.name} ${blob.toString("base64")}\n`)!, key)).toBeUndefined();
});
