import { isIP } from "node:net";
import type { findingKinds } from "../../wire/campaign.ts";
import type { Config } from "../../config/config.ts";
import type { Keyholder } from "../../keyholder/keyholder.ts";
import { domainOf } from "../address.ts";
import { dkimSelector } from "../dkim.ts";
import { readRelays } from "../relays.ts";
import { readFrom } from "../smtp.ts";
import type { Lookup } from "./lookup.ts";
import { checkSpf, type SpfResult } from "./spf.ts";
import { findDmarc, findOrganisation, tagsOf, type DmarcAnswer } from "./dmarc.ts";

/** What was found of one thing that receivers look at, in a sentence for an operator, and what to do about it. */
export interface Finding {
  readonly about: "domain" | "return path" | "SPF" | "DKIM" | "DMARC" | "receivers";
  /** `bad`: letters are likely to be refused or put aside; `weak`: they may be; `unknown`: it could not be looked up. */
  readonly verdict: "good" | "weak" | "bad" | "unknown";
  /** Which of the things that can be found, and what it is about: a console writes it in its reader's language. */
  readonly kind: (typeof findingKinds)[number];
  readonly facts: Readonly<Record<string, string>>;
  readonly found: string;
  readonly advice?: string;
}

export interface Sender {
  /** The domain in From, which signs too. */
  readonly domain: string;
  /** The domain of the Return-Path, where bounces go. */
  readonly returnDomain: string;
  /** The relays' host names, each of which hands letters over; none without a relay. */
  readonly relayHosts: readonly string[];
  /** Keys that letters are signed with: the selector and the public key that DNS should hold (base64). */
  readonly keys: readonly { readonly selector: string; readonly publicKey: string }[];
}

/** The sender that the settings name, with the key that letters are signed with now. */
export async function senderOf(
  { mailFrom, smtpUrl, bounceAddress }: Pick<Config, "mailFrom" | "smtpUrl" | "bounceAddress">,
  keyholder: Pick<Keyholder, "dkimPublicKeys">,
): Promise<Sender> {
  const { domain } = readFrom(mailFrom);
  const relays = smtpUrl === null ? [] : readRelays(smtpUrl);
  const keys = isInternetDomain(domain) ? await keyholder.dkimPublicKeys() : [];
  return {
    domain,
    returnDomain: bounceAddress === null ? domain : domainOf(bounceAddress),
    relayHosts: [...new Set(relays.map(({ host }) => host))],
    keys: keys
      .filter(({ inUse }) => inUse)
      .map(({ version, publicKey }) => ({ selector: dkimSelector(version), publicKey: publicKey.toString("base64") })),
  };
}

const isInternetDomain = (domain: string): boolean => domain.includes(".") && isIP(domain) === 0;

/**
 * Looks up what receivers look up before they believe a letter, in their order: that the domain exists and takes mail,
 * SPF (RFC 7208), DKIM (RFC 6376 section 3.6), DMARC (RFC 9989), and what the large mailboxes demand of all three.
 * Nothing in the answer was not found; what could not be looked up is `unknown`.
 */
export async function judgeSender(lookup: Lookup, sender: Sender): Promise<readonly Finding[]> {
  const { domain, returnDomain } = sender;
  if (!isInternetDomain(domain)) {
    const found = `${domain} is no domain of the internet: no receiver can check letters from it`;
    const advice = "set MAIL_FROM to an address of a domain of yours";
    return [{ about: "domain", verdict: "bad", kind: "no domain", facts: { domain }, found, advice }];
  }
  const spf = await checkRelays(lookup, returnDomain, sender.relayHosts);
  const dkim = await Promise.all(sender.keys.map((key) => judgeKey(lookup, domain, key)));
  const dmarc = await findDmarc(lookup, domain);
  const signed = signedBy(dkim);
  const passes = await whetherPasses(lookup, sender, dmarc, signed, spf.result);
  return [
    await judgeReturn(lookup, returnDomain),
    spfFinding(spf, returnDomain),
    ...(dkim.length === 0 ? [unsigned(domain)] : dkim),
    dmarcFinding(dmarc, sender, passes, spf.result),
    receiversFinding(dmarc, spf.result, signed),
  ];
}

type Signed = "yes" | "no" | "unknown";

