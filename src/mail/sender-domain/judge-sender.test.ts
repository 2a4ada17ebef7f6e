import { generateKeyPairSync } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { en } from "../../../web/text/console/en.ts";
import { startTestDns, type Records, type TestDns } from "../../../test/dns-server.ts";
import { judgeSender as judge, type Finding, type Sender } from "./judge-sender.ts";
import { openLookup, type Lookup } from "./lookup.ts";
import { checkSpf } from "./spf.ts";

let dns: TestDns;
let lookup: Lookup;
beforeAll(async () => {
  dns = await startTestDns();
  lookup = openLookup([dns.server]);
});
afterAll(() => dns.stop());

const { publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const key = publicKey.export({ type: "spki", format: "der" }).toString("base64");

/** Whatever these tests find has words in the console, with everything that the words name, and its advice too. */
async function judgeSender(...asked: Parameters<typeof judge>): Promise<readonly Finding[]> {
  const findings = await judge(...asked);
  const words: Readonly<Record<string, string>> = en;
  for (const { kind, facts, advice } of findings) {
    const said = [`finding.${kind}`, ...(advice === undefined ? [] : [`finding.${kind}.advice`])].map(
      (key) => words[key],
    );
    expect(said, kind).not.toContain(undefined);
    const places = [...said.join(" ").matchAll(/\{(\w+)\}/g)].map(([, place]) => place ?? "");
    expect(
      places.filter((place) => facts[place] === undefined),
      kind,
    ).toEqual([]);
  }
  return findings;
}

let number = 0;
/** A domain of its own for each test, with everything in order; `over` replaces records by the name before the domain. */
function domainWith(over: Readonly<Record<string, Records | undefined>> = {}): Sender {
  const domain = `films${++number}.example`;
  const good: Record<string, Records | undefined> = {
    "": { txt: ["something else", "v=spf1 include:_spf.relay.example -all"], mx: [`mx.${domain}`] },
    "houselights._domainkey.": { txt: [`v=DKIM1; k=rsa; p=${key}`] },
    "_dmarc.": { txt: ["v=DMARC1; p=reject; rua=mailto:reports@films.example"] },
    ...over,
  };
  for (const [name, records] of Object.entries(good)) dns.set(`${name}${domain}`, records);
  dns.set("_spf.relay.example", { txt: ["v=spf1 ip4:192.0.2.0/28 ip6:2001:db8::/32 ~all"] });
  dns.set("relay.example", { a: ["192.0.2.7"] });
  return {
    domain,
    returnDomain: domain,
    relayHosts: ["relay.example"],
    keys: [{ selector: "houselights", publicKey: key }],
  };
}

const verdicts = (findings: readonly Finding[]): Record<string, string> =>
  Object.fromEntries(findings.map(({ about, verdict }) => [about, verdict]));

async function judged(sender: Sender, about: Finding["about"]): Promise<Finding> {
  const found = (await judgeSender(lookup, sender)).find((one) => one.about === about);
  if (found === undefined) throw new Error(`nothing was found about ${about}`);
  return found;
}

test("a domain in order is judged in order: return path, SPF, DKIM, DMARC, receivers", async () => {
  const findings = await judgeSender(lookup, domainWith());
  expect(findings.map(({ about }) => about)).toEqual(["return path", "SPF", "DKIM", "DMARC", "receivers"]);
  expect(findings.filter(({ verdict }) => verdict !== "good")).toEqual([]);
});

test.each<[string, Records["txt"], Finding["verdict"], RegExp]>([
  ["none", [], "bad", /has no SPF record/],
  ["two", ["v=spf1 -all", "v=spf1 ~all"], "bad", /there are two/],
  ["everybody", ["v=spf1 +all"], "bad", /lets everybody send/],
  ["another's alone", ["v=spf1 ip4:198.51.100.1 -all"], "bad", /does not name .* \(fail\)/],
  ["another's, softly", ["v=spf1 ip4:198.51.100.1 ~all"], "weak", /\(softfail\)/],
  ["a mistake", ["v=spf1 ip5:198.51.100.1 -all"], "bad", /cannot be used/],
  ["a mistake behind what lets us", ["v=spf1 ip4:192.0.2.7 inclde:_spf.relay.example -all"], "bad", /cannot be used/],
  ["a range that is none", ["v=spf1 ip4:198.51.100.1/40 -all"], "bad", /cannot be used/],
  ["one behind what lets us", ["v=spf1 ip4:192.0.2.7 ip4:198.51.100.1/40 -all"], "bad", /cannot be used/],
  ["a host that is none", ["v=spf1 ip4:192.0.2.7 a:relay.example/24/24 -all"], "bad", /cannot be used/],
  ["an include of nothing", ["v=spf1 include:nothing.example -all"], "bad", /cannot be used/],
  ["a macro", ["v=spf1 include:%{i}._spf.relay.example -all"], "unknown", /not known here/],
])("SPF: %s", async (_, txt, verdict, found) => {
  const sender = domainWith({ "": { txt: txt ?? [], mx: ["mx.films.example"] } });
  expect(await judged(sender, "SPF")).toMatchObject({ verdict, found: expect.stringMatching(found) as unknown });
});

test("an SPF record that includes itself, or asks more than ten look-ups, ends and is broken", async () => {
  dns.set("loop.example", { txt: ["v=spf1 include:loop.example -all"] });
  expect(await checkSpf(lookup, "loop.example", ["192.0.2.7"])).toBe("permerror");
  for (let each = 0; each < 12; each++) {
    dns.set(`chain${each}.example`, { txt: [`v=spf1 include:chain${each + 1}.example ip4:192.0.2.7 -all`] });
  }
  dns.set("chain12.example", { txt: ["v=spf1 -all"] });
  expect(await checkSpf(lookup, "chain0.example", ["192.0.2.7"])).toBe("permerror");
  // The same with fewer: it is the number that breaks it.
  expect(await checkSpf(lookup, "chain3.example", ["192.0.2.7"])).toBe("pass");
});

test("an SPF record that names more than ten mail servers by mx is broken, and one of ten is not", async () => {
  const exchanges = Array.from({ length: 11 }, (_, each) => `mx${each}.example`);
  for (const exchange of exchanges) dns.set(exchange, { a: ["192.0.2.7"] });
  dns.set("many.example", { txt: ["v=spf1 mx -all"], mx: exchanges });
  dns.set("ten.example", { txt: ["v=spf1 mx -all"], mx: exchanges.slice(0, 10) });
  expect(await checkSpf(lookup, "ten.example", ["192.0.2.7"])).toBe("pass");
  expect(await checkSpf(lookup, "many.example", ["192.0.2.7"])).toBe("permerror");
});

test("SPF by a, mx, redirect and IPv6 is understood", async () => {
  dns.set("a.example", { txt: ["v=spf1 a:host.example/30 -all"] });
  dns.set("host.example", { a: ["192.0.2.5"], aaaa: ["2001:db8::5"] });
  expect(await checkSpf(lookup, "a.example", ["192.0.2.7"])).toBe("pass");
  expect(await checkSpf(lookup, "a.example", ["192.0.2.9"])).toBe("fail");
  dns.set("m.example", { txt: ["v=spf1 mx -all"], mx: ["host.example"] });
  expect(await checkSpf(lookup, "m.example", ["2001:db8::5"])).toBe("pass");
  dns.set("r.example", { txt: ["v=spf1 redirect=m.example"] });
  expect(await checkSpf(lookup, "r.example", ["192.0.2.5"])).toBe("pass");
  expect(await checkSpf(lookup, "r.example", ["192.0.2.6"])).toBe("fail");
});

test.each<[string, string, string]>([
  ["exists, which rests on the letter", "v=spf1 exists:listed.example -all", "unknown"],
  ["ptr, which rests on the relay's own name", "v=spf1 ptr -all", "unknown"],
  ["a range of IPv6 around a host", "v=spf1 a:six.example//64 -all", "pass"],
  ["a range of IPv6 that ends before it", "v=spf1 a:six.example//127 -all", "fail"],
  ["an include that says softly no, and so nothing", "v=spf1 include:softly.example ?all", "neutral"],
  ["an include that lets everybody in", "v=spf1 include:everybody.example -all", "pass"],
  ["two names without an answer", "v=spf1 a:no.example mx:no.example ip6:2001:db8::/32 -all", "pass"],
  [
    "three names without an answer",
    "v=spf1 a:no.example mx:no.example a:no.example ip6:2001:db8::/32 -all",
    "permerror",
  ],
  ["no term that says what of others", "v=spf1 ip4:192.0.2.1", "neutral"],
  ["a redirect to nothing", "v=spf1 redirect=no.example", "permerror"],
])("SPF of %s", async (_, record, result) => {
  dns.set("six.example", { aaaa: ["2001:db8::99"] });
  dns.set("softly.example", { txt: ["v=spf1 ~all"] });
  dns.set("everybody.example", { txt: ["v=spf1 +all"] });
  dns.set("judged.example", { txt: [record] });
  expect(await checkSpf(lookup, "judged.example", ["2001:db8::5"])).toBe(result);
});

test.each<[string, Records | undefined, Finding["verdict"], RegExp]>([
  ["a mail server", { mx: ["mx.films.example"] }, "good", /go to mx\.films\.example/],
  ["none, and an address", { a: ["192.0.2.7"] }, "weak", /has no MX record/],
  ["neither", undefined, "bad", /neither MX nor address/],
  ["the word that it takes no mail", { mx: [""], a: ["192.0.2.7"] }, "bad", /takes no mail/],
  ["nobody who answers", { fails: true }, "unknown", /no resolver answered/],
])("the Return-Path: %s", async (_, records, verdict, found) => {
  const sender = { ...domainWith(), returnDomain: `returns${++number}.example` };
  dns.set(sender.returnDomain, records);
  const finding = await judged(sender, "return path");
  expect(finding).toMatchObject({ verdict, found: expect.stringMatching(found) as unknown });
});

test("the best of the relay's addresses counts, and a relay on this machine leaves the question open", async () => {
  const sender = domainWith();
  dns.set("two.example", { a: ["198.51.100.9", "192.0.2.3"] });
  expect(await judged({ ...sender, relayHosts: ["two.example"] }, "SPF")).toMatchObject({ verdict: "good" });
  expect(await judged({ ...sender, relayHosts: ["127.0.0.1"] }, "SPF")).toMatchObject({ verdict: "unknown" });
});

test("of several relays the one counts that the record treats worst, and is named", async () => {
  const sender = { ...domainWith(), relayHosts: ["relay.example", "second.example"] };
  dns.set("second.example", { a: ["192.0.2.8"] });
  expect(await judged(sender, "SPF")).toMatchObject({
    verdict: "good",
    found: expect.stringContaining("each relay (relay.example, second.example)") as unknown,
  });
  dns.set("second.example", { a: ["198.51.100.9"] });
  const finding = await judged(sender, "SPF");
  expect(finding).toMatchObject({ verdict: "bad", found: expect.stringContaining("(second.example)") as unknown });
  expect(finding.found).not.toContain("relay.example,");
});

test.each<[string, Records | undefined, Finding["verdict"], RegExp]>([
  ["none", undefined, "bad", /no record at houselights\._domainkey/],
  ["another key", { txt: [`v=DKIM1; k=rsa; p=${key.replace("A", "B")}`] }, "bad", /not the one/],
  ["withdrawn", { txt: ["v=DKIM1; k=rsa; p="] }, "bad", /withdrawn/],
  ["no key", { txt: ["hello"] }, "bad", /no DKIM key/],
  ["two", { txt: [`v=DKIM1; k=rsa; p=${key}`, `v=DKIM1; k=rsa; p=${key}`] }, "bad", /or there are two/],
  ["on trial", { txt: [`v=DKIM1; t=y:s; p=${key}`] }, "weak", /trial/],
  ["the key in pieces", { txt: [`k=rsa; p=${key.slice(0, 100)} ${key.slice(100)}`] }, "good", /the one that letters/],
])("DKIM: %s", async (_, records, verdict, found) => {
  const finding = await judged(domainWith({ "houselights._domainkey.": records }), "DKIM");
  expect(finding).toMatchObject({ verdict, found: expect.stringMatching(found) as unknown });
});

test.each<[string, Records | undefined, Finding["verdict"], RegExp]>([
  ["none", undefined, "bad", /no DMARC record/],
  ["no policy", { txt: ["v=DMARC1; p=perhaps"] }, "bad", /cannot be used/],
  ["no policy, and reports", { txt: ["v=DMARC1; p=perhaps; rua=mailto:a@films.example"] }, "weak", /do nothing/],
  ["two", { txt: ["v=DMARC1; p=none", "v=DMARC1; p=reject"] }, "bad", /there are two/],
  ["on trial", { txt: ["v=DMARC1; p=reject; t=y"] }, "good", /refuse, on trial \(t=y\)/],
  ["watching only", { txt: ["v=DMARC1; p=none; rua=mailto:a@films.example"] }, "weak", /do nothing/],
  ["quarantine", { txt: ["v=DMARC1; p=quarantine"] }, "good", /put aside what fails/],
])("DMARC: %s", async (_, records, verdict, found) => {
  const finding = await judged(domainWith({ "_dmarc.": records }), "DMARC");
  expect(finding).toMatchObject({ verdict, found: expect.stringMatching(found) as unknown });
});

test("without a signature and SPF, a policy of reject means that letters are refused, and it says so", async () => {
  const sender = domainWith({ "houselights._domainkey.": undefined, "": { txt: ["v=spf1 -all"], mx: ["mx.example"] } });
  const findings = await judgeSender(lookup, sender);
  expect(verdicts(findings)).toMatchObject({ SPF: "bad", DKIM: "bad", DMARC: "bad", receivers: "bad" });
  expect(findings.at(-1)!.found).toContain("without SPF and DKIM");
});

test("DMARC is found above a subdomain, with the policy for subdomains and its alignment", async () => {
  dns.set("parent.example", { mx: ["mx.example"] });
  dns.set("_dmarc.parent.example", { txt: ["v=DMARC1; p=none; sp=reject; aspf=s"] });
  dns.set("mail.parent.example", { mx: ["mx.example"], txt: ["v=spf1 ip4:192.0.2.7 -all"] });
  const sender = { ...domainWith(), domain: "news.parent.example", returnDomain: "mail.parent.example", keys: [] };
  const finding = await judged({ ...sender, relayHosts: ["relay.example"] }, "DMARC");
  expect(finding).toMatchObject({ verdict: "bad", found: expect.stringContaining("refuse") as unknown });
});

const reject = { txt: ["v=DMARC1; p=reject"] };
const tells = (more: string): Records => ({ txt: [`v=DMARC1; p=none; ${more}`] });

// RFC 9989 section 4.10.2: both walk up from their own name, wherever the record stands that holds for the one in From.
test.each<[string, Readonly<Record<string, Records>>, Finding["verdict"], RegExp]>([
  ["one record above both", { "": reject }, "good", /letters pass/],
  ["the sender's own record, and one above both", { "news.": reject, "": tells("") }, "good", /letters pass/],
  ["the sender's own record alone", { "news.": reject }, "bad", /pass neither/],
  ["a sender whose name is an organisation's", { "news.": tells("psd=n"), "": reject }, "weak", /pass neither/],
  ["a Return-Path whose name is an organisation's", { "": reject, "mail.": tells("psd=n") }, "bad", /pass neither/],
  [
    "names below one that many have theirs under",
    { "": { txt: ["v=DMARC1; p=reject; psd=y"] } },
    "bad",
    /pass neither/,
  ],
  ["a record above both, and nobody who answers", { "": reject, "mail.": { fails: true } }, "unknown", /no resolver/],
])("letters that pass by SPF alone, their Return-Path beside the sender: %s", async (_, records, verdict, found) => {
  const organisation = `aligned${++number}.example`;
  dns.set(`mail.${organisation}`, { mx: ["mx.example"], txt: ["v=spf1 ip4:192.0.2.7 -all"] });
  for (const [name, record] of Object.entries(records)) dns.set(`_dmarc.${name}${organisation}`, record);
  const sender = { ...domainWith(), domain: `news.${organisation}`, returnDomain: `mail.${organisation}`, keys: [] };
  expect(await judged(sender, "SPF")).toMatchObject({ verdict: "good" });
  const finding = await judged(sender, "DMARC");
  expect(finding).toMatchObject({ verdict, found: expect.stringMatching(found) as unknown });
});

test("the record that holds is the sender's own, else its organisation's, and none in between; eight names are asked for", async () => {
  const [organisation, own] = [`holds${++number}.example`, `own${number}.example`];
  dns.set(`_dmarc.middle.${organisation}`, tells(""));
  dns.set(`_dmarc.${organisation}`, { txt: ["v=DMARC1; p=reject; sp=quarantine"] });
  dns.set(`_dmarc.a.${own}`, tells("sp=reject"));
  dns.set(`_dmarc.${own}`, reject);
  const policyOf = async (domain: string) => {
    dns.set(domain, { mx: ["mx.example"], txt: ["v=spf1 ip4:192.0.2.7 -all"] });
    return (await judged({ ...domainWith(), domain, returnDomain: domain, keys: [] }, "DMARC")).found;
  };
  expect(await policyOf(`a.middle.${organisation}`)).toMatch(`_dmarc.${organisation} asks receivers to put aside`);
  expect(await policyOf(`a.${own}`)).toMatch(`_dmarc.a.${own} asks receivers to do nothing`);
  const before = dns.asked.length;
  expect(await policyOf(`a.b.c.d.e.f.g.h.${organisation}`)).toMatch(`_dmarc.${organisation} asks`);
  const asked = dns.asked.slice(before).filter((one) => one.startsWith("_dmarc."));
  expect(asked.map((one) => one.split(".").length - 1)).toEqual([10, 7, 6, 5, 4, 3, 2, 1]);
});

test("a resolver that fails or says nothing is told from a record that is not there", async () => {
  const sender = domainWith({
    "": { fails: true },
    "houselights._domainkey.": { fails: true },
    "_dmarc.": { fails: true },
  });
  const findings = await judgeSender(lookup, sender);
  expect(new Set(findings.map(({ verdict }) => verdict))).toEqual(new Set(["unknown"]));
});

test("a domain that is none of the internet's asks the DNS nothing", async () => {
  const before = dns.asked.length;
  const findings = await judgeSender(lookup, {
    domain: "localhost",
    returnDomain: "localhost",
    relayHosts: [],
    keys: [],
  });
  expect(findings).toMatchObject([{ about: "domain", verdict: "bad" }]);
  expect(dns.asked.length).toBe(before);
});
