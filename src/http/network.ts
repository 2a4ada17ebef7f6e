import { isIPv4, isIPv6 } from "node:net";

/**
 * The network that a peer's address stands for when requests are counted or two devices are compared: an IPv4 address
 * itself, of an IPv6 address the first 64 bits. One home or one rented machine has all 2^64 addresses of such a
 * network, and its devices change theirs every day (RFC 4291 section 2.5.4, RFC 8981). An IPv6 address that only carries an
 * IPv4 one is that one, however it is spelled. Anything else is returned as it is.
 */
export function networkOf(address: string): string {
  const groups = groupsOf(address);
  return groups === undefined ? address : (carriedBy(groups) ?? prefixOf(groups, 4));
}

/**
 * The first 48 bits of an IPv6 address: as much as one customer is given (RFC 6177 section 2), which is 65,536 networks.
 * `undefined` for anything else: of IPv4 one address is as much.
 */
export function siteOf(address: string): string | undefined {
  const groups = groupsOf(address);
  return groups === undefined || carriedBy(groups) !== undefined ? undefined : prefixOf(groups, 3);
}

/** The eight groups of an IPv6 address in any of its spellings (RFC 4291 section 2.2); `undefined` for anything else. */
function groupsOf(address: string): readonly number[] | undefined {
  const [bare = ""] = address.split("%");
  if (!isIPv6(bare)) return undefined;
  // A dotted end is the last two groups.
  const plain = bare.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, ...bytes: string[]) => {
    const [first = 0, second = 0, third = 0, last = 0] = bytes.slice(0, 4).map(Number);
    return `${((first << 8) | second).toString(16)}:${((third << 8) | last).toString(16)}`;
  });
  const [before = "", after] = plain.split("::");
  const front = before === "" ? [] : before.split(":");
  const back = after === undefined || after === "" ? [] : after.split(":");
  // Two colons stand for as many zeros as are missing.
  const zeros = after === undefined ? 0 : 8 - front.length - back.length;
  return [...front, ...Array<string>(zeros).fill("0"), ...back].map((group) => Number.parseInt(group, 16));
}

/**
 * Prefixes of 96 bits with an IPv4 address behind them: as a socket for both kinds names it (RFC 4291 section 2.5.5.2), and as a
 * translator in front of an IPv6 network does (RFC 6052 section 2.1), which nobody on the Internet can have as their own.
 */
const carriers: readonly (readonly number[])[] = [
  [0, 0, 0, 0, 0, 0xffff],
  [0x64, 0xff9b, 0, 0, 0, 0],
];

/** The IPv4 address that an IPv6 address only carries. */
function carriedBy(groups: readonly number[]): string | undefined {
  if (!carriers.some((carrier) => carrier.every((group, n) => groups[n] === group))) return undefined;
  return groups
    .slice(6)
    .flatMap((group) => [group >> 8, group & 0xff])
    .join(".");
}

/** The network that the first `count` of the eight groups name. */
const prefixOf = (groups: readonly number[], count: number): string =>
  `${groups
    .slice(0, count)
    .map((group) => group.toString(16))
    .join(":")}::/${16 * count}`;

const loopback = "0:0:0:0:0:0:0:1";

/** Whether a peer is this machine itself, which is its operator, or a proxy that was not named: it is counted nowhere. */
export function isThisMachine(address: string): boolean {
  const groups = groupsOf(address);
  if (groups?.join(":") === loopback) return true;
  const four = groups === undefined ? address : carriedBy(groups);
  return four !== undefined && isIPv4(four) && four.startsWith("127.");
}
