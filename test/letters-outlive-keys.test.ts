import { expect, test } from "vitest";
import type { AccountId } from "../src/kernel/brand.ts";
import { hourMs, systemClock } from "../src/kernel/clock.ts";
import { Secret } from "../src/kernel/secret.ts";
import { recordBounce } from "../src/incidents/bounces.ts";
import { startCampaign } from "../src/incidents/campaign.ts";
import { letterMessageId } from "../src/incidents/campaign-key.ts";
import { proveLetter } from "../src/incidents/letter-proof.ts";
import { walk } from "../src/incidents/walk.ts";
import { openSmtp } from "../src/mail/smtp.ts";
import { tokenIn } from "../src/mail/return-token.ts";
import { keepKeys } from "../src/rotation/keep-keys.ts";
import { retireKey, rotateKeys } from "../src/rotation/rotate.ts";
import { integrate } from "../src/timeline/integrate.ts";
import { readTlogProof } from "../src/timeline/tlog-proof.ts";
import { containedCase } from "./contained-case.ts";
import { keepingNeedsOf } from "./keeping-needs.ts";
import { goodPassword, testService } from "./service.ts";
import { startTestRelay } from "./smtp-server.ts";

/** The keyholder notes when keys are made by the machine's clock. */
const service = await testService({ startAt: systemClock.now() });
const { ground, clock } = service;
const { db, keyholders, random, log } = ground;
const bounceAddress = "bounces@films.example";

test("P9, P11: letters that went out keep their receipts, and come back, once the keys of that day are gone", async () => {
  const ada = (await service.account("ada@example.org", goodPassword)) as AccountId;
  await service.account("bob@example.org", goodPassword);
  clock.advance(1);
  const incidentId = await containedCase({ db, clock, random }, { at: clock.now() });
  const relay = await startTestRelay();
  const transport = await openSmtp({
    url: Secret.fromText(relay.url),
    from: "no-reply@films.example",
    clock: systemClock,
    log,
  });
  const films = { name: "House of Films", origin: "https://films.example", contact: null };
  await startCampaign({ db, clock, random, service: films, keyholder: keyholders.web }, incidentId, "operator");
  const walking = { db, keyholder: keyholders.mailer, transport, clock, random, log, bounceAddress };
  expect(await walk({ ...walking, neverMailed: async () => new Set<string>() }, incidentId)).toEqual({
    kind: "finished",
  });
  await transport.close();
  await relay.stop();
  const instance = (await db.one<{ id: string }>(`select id from instance`))!;
  const receipt = async (): Promise<string> => {
    await integrate({ db, keyholder: keyholders.operator, clock, databaseId: instance.id });
    const outcome = await proveLetter({ db, keyholder: keyholders.web }, incidentId, ada);
    return outcome.kind === "proved" ? readTlogProof(outcome.proof)!.entry.toString() : outcome.kind;
  };
  const messageId = () => letterMessageId({ db, keyholder: keyholders.mailer }, incidentId, "HL-1", ada);
  const before = await receipt();
  expect(before).toContain('"kind":"letter"');
  const idBefore = await messageId();
  const path = relay.letters.find(({ to }) => to === "bob@example.org")!.from;

  const needs = keepingNeedsOf(ground);
  await rotateKeys(needs, ["wrap", "index.address"]);
  await keepKeys(needs);
  clock.set(Math.max(clock.now(), systemClock.now()) + 25 * hourMs);
  for (const purpose of ["wrap", "index.address"] as const)
    expect(await retireKey(needs, purpose)).toEqual({ kind: "closing", version: 1 });
  await keepKeys(needs);
  const { states } = await needs.keys.states();
  expect(states.filter(({ retiredUpTo }) => retiredUpTo === 1).map(({ purpose }) => purpose)).toEqual([
    "wrap",
    "index.address",
  ]);

  expect(await receipt()).toBe(before);
  expect(await messageId()).toBe(idBefore);
  const bounces = { db, keyholder: keyholders.mailer, clock, random };
  expect(await recordBounce(bounces, tokenIn(path, bounceAddress)!, "5.1.1")).toBe("bounced");
}, 60_000);
