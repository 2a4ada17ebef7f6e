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
  ["on trial", { txt: [`v=DKIM1; t=y:s; p=${key}`] }, "weak", /trial/],
  ["the key in pieces", { txt: [`k=rsa; p=${key.slice(0, 100)} ${key.slice(100)}`] }, "good", /the one that letters/],
])("DKIM: %s", async (_, records, verdict, found) => {
  const finding = await judged(domainWith({ "houselights._domainkey.": records }), "DKIM");
  expect(finding).toMatchObject({ verdict, found: expect.stringMatching(found) as unknown });
});

test.each<[string, Records | undefined, Finding["verdict"], RegExp]>([
  ["none", undefined, "bad", /no DMARC record/],
  ["no policy", { txt: ["v=DMARC1; p=perhaps"] }, "bad", /cannot be used/],
  ["two", { txt: ["v=DMARC1; p=none", "v=DMARC1; p=reject"] }, "bad", /there are two/],
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
