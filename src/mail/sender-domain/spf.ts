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
  let restsOnUnknown = false;
  for (const term of terms.filter((each) => !/^[a-z][a-z0-9_.-]*=/i.test(each))) {
    const [, sign = "", name = "", rest = ""] = /^([+?~-]?)([a-z0-9]+)(.*)$/i.exec(term) ?? [];
    const result = qualifiers[sign === "" ? "+" : sign] ?? "pass";
    const matched = await matches(lookup, name.toLowerCase(), rest, domain, address, spent, depth);
    if (matched === "unknown") restsOnUnknown = true;
    if (matched === true) {
      if (name.toLowerCase() !== "all") return result;
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

async function matches(
  lookup: Lookup,
  name: string,
  rest: string,
  domain: string,
  address: string | undefined,
  spent: Spent,
  depth: number,
): Promise<boolean | "unknown"> {
  const [, target = "", four, six] = /^(?::([^/]+))?(?:\/(\d{1,3}))?(?:\/\/(\d{1,3}))?$/.exec(rest) ?? [];
  switch (name) {
    case "all":
      return true;
    case "ip4":
    case "ip6":
      return address !== undefined && within(address, rest.slice(1), name);
    case "include": {
      spend(spent, depth);
      const included = await evaluate(lookup, plainName(rest.slice(1)), address, spent, depth + 1);
      // RFC 7208 section 5.2: a record that is included and is not there is a mistake.
      if (included === "none") throw new Unusable("permerror");
      return included === "pass" || included === "open" ? true : included === "unknown" ? "unknown" : false;
    }
    case "a":
    case "mx": {
      spend(spent, depth);
      const hosts = await hostsOf(lookup, name, target === "" ? domain : plainName(target), spent);
      const found: string[] = [];
      for (const host of hosts) found.push(...(await addressesOf(lookup, host, spent)));
      return address !== undefined && found.some((each) => within(address, withPrefix(each, four, six)));
    }
    case "exists":
    case "ptr":
      spend(spent, depth);
      return "unknown";
    default:
      throw new Unusable("permerror");
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
  // RFC 7208 section 4.6.4: at most ten.
  return answered.values.slice(0, 10).map(({ exchange }) => exchange);
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

function within(address: string, range: string, only?: "ip4" | "ip6"): boolean {
  const [network = "", bitsText] = range.split("/");
  const family = isIP(network) === 4 ? "ipv4" : "ipv6";
  const longest = family === "ipv4" ? 32 : 128;
  const bits = bitsText === undefined ? longest : Number(bitsText);
  const isRange = isIP(network) !== 0 && Number.isInteger(bits) && bits >= 0 && bits <= longest;
  if (!isRange || (only !== undefined && (only === "ip4") !== (family === "ipv4"))) throw new Unusable("permerror");
  const list = new BlockList();
  list.addSubnet(network, bits, family);
  return isIP(address) === (family === "ipv4" ? 4 : 6) && list.check(address, family);
}
