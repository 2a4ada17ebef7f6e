import { messageOf, Fault } from "../kernel/fault.ts";
import { every, minuteMs, type EpochMs } from "../kernel/clock.ts";
import type { DkimForms, Keyholder } from "../keyholder/keyholder.ts";
import { relaxedField, type Encoded } from "./compose.ts";

/**
 * Where DNS holds the public key of a version: `houselights._domainkey.DOMAIN` for RSA and
 * `houselights-ed25519._domainkey.DOMAIN` for Ed25519; `houselights2…` for version 2.
 */
export const dkimSelector = (version: number, algorithm: "rsa" | "ed25519" = "rsa"): string =>
  `houselights${version === 1 ? "" : version}${algorithm === "rsa" ? "" : "-ed25519"}`;

/** How long letters may still be signed with a key after another one has been taken into use. */
const versionKnownMs = minuteMs;
/** What one call signs; the keyholder takes no more. */
const mostInCall = 100;

/** Signs letters for one domain. */
export interface DkimSigner {
  /**
   * Two `DKIM-Signature` fields (RFC 6376, rsa-sha256; RFC 8463, ed25519-sha256), each with its CRLF, for a letter of
   * these words with these fields of its own. Letters of one turn of the event loop are signed in one call for each
   * hundred. Throws KEYHOLDER_UNAVAILABLE.
   */
  sign(encoded: Encoded, ownFields: readonly string[], now: EpochMs): Promise<string>;
  stop(): Promise<void>;
}

interface Waiting {
  /** Written in what is signed. */
  readonly version: number;
  readonly forms: DkimForms;
  readonly resolve: (signatures: DkimForms) => void;
  readonly reject: (thrown: unknown) => void;
}

/** Fields that stand once and must not be added to: they are named once more than they stand (RFC 6376 section 8.15). */
const sealedFields = ["from", "to", "subject", "date", "message-id"];

/** Throws KEYHOLDER_UNAVAILABLE when the keyholder does not say which key is in use. */
export async function openDkimSigner(
  keyholder: Pick<Keyholder, "dkimSign" | "dkimPublicKeys">,
  domain: string,
): Promise<DkimSigner> {
  const versionInUse = async (): Promise<number> => {
    const found = (await keyholder.dkimPublicKeys()).find(({ inUse }) => inUse);
    if (found === undefined) throw new Fault("IMPOSSIBLE", "no DKIM key is in use");
    return found.version;
  };
  let version = await versionInUse();
  const asking = every(versionKnownMs, async () => {
    // With the key process away the version that was known goes on.
    version = await versionInUse().catch(() => version);
  });
  let waiting: Waiting[] = [];
  const known = new WeakMap<Encoded, { readonly names: string; readonly head: string }>();

  /** What letters of the same words share of what is signed. */
  function sharedOf(encoded: Encoded): { readonly names: string; readonly head: string } {
    const shared = known.get(encoded) ?? {
      names: encoded.relaxed.map(({ name }) => `${name}:`).join(""),
      head: encoded.relaxed.map(({ line }) => `${line}\r\n`).join(""),
    };
    known.set(encoded, shared);
    return shared;
  }

  async function signTogether(asked: number, batch: readonly Waiting[]): Promise<void> {
    try {
      const signatures = await keyholder.dkimSign(
        asked,
        batch.map(({ forms }) => forms),
      );
      for (const [index, { resolve, reject }] of batch.entries()) {
        const found = signatures[index];
        if (found === undefined) reject(new Fault("KEYHOLDER_UNAVAILABLE", "a letter was left unsigned"));
        else resolve(found);
      }
    } catch (thrown) {
      for (const { reject } of batch) reject(thrown);
    }
  }

  function signWaiting(): void {
    const all = waiting;
    waiting = [];
    for (const asked of new Set(all.map((one) => one.version))) {
      const same = all.filter((one) => one.version === asked);
      for (let from = 0; from < same.length; from += mostInCall) {
        void signTogether(asked, same.slice(from, from + mostInCall));
      }
    }
  }

  return {
    sign: async (encoded, ownFields, now) => {
      const own = ownFields.map((field) => ({
        name: field.slice(0, field.indexOf(":")).toLowerCase(),
        line: relaxedField(field),
      }));
      const shared = sharedOf(encoded);
      const names = `${shared.names}${own.map(({ name }) => name).join(":")}:${sealedFields.join(":")}`;
      const head = `${shared.head}${own.map(({ line }) => `${line}\r\n`).join("")}`;
      const used = version;
      const tags = (algorithm: "rsa" | "ed25519"): readonly string[] => [
        `v=1; a=${algorithm}-sha256; c=relaxed/relaxed; d=${domain}; s=${dkimSelector(used, algorithm)}; t=${Math.floor(now / 1_000)};`,
        `h=${names};`,
        `bh=${encoded.bodyHash};`,
        "b=",
      ];
      const [rsa, ed25519] = [tags("rsa"), tags("ed25519")];
      const form = (lines: readonly string[]): Buffer => Buffer.from(`${head}dkim-signature:${lines.join(" ")}`);
      const forms = { rsa: form(rsa), ed25519: form(ed25519) };
      const signatures = await new Promise<DkimForms>((resolve, reject) => {
        if (waiting.length === 0) setImmediate(signWaiting);
        waiting.push({ version: used, forms, resolve, reject });
      });
      const field = (lines: readonly string[], signature: Uint8Array): string =>
        `DKIM-Signature: ${lines.join("\r\n ")}${folded(signature)}\r\n`;
      return field(rsa, signatures.rsa) + field(ed25519, signatures.ed25519);
    },
    stop: () => asking.stop(),
  };
}

/** base64 in lines of 72 characters, which a verifier puts together again. */
const folded = (signature: Uint8Array): string =>
  (
    Buffer.from(signature)
      .toString("base64")
      .match(/.{1,72}/g) ?? []
  ).join("\r\n ");

/** Why a letter was not signed, for its outcome. */
export const notSigned = (thrown: unknown): string => `not sent: it could not be signed: ${messageOf(thrown)}`;