const signedBy = (keys: readonly Finding[]): Signed =>
  keys.some(({ verdict }) => verdict === "good" || verdict === "weak")
    ? "yes"
    : keys.some(({ verdict }) => verdict === "unknown")
      ? "unknown"
      : "no";

/** Whether letters pass DMARC, or what would have to be known first. */
type Passes = "yes" | "no" | "DKIM not known" | { readonly kind: "alignment not known"; readonly of: string };

/** Our signature is of the domain in From itself. SPF counts where the Return-Path's domain is aligned with it (RFC 9989 section 4.4). */
async function whetherPasses(
  lookup: Lookup,
  { domain, returnDomain }: Sender,
  dmarc: DmarcAnswer,
  signed: Signed,
  spf: SpfResult,
): Promise<Passes> {
  if (signed === "yes") return "yes";
  const without = signed === "unknown" ? "DKIM not known" : "no";
  if (dmarc.kind !== "found" || spf !== "pass") return without;
  if (returnDomain === domain) return "yes";
  if (dmarc.policy.strictSpf) return without;
  const own = await findOrganisation(lookup, domain);
  const other = await findOrganisation(lookup, returnDomain);
  if (own === undefined || other === undefined) {
    if (signed === "unknown") return without;
    return { kind: "alignment not known", of: own === undefined ? domain : returnDomain };
  }
  return own === other ? "yes" : without;
}

interface RelaysChecked {
  readonly result: SpfResult;
  /** The relays of which that is so; empty where nothing is known of any. */
  readonly hosts: readonly string[];
}

/** Worst first: letters leave by every relay in turn, so that the record has to name them all. */
const fromWorst: readonly SpfResult[] = [
  "permerror",
  "temperror",
  "open",
  "none",
  "fail",
  "softfail",
  "neutral",
  "unknown",
  "pass",
];

/** What the record says of the relay that it treats worst. */
async function checkRelays(lookup: Lookup, domain: string, hosts: readonly string[]): Promise<RelaysChecked> {
  if (hosts.length === 0) return { result: await checkSpf(lookup, domain, []), hosts: [] };
  const checked = await Promise.all(
    hosts.map(async (host) => ({ host, result: await checkSpf(lookup, domain, await relayAddresses(lookup, host)) })),
  );
  const result = fromWorst.find((one) => checked.some((relay) => relay.result === one)) ?? "unknown";
  return { result, hosts: checked.filter((relay) => relay.result === result).map(({ host }) => host) };
}

async function relayAddresses(lookup: Lookup, host: string): Promise<readonly string[]> {
  if (host === "localhost" || /^(127\.|::1$)/.test(host)) return [];
  const answered = await lookup.addresses(host);
  return answered.kind === "found" ? answered.values : [];
}

/** RFC 5321 section 5.1: mail for a domain goes to its MX, or else to its own address; RFC 7505: "." takes none. */
async function judgeReturn(lookup: Lookup, domain: string): Promise<Finding> {
  const about = "return path";
  const mx = await lookup.mx(domain);
  if (mx.kind === "failed") return unanswered(about, domain, `MX of ${domain}`);
  const advice = `publish an MX record for ${domain}, so that bounces arrive and receivers do not refuse the sender`;
  if (mx.kind === "found") {
    const takesNone = mx.values.every(({ exchange }) => exchange === "" || exchange === ".");
    const [first] = mx.values;
    return takesNone || first === undefined
      ? {
          about,
          verdict: "bad",
          kind: "returns refused",
          facts: { domain },
          found: `${domain} says that it takes no mail, so no letter can come back`,
          advice,
        }
      : {
          about,
          verdict: "good",
          kind: "returns go to",
          facts: { domain, host: first.exchange },
          found: `letters that come back go to ${first.exchange}, the mail server of ${domain}`,
        };
  }
  const own = await lookup.addresses(domain);
  if (own.kind === "failed") return unanswered(about, domain, `address of ${domain}`);
  return own.kind === "found"
    ? {
        about,
        verdict: "weak",
        kind: "no mail server",
        facts: { domain },
        found: `${domain} has no MX record; letters that come back go to its own address`,
        advice,
      }
    : {
        about,
        verdict: "bad",
        kind: "no address",
        facts: { domain },
        found: `${domain} has neither MX nor address: receivers refuse such a sender`,
        advice,
      };
}

