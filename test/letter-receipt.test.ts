import { expect, test } from "vitest";
import { startCampaign } from "../src/incidents/campaign.ts";
import { walk } from "../src/incidents/walk.ts";
import { systemClock } from "../src/kernel/clock.ts";
import { Secret } from "../src/kernel/secret.ts";
import { openSmtp } from "../src/mail/smtp.ts";
import { integrate } from "../src/timeline/integrate.ts";
import { originOf } from "../src/timeline/checkpoint.ts";
import { readTlogProof } from "../src/timeline/tlog-proof.ts";
import { containedCase } from "./contained-case.ts";
import { asCookie, goodPassword, testService } from "./service.ts";
import { verifyBySigstore } from "./sigstore.ts";
import { startTestRelay } from "./smtp-server.ts";

const service = await testService();
const { ground, clock } = service;
const { db, keyholders, random, log } = ground;

test("P11: an owner gets the receipt of their own letter and nobody else's, an operator anybody's; televisions get the whole letter", async () => {
  const ada = await service.account("ada@example.org", goodPassword);
  const bob = await service.account("bob@example.org", goodPassword);
  const adas = asCookie(await service.signIn("ada@example.org", goodPassword));
  const operator = asCookie(await service.operator());
  const incidentId = await containedCase({ db, clock, random }, { at: clock.now() });
  clock.advance(1);
  await service.account("late@example.org", goodPassword);
  const lates = asCookie(await service.signIn("late@example.org", goodPassword));
  const notice = async (language: string) =>
    (await service.call("GET", "/api/notice", { headers: { "accept-language": language } })).body["notice"];
  expect(await notice("en")).toMatchObject({ letter: null });

  // What came before the letters is signed.
  const instance = (await db.one<{ id: string }>(`select id from instance`))!;
  const sign = () => integrate({ db, keyholder: keyholders.operator, clock, databaseId: instance.id });
  await sign();
  const relay = await startTestRelay();
  const from = "no-reply@films.example";
  const transport = await openSmtp({ url: Secret.fromText(relay.url), from, clock: systemClock, log });
  const films = { name: "House of Films", origin: "https://films.example", contact: null };
  await startCampaign({ db, clock, random, keyholder: keyholders.web, service: films }, incidentId, "operator");
  const walking = { db, keyholder: keyholders.mailer, transport, clock: systemClock, random, log };
  expect(await walk({ ...walking, neverMailed: async () => new Set<string>() }, incidentId)).toEqual({
    kind: "finished",
  });
  await transport.close();
  await relay.stop();
  const { reference } = (await db.one<{ reference: string }>(`select reference from incident where id = $1`, [
    incidentId,
  ]))!;
  const own = `/api/account/letters/${reference}/proof`;
  const any = (accountId: string) => `/api/incidents/${incidentId}/letters/${accountId}/proof`;
  // Sent, and not signed yet.
  expect((await service.call("GET", own, { cookies: adas })).status).toBe(503);
  await sign();

  const receipt = await service.call("GET", own, { cookies: adas });
  expect(receipt.status, receipt.text).toBe(200);
  expect(receipt.headers["content-disposition"]).toMatch(
    new RegExp(`^attachment; filename="${reference}-\\d+\\.tlog-proof"$`),
  );
  const entry = JSON.parse(readTlogProof(receipt.text)!.entry.toString()) as Record<string, unknown>;
  expect(entry).toMatchObject({ kind: "letter", incidentId, detail: { outcome: "handed over" } });
  expect((await service.call("GET", any(ada), { cookies: operator })).text).toBe(receipt.text);
  // Code that is not ours takes this letter's proof, and no other letter in its place.
  const [key] = await keyholders.operator.publicKeys("checkpoint");
  const verify = (text: string) => verifyBySigstore(text, originOf(instance.id), key!.publicKey);
  expect(() => verify(receipt.text)).not.toThrow();
  const bytes = readTlogProof(receipt.text)!.entry;
  const other = Buffer.from(bytes.toString().replace('"handed over"', '"refused"'));
  expect(() => verify(receipt.text.replace(bytes.toString("base64"), other.toString("base64")))).toThrow("root hash");

  // An outcome that a bounce changed since keeps the instant of the entry.
  await db.run(`update letter set settled_at = now() + interval '1 day', state = 'bounced' where incident_id = $1`, [
    incidentId,
  ]);
  expect((await service.call("GET", own, { cookies: adas })).text).toBe(receipt.text);
  const bobs = await service.call("GET", any(bob), { cookies: operator });
  expect([bobs.status, bobs.text === receipt.text]).toEqual([200, false]);

  expect((await service.call("GET", own, { cookies: lates })).status).toBe(404);
  expect((await service.call("GET", any(ada), { cookies: adas })).status).toBe(403);
  expect((await service.call("GET", own)).status).toBe(401);
  expect((await service.call("GET", "/api/account/letters/HL-1999-0001/proof", { cookies: adas })).status).toBe(404);
  const events = await service.call("GET", "/api/account/events", { cookies: adas });
  expect(events.body["events"]).toContainEqual(
    expect.objectContaining({ kind: "contained", reference, receipt: true }),
  );

  const [english, german] = [await notice("en"), await notice("de-AT, en;q=0.5")] as { letter: { text: string } }[];
  expect(english).toMatchObject({ reference, letter: { locale: "en" } });
  expect(german).toMatchObject({ reference, letter: { locale: "de" } });
  expect(english?.letter.text).toContain(reference);
  expect(english?.letter.text.length).toBeGreaterThan(800);
}, 60_000);
