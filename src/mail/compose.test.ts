import { createHash } from "node:crypto";
import fc from "fast-check";
import { simpleParser } from "mailparser";
import { dkimVerify } from "mailauth/lib/dkim/verify.js";
import { afterAll, expect, test } from "vitest";
import { startChunkingRelay } from "../../test/chunking-relay.ts";
import { systemClock } from "../kernel/clock.ts";
import { silentLog } from "../kernel/log.ts";
import { Secret } from "../kernel/secret.ts";
import { testKeyholder } from "../keyholder/test-keyholder.ts";
import { dotStuffed, encodeLetter, relaxedBody, relaxedField } from "./compose.ts";
import { dkimSelector } from "./dkim.ts";
import { locales } from "./locale.ts";
import { openSmtp } from "./smtp.ts";
import { writeLetter } from "./templates.ts";

const sender = { name: "Films", address: "no-reply@films.example", domain: "films.example" };
const keys = await testKeyholder();
afterAll(() => keys.stop());

const anyText = fc.string({ unit: "grapheme", maxLength: 400 });
const dotty = fc.array(fc.oneof(fc.constant("."), fc.constant(".."), fc.constant(".x"), anyText), { maxLength: 12 });

test("whatever a letter says, it is seven bits in short lines that end as SMTP ends them, and is read as it was", async () => {
  await fc.assert(
    fc.asyncProperty(dotty, anyText, async (lines, html) => {
      const text = lines.join("\n");
      const { fields, body } = await encodeLetter(sender, { subject: "Hello", text, html });
      const whole = `${fields}\r\n${body.toString("latin1")}`;
      // oxlint-disable-next-line no-control-regex -- what may stand in a letter of seven bits
      expect(whole).toMatch(/^[\t\n\r\x20-\x7e]*\r\n$/);
      expect(whole.replaceAll("\r\n", "")).not.toMatch(/[\r\n]/);
      // RFC 5322 section 2.1.1: 998, and 78 wherever it can be.
      for (const line of whole.split("\r\n")) expect(line.length).toBeLessThanOrEqual(78);
      const read = await simpleParser(whole, { skipHtmlToText: true, skipTextToHtml: true });
      const ended = (words: string): string => words.replace(/\r\n|\r|\n/g, "\n").trimEnd();
      expect(ended(read.text ?? "")).toBe(ended(text));
    }),
    { numRuns: 60 },
  );
});

test("dots: no line of what DATA carries is one dot alone, and taking one away from each that has one gives the letter back", () => {
  fc.assert(
    fc.property(dotty, (lines) => {
      const body = Buffer.from(`${lines.join("\r\n")}\r\n`);
      const stuffed = dotStuffed(body).toString("latin1");
      expect(stuffed.split("\r\n")).not.toContain(".");
      const back = stuffed
        .split("\r\n")
        .map((line) => (line.startsWith(".") ? line.slice(1) : line))
        .join("\r\n");
      expect(back).toBe(body.toString("latin1"));
    }),
  );
});

test("the relaxed forms are those of RFC 6376 section 3.4.6, and relaxing twice changes nothing", () => {
  expect(relaxedField("A: X")).toBe("a:X");
  expect(relaxedField("B : Y\t\r\n\tZ  ")).toBe("b:Y Z");
  expect(relaxedBody(Buffer.from(" C \r\nD \t E\r\n\r\n\r\n")).toString()).toBe(" C\r\nD E\r\n");
  expect(relaxedBody(Buffer.from("\r\n\r\n")).toString()).toBe("");
  // The hash of nothing, as section 3.4.4 gives it.
  expect(
    createHash("sha256")
      .update(relaxedBody(Buffer.alloc(0)))
      .digest("base64"),
  ).toBe("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
  fc.assert(
    fc.property(fc.array(fc.string({ unit: "grapheme-ascii" })), (lines) => {
      const once = relaxedBody(Buffer.from(lines.join("\r\n")));
      expect(relaxedBody(once)).toEqual(once);
    }),
  );
});

test("both signatures of a letter in every language verify by an implementation that is not ours, and of a changed letter neither", async () => {
  const keyholder = await keys.connect("mailer");
  const relay = await startChunkingRelay();
  const transport = await openSmtp({
    url: Secret.fromText(relay.url),
    from: "Films <no-reply@films.example>",
    keyholder,
    clock: systemClock,
    log: silentLog,
  });
  const service = { name: "House of Films", origin: "https://films.example", contact: null };
  for (const locale of locales) {
    const written = writeLetter(service, locale, { kind: "already registered" });
    const headers = { "X-Incident": "HL-1" };
    await transport.send({ to: "anna@example.org", written, messageId: `of-${locale}`, headers });
  }
  await transport.close();
  await relay.stop();

  const [version] = await keyholder.dkimPublicKeys();
  const records = new Map([
    [`${dkimSelector(1)}._domainkey.films.example`, `v=DKIM1; k=rsa; p=${version!.publicKey.toString("base64")}`],
    [
      `${dkimSelector(1, "ed25519")}._domainkey.films.example`,
      `v=DKIM1; k=ed25519; p=${version!.ed25519PublicKey.toString("base64")}`,
    ],
  ]);
  const resolver = async (name: string): Promise<string[][]> => [[records.get(name) ?? ""]];
  const verdicts = async (raw: string): Promise<string[]> => {
    const { results } = await dkimVerify(Buffer.from(raw, "latin1"), { resolver });
    return results.map(({ algo, status }) => `${algo} ${status.result}`).toSorted();
  };
  expect(relay.letters).toHaveLength(locales.length);
  for (const { raw } of relay.letters) {
    expect(await verdicts(raw)).toEqual(["ed25519-sha256 pass", "rsa-sha256 pass"]);
    for (const changed of [
      raw.replace("anna@", "anne@"),
      raw.replace("HL-1", "HL-2"),
      raw.replace("To: ", "To: eve@example.org\r\nTo: "),
      raw.replace("From: ", "From: eve@films.example\r\nFrom: "),
      raw.replace(/(\r\n\r\n[^]*)e/, "$1a"),
    ]) {
      expect(changed).not.toBe(raw);
      expect((await verdicts(changed)).filter((verdict) => verdict.endsWith("pass"))).toEqual([]);
    }
  }
});
