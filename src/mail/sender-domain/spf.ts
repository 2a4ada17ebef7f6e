import { BlockList, isIP } from "node:net";
import type { Lookup } from "./lookup.ts";

/**
 * What a domain's SPF record says of an address. `open` is a record that lets everybody in (`+all`), which is not asked of
 * any address. Source: RFC 7208 section 2.6.
 */
export type SpfResult =
  | "pass"
  | "fail"
  | "softfail"
  | "neutral"
  | "open"
  /** No record. */
  | "none"
  /** A resolver did not answer. */
  | "temperror"
  /** A record that receivers cannot use: two of them, a term that is none, more than ten look-ups. */
  | "permerror"
  /** It rests on something that is not known here: a macro, or a relay whose outgoing address is not known. */
  | "unknown";

/** RFC 7208 section 4.6.4: terms that ask the DNS, over all records together; and how many of those may come back empty. */
const mostLookups = 10;
const mostVoid = 2;
/** Mail servers of one name, in the same section. */
const mostHosts = 10;

const bareRecord = /^v=spf1(?:\s|$)/i;

interface Spent {
  lookups: number;
  voids: number;
}

class Unusable extends Error {
  readonly result: "permerror" | "temperror" | "unknown";
  constructor(result: Unusable["result"]) {
    super(result);
    this.result = result;
  }
}

/**
 * Evaluates `domain`'s record for any of the addresses: the best result of them. Without an address the record is read
 * all the same, so that one that is broken or open is found.
 */
export async function checkSpf(lookup: Lookup, domain: string, addresses: readonly string[]): Promise<SpfResult> {
  const order: readonly SpfResult[] = ["open", "permerror", "temperror", "pass", "unknown", "neutral", "softfail"];
  const results: SpfResult[] = [];
  for (const address of addresses.length === 0 ? [undefined] : addresses.slice(0, 10)) {
    try {
      results.push(await evaluate(lookup, domain, address, { lookups: 0, voids: 0 }, 0));
    } catch (thrown) {
      if (!(thrown instanceof Unusable)) throw thrown;
      results.push(thrown.result);
    }
  }
  return order.find((one) => results.includes(one)) ?? results[0] ?? "none";
}

const qualifiers: Readonly<Record<string, SpfResult>> = { "+": "pass", "-": "fail", "~": "softfail", "?": "neutral" };

async function evaluate(
  lookup: Lookup,
  domain: string,
  address: string | undefined,
  spent: Spent,
  depth: number,
): Promise<SpfResult> {
  const answered = await lookup.txt(domain);
  if (answered.kind === "failed") throw new Unusable("temperror");
  const records = answered.kind === "found" ? answered.values.filter((text) => bareRecord.test(text)) : [];
  if (records.length > 1) throw new Unusable("permerror");
  const [record] = records;
  if (record === undefined) return "none";
  const terms = record.split(/\s+/).slice(1).filter(Boolean);
  // All of them before any is evaluated: a mistake anywhere makes the whole record unusable (RFC 7208 section 4.6).
  const mechanisms = terms.filter((each) => !/^[a-z][a-z0-9_.-]*=/i.test(each)).map(readMechanism);
  let restsOnUnknown = false;
  for (const mechanism of mechanisms) {
    const { name, result } = mechanism;
    const matched = await matches(lookup, mechanism, domain, address, spent, depth);
    if (matched === "unknown") restsOnUnknown = true;
    if (matched === true) {
      if (name !== "all") return result;
      if (result === "pass") return "open";
      // Without an address nothing before could match: that the rest is refused says nothing of us.
      return restsOnUnknown || address === undefined ? "unknown" : result;
    }
  }
  const redirect = terms.find((each) => /^redirect=/i.test(each))?.slice("redirect=".length);
  if (redirect === undefined) return restsOnUnknown || address === undefined ? "unknown" : "neutral";
  spend(spent, depth);
  const redirected = await evaluate(lookup, plainName(redirect), address, spent, depth + 1);
  if (redirected === "none") throw new Unusable("permerror");
  return redirected;
}

/** One term of a record that may match an address, such as `-ip4:192.0.2.0/28`. */
interface Mechanism {
  /** In lower case. */
  readonly name: string;
  /** What the record says of an address that matches. */
  readonly result: SpfResult;
  /** What stands after the colon: a domain, or an address with the length of its prefix. Empty without. */
  readonly target: string;
  /** Lengths of prefixes after `a` and `mx`, for IPv4 and IPv6. */
  readonly four: string | undefined;
  readonly six: string | undefined;
}

