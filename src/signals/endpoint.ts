import { isIP } from "node:net";
import { isLoopback } from "../config/config.ts";

/**
 * Where a receiver may have its signals pushed to: an address of the one origin that an operator agreed with it.
 *
 * @returns what is wrong with it, as a rule; `undefined` for one that may be used.
 */
export function refuseEndpoint(text: string, pushOrigin: string | null): string | undefined {
  const url = URL.parse(text);
  if (url === null || text.length > 1_000) return "is an address of at most 1,000 characters";
  if (url.username !== "" || url.password !== "" || url.hash !== "") {
    return "has no user, password or fragment; use authorization_header";
  }
  if (pushOrigin === null) return "is not used: this relying service polls; ask the operator for push";
  if (url.origin !== pushOrigin) return "is of the origin that the operator agreed with this relying service";
  return undefined;
}

/** The rule of `--push-origin`: https, or plain http to this machine while the service itself is on it. */
export function refuseOrigin(
  text: string,
  { isLoopbackOrigin }: { readonly isLoopbackOrigin: boolean },
): string | undefined {
  const url = URL.parse(text);
  const rule = "must be https:// and a host, with a port if need be, and nothing after it";
  if (url === null || url.origin !== text.replace(/\/$/, "") || url.username !== "" || url.password !== "") return rule;
  if (url.protocol === "http:") return isLoopbackOrigin && isLoopback(hostOf(url)) ? undefined : rule;
  if (url.protocol !== "https:") return rule;
  if (isLoopback(hostOf(url)) && !isLoopbackOrigin) return "must not be this machine";
  return isIP(hostOf(url)) === 0 || isLoopback(hostOf(url)) ? undefined : "must have a name and no number";
}

export const hostOf = (url: URL): string => url.hostname.replace(/^\[|\]$/g, "");
