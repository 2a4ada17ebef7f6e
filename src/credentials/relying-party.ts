import { isIP } from "node:net";

/** Who asks for passkeys: what an authenticator binds a key to. */
export interface RelyingParty {
  /** A host name: Web Authentication section 5.1.2 makes the RP ID a valid domain string, so never an IP address. */
  readonly id: string;
  readonly origin: string;
  readonly name: string;
}

/** @returns `null` where browsers refuse passkeys, because the service is reached by a number. */
export function relyingPartyOf(publicOrigin: string, serviceName: string): RelyingParty | null {
  const { hostname, origin } = new URL(publicOrigin);
  if (isIP(hostname.replace(/^\[|\]$/g, "")) !== 0) return null;
  return { id: hostname, origin, name: serviceName };
}
