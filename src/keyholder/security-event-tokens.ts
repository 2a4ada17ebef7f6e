import { createHash, createPublicKey, type KeyObject } from "node:crypto";
import { Fault } from "../kernel/fault.ts";
import { limits, type ArgumentReader } from "./arguments.ts";
import { isRecord } from "./durable-file.ts";
import type { SetKey } from "./keyholder.ts";
import { newestKey, ringOf, signRsa, type Keys } from "./keys.ts";

/** SETs that one call signs. */
const maxSets = 100;

const base64url = (bytes: Uint8Array | string): string => Buffer.from(bytes).toString("base64url");

/** The public half as a JSON Web Key, with its RFC 7638 thumbprint as its id. */
function setKeyOf(key: KeyObject): SetKey {
  const { n = "", e = "" } = createPublicKey(key).export({ format: "jwk" });
  // RFC 7638 section 3.2: the required members in lexicographic order, without white space.
  const thumbprint = createHash("sha256")
    .update(JSON.stringify({ e, kty: "RSA", n }))
    .digest("base64url");
  return { kid: thumbprint, n, e };
}

/** Whether the text is the claims of a SET with one event (RFC 8417 section 2.2; SSF 1.0 sections 4.1.6 to 4.1.9). */
function areClaims(text: string): boolean {
  let claims: unknown;
  try {
    claims = JSON.parse(text);
  } catch {
    return false;
  }
  if (!isRecord(claims) || !isRecord(claims["events"]) || !isRecord(claims["sub_id"])) return false;
  return (
    typeof claims["iss"] === "string" &&
    typeof claims["jti"] === "string" &&
    typeof claims["iat"] === "number" &&
    typeof claims["aud"] === "string" &&
    Object.keys(claims["events"]).length === 1 &&
    !("sub" in claims) &&
    !("exp" in claims)
  );
}

/**
 * Signs Security Event Tokens and tells the public halves of what they are signed with.
 */
export function setHandlers(keysWithSignal: () => Promise<Keys>) {
  async function signSets(args: ArgumentReader): Promise<string[]> {
    const texts = args.list("sets", maxSets, (set) => set.bytes("claims", ...limits.claims).toString("utf8"));
    args.end();
    if (!texts.every(areClaims)) throw new Fault("KEYHOLDER_REFUSED", "signSets: not the claims of a SET");
    const { key } = newestKey(await keysWithSignal(), "signal");
    const header = base64url(JSON.stringify({ alg: "RS256", typ: "secevent+jwt", kid: setKeyOf(key).kid }));
    return Promise.all(
      texts.map(async (text) => {
        const signed = `${header}.${base64url(text)}`;
        return `${signed}.${base64url(await signRsa(key, Buffer.from(signed)))}`;
      }),
    );
  }

  async function setKeys(args: ArgumentReader): Promise<SetKey[]> {
    args.end();
    const { versions } = ringOf(await keysWithSignal(), "signal");
    return [...versions].toSorted(([one], [other]) => other - one).map(([, { key }]) => setKeyOf(key));
  }

  return { signSets, setKeys };
}