function spfFinding({ result, hosts }: RelaysChecked, domain: string): Finding {
  const about = "SPF";
  const facts = { domain, relays: hosts.join(", "), result };
  const relay =
    hosts.length === 0 ? "the relay" : `${hosts.length === 1 ? "the relay" : "each relay"} (${hosts.join(", ")})`;
  const allow = `name what your relay sends from in the SPF record of ${domain}; its operator says which term that is`;
  switch (result) {
    case "pass":
      return {
        about,
        verdict: "good",
        kind: "spf lets",
        facts,
        found: `the SPF record of ${domain} lets ${relay} send`,
      };
    case "open":
      return {
        about,
        verdict: "bad",
        kind: "spf open",
        facts,
        found: `the SPF record of ${domain} lets everybody send (+all), which receivers take for no record at all`,
        advice: allow,
      };
    case "none":
      return { about, verdict: "bad", kind: "spf none", facts, found: `${domain} has no SPF record`, advice: allow };
    case "permerror":
      return {
        about,
        verdict: "bad",
        kind: "spf broken",
        facts,
        found: `the SPF record of ${domain} cannot be used: there are two, one has a mistake, or it asks more than ten look-ups`,
        advice: "mend the record: receivers treat a broken one as a failure (RFC 7208 section 4.6)",
      };
    case "temperror":
      return unanswered(about, domain, `SPF record of ${domain}`);
    case "unknown":
      return {
        about,
        verdict: "unknown",
        kind: "spf not known",
        facts,
        found: `${domain} has an SPF record; from which address ${relay} sends is not known here, so whether it may is not either`,
        advice: "send the test letter and read the header Authentication-Results in your mailbox",
      };
    case "fail":
    case "softfail":
    case "neutral":
      return {
        about,
        verdict: result === "fail" ? "bad" : "weak",
        kind: "spf does not let",
        facts,
        found: `the SPF record of ${domain} does not name the addresses of ${relay} (${result})`,
        advice: allow,
      };
  }
}

const unsigned = (domain: string): Finding => ({
  about: "DKIM",
  verdict: "bad",
  kind: "unsigned",
  facts: { domain },
  found: `letters from ${domain} leave unsigned`,
  advice: "houselights mail dkim prints the record that belongs into the DNS",
});

async function judgeKey(
  lookup: Lookup,
  domain: string,
  { selector, publicKey }: Sender["keys"][number],
): Promise<Finding> {
  const about = "DKIM";
  const name = `${selector}._domainkey.${domain}`;
  const advice = "houselights mail dkim prints the record that belongs there";
  const answered = await lookup.txt(name);
  if (answered.kind === "failed") return unanswered(about, name, name);
  const facts = { name };
  if (answered.kind === "none") {
    return {
      about,
      verdict: "bad",
      kind: "no key",
      facts,
      found: `there is no record at ${name}: no signature can be checked`,
      advice,
    };
  }
  const [record = ""] = answered.values;
  const tags = tagsOf(record);
  // RFC 6376 section 3.6.1: white space within the key does not count.
  const key = tags.get("p")?.replace(/\s+/g, "");
  if (answered.values.length > 1 || key === undefined || (tags.get("v") ?? "DKIM1") !== "DKIM1") {
    return {
      about,
      verdict: "bad",
      kind: "no usable key",
      facts,
      found: `the record at ${name} is no DKIM key, or there are two`,
      advice,
    };
  }
  if (key === "")
    return {
      about,
      verdict: "bad",
      kind: "key withdrawn",
      facts,
      found: `the key at ${name} is withdrawn (an empty p=)`,
      advice,
    };
  if (key !== publicKey) {
    return {
      about,
      verdict: "bad",
      kind: "other key",
      facts,
      found: `the key at ${name} is not the one that letters are signed with`,
      advice,
    };
  }
  const flags = (tags.get("t") ?? "").split(":").map((flag) => flag.trim());
  return flags.includes("y")
    ? {
        about,
        verdict: "weak",
        kind: "key on trial",
        facts,
        found: `the key at ${name} is ours, and marked as a trial (t=y): receivers may treat letters as unsigned`,
        advice: "take t=y out of the record",
      }
    : {
        about,
        verdict: "good",
        kind: "key in order",
        facts,
        found: `the key at ${name} is the one that letters are signed with`,
      };
}

