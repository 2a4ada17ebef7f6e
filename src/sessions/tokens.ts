import { idBytes, idOfBytes, type AccountId, type SessionId } from "../kernel/brand.ts";
import { Secret } from "../kernel/secret.ts";

/** A token as its holder presents it, taken apart: where the row is, and what must match it. */
export interface Token {
  readonly accountId: AccountId;
  readonly sessionId: SessionId;
  readonly secret: Secret;
}

const idLength = 16;
/** 86 letters carry 4 spare bits; where those are zero, a token has one spelling only. */
const tokenPattern = /^[A-Za-z0-9_-]{85}[AQgw]$/;

/**
 * Reads a token: base64url of account id, session id and a 256-bit secret. The ids make the check one indexed read on
 * one shard; only the secret opens anything. `undefined` for anything that is not such a text.
 */
export function readToken(presented: Secret): Token | undefined {
  const text = presented.revealText();
  if (!tokenPattern.test(text)) return undefined;
  const bytes = Buffer.from(text, "base64url");
  return {
    accountId: idOfBytes<AccountId>(bytes.subarray(0, idLength)),
    sessionId: idOfBytes<SessionId>(bytes.subarray(idLength, 2 * idLength)),
    secret: new Secret(bytes.subarray(2 * idLength)),
  };
}

/** Writes the token that `readToken` reads. */
export function writeToken({ accountId, sessionId, secret }: Token): Secret {
  const bytes = Buffer.concat([idBytes(accountId), idBytes(sessionId), secret.reveal()]);
  return Secret.fromText(bytes.toString("base64url"));
}
