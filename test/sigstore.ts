import { createHash, createPublicKey } from "node:crypto";
import { verifyCheckpoint } from "@sigstore/verify/dist/tlog/checkpoint.js";
import { verifyMerkleInclusion } from "@sigstore/verify/dist/tlog/merkle.js";

/**
 * Reads a proof (C2SP tlog-proof) as Sigstore's own verifier reads one of its log, which has the same hashes, checkpoint and note.
 * Throws unless it leads to a checkpoint that the log of this name signed with this key (Ed25519, 32 bytes).
 */
export function verifyBySigstore(text: string, origin: string, raw: Uint8Array): void {
  const [head = "", ...rest] = text.split("\n\n");
  const [, extra = "", index = "", ...hashes] = head.split("\n");
  const entry = {
    canonicalizedBody: Buffer.from(extra.slice("extra ".length), "base64"),
    inclusionProof: {
      logIndex: index.slice("index ".length),
      hashes: hashes.map((hash) => Buffer.from(hash, "base64")),
      checkpoint: { envelope: rest.join("\n\n") },
    },
  } as unknown as Parameters<typeof verifyCheckpoint>[0];
  const key = { kty: "OKP", crv: "Ed25519", x: Buffer.from(raw).toString("base64url") };
  const keyId = createHash("sha256").update(`${origin}\n`).update(Uint8Array.of(1)).update(raw).digest();
  const log = { logID: keyId, publicKey: createPublicKey({ key, format: "jwk" }), baseURL: origin, validFor: {} };
  const logs = [log] as unknown as Parameters<typeof verifyCheckpoint>[1];
  verifyMerkleInclusion(entry as Parameters<typeof verifyMerkleInclusion>[0], verifyCheckpoint(entry, logs));
}
