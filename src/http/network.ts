import { isIPv4, isIPv6 } from "node:net";

/**
 * The network that a peer's address stands for when requests are counted or two devices are compared: an IPv4 address
 * itself, of an IPv6 address the first 64 bits. One home or one rented machine has all 2^64 addresses of such a
 * network, and its devices change theirs every day (RFC 4291 section 2.5.4, RFC 8981). Anything else is returned as it is.
 */
export function networkOf(address: string): string {
  const bare = address.split("%")[0] ?? "";
  const mapped = /^::ffff:([0-9.]+)$/i.exec(bare)?.[1];
  if (mapped !== undefined && isIPv4(mapped)) return mapped;
  return isIPv6(bare) ? prefixOf(bare, 4) : address;
}

/**
 * The first 48 bits of an IPv6 address: as much as one customer is given (RFC 6177 section 2), which is 65,536 networks.
 * `undefined` for anything else: of IPv4 one address is as much.
 */
export function siteOf(address: string): string | undefined {
  const [bare = ""] = address.split("%");
  return isIPv6(bare) && networkOf(address).includes(":") ? prefixOf(bare, 3) : undefined;
}

/** So many of the eight groups of an IPv6 address, as the network that they name. */
function prefixOf(address: string, count: number): string {
  const [before = "", after] = address.split("::");
  const front = before === "" ? [] : before.split(":");
  // Two colons stand for as many zeros as are missing; a dotted end counts for two groups and is never in the front half.
  const back = after === undefined || after === "" ? [] : after.split(":");
  const dotted = address.includes(".") ? 1 : 0;
  const zeros = after === undefined ? 0 : 8 - front.length - back.length - dotted;
  const groups = [...front, ...Array<string>(zeros).fill("0"), ...back].slice(0, count);
  return `${groups.map((group) => Number.parseInt(group, 16).toString(16)).join(":")}::/${16 * count}`;
}

/** Whether a peer is this machine itself, which is its operator, or a proxy that was not named: it is counted nowhere. */
export const isThisMachine = (address: string): boolean => /^(127\.|::1$|::ffff:127\.)/.test(address);
