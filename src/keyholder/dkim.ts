import { createHash, createPublicKey, sign } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { promisify } from "node:util";
import { Fault } from "../kernel/fault.ts";
import { base64, type ArgumentReader } from "./arguments.ts";
import { derived, ed25519KeyOf, rawPublicKey, ringOf, signRsa, versionOf } from "./keys.ts";
import type { Keys } from "./keys.ts";
import { packBytes, unpackBytes } from "./rewrap.ts";

/** Letters that one `dkimSign` takes: 100 RSA signatures are 25 ms of one core. */
export const maxDkimSigned = 100;
/** Header fields of one letter, in the form that is signed. */
const maxHeaderBytes = 16 * 1024;

type Handler = (args: ArgumentReader) => Promise<string | object>;

/**
 * RFC 8463 section 3: what PureEdDSA signs is the SHA-256 of the message. On a thread of libuv's pool, as RSA is, so that
 * thousands of signatures do not stand before one password.
 */
const signEd25519 = (key: KeyObject, message: Uint8Array): Promise<Buffer> =>
  promisify(sign)(null, createHash("sha256").update(message).digest(), key);

/**
 * What is signed ends with the signature's own field, without its value (RFC 6376 section 3.7): these keys sign letters,
 * and nothing else that anybody might pass in.
 */
const endsAsDkim = /(?:^|\r\n)dkim-signature:v=1;[^\r\n]* b=$/;

/**
 * One version of the key is two: RSA-2048 (RFC 8301), and Ed25519 (RFC 8463) whose seed is derived from it (RFC 5869), so
 * that both are made, published, changed and retired as one.
 */
const derivedEd25519 = (rsa: KeyObject): KeyObject => {
  const der = rsa.export({ type: "pkcs8", format: "der" });
  return ed25519KeyOf(derived(der, "houselights dkim ed25519 1"));
};

/** The operations on DKIM's keys, which never leave the process. */
export function dkimHandlers({
  keysWithDkim,
}: {
  readonly keysWithDkim: () => Promise<Keys>;
}): Readonly<Record<"dkimSign" | "dkimPublicKeys", Handler>> {
  const kept = new WeakMap<KeyObject, KeyObject>();
  function ed25519Of(rsa: KeyObject): KeyObject {
    const key = kept.get(rsa) ?? derivedEd25519(rsa);
    kept.set(rsa, key);
    return key;
  }

  return {
    dkimSign: async (args) => {
      const version = args.count("version");
      const messages = unpackBytes(args.bytes("messages", 0, 2 * maxDkimSigned * (maxHeaderBytes + 4)));
      args.end();
      if (messages === undefined || messages.length % 2 !== 0 || messages.length > 2 * maxDkimSigned) {
        throw new Fault("KEYHOLDER_REFUSED", `dkimSign: messages must be two for each of ${maxDkimSigned} letters`);
      }
      if (messages.some((message) => message.length > maxHeaderBytes || !endsAsDkim.test(message.toString("latin1")))) {
        throw new Fault("KEYHOLDER_REFUSED", "dkimSign: a message must be the header of a letter, none too long");
      }
      const rsa = versionOf(await keysWithDkim(), "dkim")(version);
      if (rsa === undefined) throw new Fault("KEYHOLDER_REFUSED", "dkimSign: there is no such version");
      const ed25519 = ed25519Of(rsa);
      const signatures = await Promise.all(
        messages.map((message, index) => (index % 2 === 0 ? signRsa(rsa, message) : signEd25519(ed25519, message))),
      );
      return base64(packBytes(signatures));
    },

    dkimPublicKeys: async (args) => {
      args.end();
      const { newest, versions } = ringOf(await keysWithDkim(), "dkim");
      return [...versions]
        .toSorted(([one], [other]) => one - other)
        .map(([version, { key }]) => ({
          version,
          inUse: version === newest,
          publicKey: base64(createPublicKey(key).export({ type: "spki", format: "der" })),
          ed25519PublicKey: base64(rawPublicKey(ed25519Of(key))),
        }));
    },
  };
}
