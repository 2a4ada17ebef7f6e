import { expect, test } from "vitest";
import { containNeedsOf } from "./contain-needs.ts";
import { costOf } from "./request-cost.ts";
import { asCookie, goodPassword, testService } from "./service.ts";
import { setUpTotp } from "./totp-app.ts";
import { contain } from "../src/incidents/contain.ts";

/**
 * P3: the old password is never accepted once more, and no answer tells whether it was right, or whether the account
 * exists: unknown, wrong and right-but-refused cost the same hashes, keyholder calls, statements and bytes.
 */
const service = await testService();
const { ground } = service;
await service.account("ada@example.org", goodPassword, "Ada");

const containNow = () =>
  contain(containNeedsOf(ground), { mode: "everyone-out", keepTools: false, reason: "test", operator: "test" });

const cost = (address: string, password: string) =>
  costOf(service, () => service.call("POST", "/api/sessions", { body: { address, password } }));

test("P3: unknown, wrong and right-but-refused are one answer at one cost", async () => {
  // The same request worked a moment before.
  const token = await service.signIn("ada@example.org", goodPassword);
  expect((await service.call("GET", "/api/session", { cookies: asCookie(token) })).status).toBe(200);
  // Warm: the first statements of a kind are prepared, the first frames connect.
  await cost("ada@example.org", "wrong words by far");

  const wrongBefore = await cost("ada@example.org", "wrong words, same length here!!");
  const unknownBefore = await cost("eve@example.org", "wrong words, same length here!!");
  expect(unknownBefore).toEqual(wrongBefore);

  await containNow();
  const refused = await cost("ada@example.org", goodPassword);
  const wrong = await cost("ada@example.org", "wrong words, same length here!!");
  const unknown = await cost("eve@example.org", "wrong words, same length here!!");
  expect(refused.status).toBe(401);
  expect(refused.hashes).toBe(1);
  expect(refused).toEqual(wrong);
  expect(unknown).toEqual(wrong);
});

test("P3: so they are in the form of the page, and for an account with a second factor", async () => {
  await service.account("bea@example.org", goodPassword, "Bea");
  await setUpTotp(service, await service.signIn("bea@example.org", goodPassword));
  const form = (address: string, password: string) =>
    costOf(service, () =>
      service.call("POST", "/sign-in", { body: { address, password }, headers: { accept: "text/html" } }),
    );
  const wrongWords = "wrong words, same length here!!";
  // The right password worked a moment before: it leads to the code.
  expect((await form("bea@example.org", goodPassword)).headers["location"]).toBe("/sign-in/code");
  await form("ada@example.org", wrongWords);
  await containNow();
  const seen = async (ask: typeof cost, address: string, password: string) => {
    const { text, headers, ...rest } = await ask(address, password);
    // The form shows again what was typed into it; all addresses here are as long.
    return { ...rest, headers, text: text.replaceAll(address, "somebody") };
  };
  for (const ask of [cost, form]) {
    const wrong = await seen(ask, "bea@example.org", wrongWords);
    expect([wrong.status, wrong.hashes]).toEqual([401, 1]);
    expect(wrong.text).toContain("HL-");
    expect(await seen(ask, "bea@example.org", goodPassword)).toEqual(wrong);
    expect(await seen(ask, "ada@example.org", goodPassword)).toEqual(wrong);
    expect(await seen(ask, "eve@example.org", wrongWords)).toEqual(wrong);
  }
});

test("P3: the old password proves nothing anywhere else either", async () => {
  const operator = await service.operator();
  expect((await service.call("GET", "/api/session", { cookies: asCookie(operator) })).status).toBe(200);
  await service.account("bob@example.org", "nine harbours under the moon");
  const token = await service.signIn("bob@example.org", "nine harbours under the moon");
  const proof = () =>
    service.call("POST", "/api/session/proof", {
      cookies: asCookie(token),
      body: { password: "nine harbours under the moon" },
    });
  expect((await proof()).status).toBe(200);

  // With renewal the session lives, and its old password is good for nothing.
  await contain(containNeedsOf(ground), { mode: "with-renewal", keepTools: false, reason: "test", operator: "test" });
  expect((await service.call("GET", "/api/session", { cookies: asCookie(token) })).status).toBe(200);
  expect((await proof()).status).toBe(403);
  const change = await service.call("POST", "/api/password", {
    cookies: asCookie(token),
    body: { currentPassword: "nine harbours under the moon", newPassword: "another good long phrase" },
  });
  expect(change.status).toBe(403);
  expect(change.body["code"]).toBe("renew-first");
});