/** Throws for a term that is none, and for one whose range is none (RFC 7208 section 12, its grammar). */
function readMechanism(term: string): Mechanism {
  const [, sign = "", written = "", rest = ""] = /^([+?~-]?)([a-z0-9]+)(.*)$/i.exec(term) ?? [];
  const name = written.toLowerCase();
  const result = qualifiers[sign === "" ? "+" : sign] ?? "pass";
  const form = forms.get(name)?.exec(rest);
  if (form == null) throw new Unusable("permerror");
  const [, target = "", four, six] = form;
  if (name === "ip4" || name === "ip6") rangeOf(target, name);
  if (Number(four ?? 0) > 32 || Number(six ?? 0) > 128) throw new Unusable("permerror");
  return { name, result, target, four, six };
}

const noTarget = /^$/;
const oneTarget = /^:(.+)$/;
const hosts = /^(?::([^/]+))?(?:\/(\d{1,3}))?(?:\/\/(\d{1,3}))?$/;
/** What may stand behind the name of each mechanism. */
const forms: ReadonlyMap<string, RegExp> = new Map([
  ["all", noTarget],
  ["ip4", oneTarget],
  ["ip6", oneTarget],
  ["include", oneTarget],
  ["exists", oneTarget],
  ["a", hosts],
  ["mx", hosts],
  ["ptr", /^(?::(.+))?$/],
]);

async function matches(
  lookup: Lookup,
  { name, target, four, six }: Mechanism,
  domain: string,
  address: string | undefined,
  spent: Spent,
  depth: number,
): Promise<boolean | "unknown"> {
  switch (name) {
    case "all":
      return true;
    case "ip4":
    case "ip6":
      return address !== undefined && within(address, target);
    case "include": {
      spend(spent, depth);
      const included = await evaluate(lookup, plainName(target), address, spent, depth + 1);
      // RFC 7208 section 5.2: a record that is included and is not there is a mistake.
      if (included === "none") throw new Unusable("permerror");
      return included === "pass" || included === "open" ? true : included === "unknown" ? "unknown" : false;
    }
    case "a":
    case "mx": {
      spend(spent, depth);
      const found: string[] = [];
      for (const host of await hostsOf(lookup, name, target === "" ? domain : plainName(target), spent)) {
        found.push(...(await addressesOf(lookup, host, spent)));
      }
      return address !== undefined && found.some((each) => within(address, withPrefix(each, four, six)));
    }
    default:
      // `exists` and `ptr`, which rest on the letter at hand and on the relay's own name.
      spend(spent, depth);
      return "unknown";
  }
}

function spend(spent: Spent, depth: number): void {
  if (++spent.lookups > mostLookups || depth >= mostLookups) throw new Unusable("permerror");
}

/** A name without macros (RFC 7208 section 7), which stand for the letter at hand. */
function plainName(name: string): string {
  if (name.includes("%")) throw new Unusable("unknown");
  if (!/^[a-z0-9_.-]{1,253}$/i.test(name)) throw new Unusable("permerror");
  return name.toLowerCase();
}

async function hostsOf(lookup: Lookup, name: "a" | "mx", domain: string, spent: Spent): Promise<string[]> {
  if (name === "a") return [domain];
  const answered = await lookup.mx(domain);
  if (answered.kind === "failed") throw new Unusable("temperror");
  if (answered.kind === "none") {
    countVoid(spent);
    return [];
  }
  if (answered.values.length > mostHosts) throw new Unusable("permerror");
  return answered.values.map(({ exchange }) => exchange);
}

async function addressesOf(lookup: Lookup, host: string, spent: Spent): Promise<readonly string[]> {
  const answered = await lookup.addresses(host);
  if (answered.kind === "failed") throw new Unusable("temperror");
  if (answered.kind === "found") return answered.values;
  countVoid(spent);
  return [];
}

function countVoid(spent: Spent): void {
  if (++spent.voids > mostVoid) throw new Unusable("permerror");
}

const withPrefix = (address: string, four: string | undefined, six: string | undefined): string =>
  isIP(address) === 4 ? `${address}/${four ?? 32}` : `${address}/${six ?? 128}`;

interface Range {
  readonly network: string;
  readonly bits: number;
  readonly family: "ipv4" | "ipv6";
}

/** `192.0.2.0/28` or `2001:db8::/32`. Throws for what is none, or is of another family than `only`. */
function rangeOf(text: string, only?: "ip4" | "ip6"): Range {
  const [, network = "", bitsText] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const family = isIP(network) === 4 ? "ipv4" : "ipv6";
  const longest = family === "ipv4" ? 32 : 128;
  const bits = Number(bitsText ?? longest);
  const isOther = only !== undefined && (only === "ip4") !== (family === "ipv4");
  if (isIP(network) === 0 || bits > longest || isOther) throw new Unusable("permerror");
  return { network, bits, family };
}

function within(address: string, range: string): boolean {
  const { network, bits, family } = rangeOf(range);
  const list = new BlockList();
  list.addSubnet(network, bits, family);
  return isIP(address) === (family === "ipv4" ? 4 : 6) && list.check(address, family);
}