function dmarcFinding(dmarc: DmarcAnswer, sender: Sender, passes: Passes, spf: SpfResult): Finding {
  const about = "DMARC";
  const { domain } = sender;
  switch (dmarc.kind) {
    case "failed":
      return unanswered(about, `_dmarc.${domain}`, `_dmarc.${domain}`);
    case "none":
      return {
        about,
        verdict: "bad",
        kind: "dmarc none",
        facts: { domain },
        found: `${domain} has no DMARC record`,
        advice: `publish one at _dmarc.${domain}; "v=DMARC1; p=none; rua=mailto:…" is the least`,
      };
    case "unusable":
      return {
        about,
        verdict: "bad",
        kind: "dmarc broken",
        facts: { at: dmarc.at },
        found: `the record at _dmarc.${dmarc.at} cannot be used: there are two, or it names no policy`,
        advice: "mend the record: receivers treat a broken one as none",
      };
    case "found": {
      const { policy, at, isTesting } = dmarc.policy;
      const facts = { at, trial: isTesting ? "t=y" : "" };
      const what = `_dmarc.${at} asks receivers to ${asked[policy]}${isTesting ? ", on trial (t=y)" : ""}`;
      if (passes === "yes") {
        return policy === "none"
          ? {
              about,
              verdict: "weak",
              kind: "passes, none asked",
              facts,
              found: `letters pass; ${what}`,
              advice: "p=reject keeps others from writing in your name, which they will try on such a day",
            }
          : {
              about,
              verdict: "good",
              kind: `passes, ${done[policy]}`,
              facts,
              found: `letters pass; ${what} what fails`,
            };
      }
      if (passes === "DKIM not known")
        return {
          ...unanswered(about, at, `DKIM record, without which it is not known whether letters pass; ${what}`),
          kind: "passes not known",
          facts,
        };
      if (typeof passes === "object") {
        const { of } = passes;
        return unanswered(about, of, `DMARC records above ${of}, without which it is not known whether letters pass`);
      }
      const certain = policy !== "none" && spf !== "unknown" && spf !== "temperror";
      return {
        about,
        verdict: certain ? "bad" : "weak",
        kind: policy === "none" ? "fails, none asked" : `fails, ${done[policy]}`,
        facts,
        found: `letters pass neither by DKIM nor, as far as can be seen, by SPF; ${what}${policy === "none" ? "" : " them"}`,
        advice: "publish the DKIM record first: it holds whatever way a letter takes",
      };
    }
  }
}

const asked = { none: "do nothing with letters that fail", quarantine: "put aside", reject: "refuse" } as const;
const done = { quarantine: "put aside", reject: "refused" } as const;

/** Above 5,000 letters a day, the largest mailboxes demand all three, and refuse letters without them. */
function receiversFinding(dmarc: DmarcAnswer, spf: SpfResult, signed: Signed): Finding {
  const about = "receivers";
  const missing = [
    ...(spf === "none" || spf === "fail" || spf === "permerror" || spf === "open" ? ["SPF"] : []),
    ...(signed === "no" ? ["DKIM"] : []),
    ...(dmarc.kind === "none" || dmarc.kind === "unusable" ? ["DMARC"] : []),
  ];
  if (missing.length > 0) {
    const names = missing.length === 1 ? missing[0] : `${missing.slice(0, -1).join(", ")} and ${missing.at(-1)}`;
    return {
      about,
      verdict: "bad",
      kind: "receivers demand more",
      facts: { missing: missing.join(", ") },
      found: `Gmail, Yahoo and Outlook refuse senders of more than 5,000 letters a day without ${names}`,
      advice: "mend this before the campaign starts: what is refused for it does not arrive later by itself",
    };
  }
  return dmarc.kind === "failed" || signed === "unknown" || spf === "unknown" || spf === "temperror"
    ? {
        about,
        verdict: "unknown",
        kind: "receivers not known",
        facts: {},
        found: "whether large mailboxes take the letters rests on what could not be looked up",
      }
    : {
        about,
        verdict: "good",
        kind: "receivers in order",
        facts: {},
        found: "what Gmail, Yahoo and Outlook demand of senders in bulk is there",
      };
}

const unanswered = (about: Finding["about"], name: string, what: string): Finding => ({
  about,
  verdict: "unknown",
  kind: "no answer",
  facts: { name },
  found: `no resolver answered for the ${what}`,
  advice: "try the plan again; DNS_SERVER names another resolver",
});
