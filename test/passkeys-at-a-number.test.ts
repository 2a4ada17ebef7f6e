import { expect, test } from "vitest";
import { asCookie, goodPassword, testService } from "./service.ts";

/** Browsers refuse passkeys where a service is reached by a number: there it offers none, and says why. */
const named = await testService();
const numbered = await testService({ settings: { PUBLIC_ORIGIN: "http://127.0.0.1:8400" } });

const page = async (service: typeof named): Promise<string> => (await service.call("GET", "/sign-in")).text;

test("the sign-in page offers passkeys first where they work, hidden until the script shows them", async () => {
  const offered = await page(named);
  const part = /<div\s+class="passkey"\s+hidden[^>]*>/.exec(offered)?.[0] ?? "";
  expect(part).toContain('data-passkey="sign-in"');
  expect(part).toContain('data-rp="localhost"');
  expect(offered.indexOf(part)).toBeLessThan(offered.indexOf("<form"));
  expect(offered).toContain('autocomplete="username webauthn"');
});

test("and not at all where they do not", async () => {
  const without = await page(numbered);
  expect(without).not.toContain("data-passkey");
  expect(without).toContain('autocomplete="username"');
});

test("the interface refuses with a code of its own, and the account says that there are none to be had", async () => {
  for (const [service, status, available] of [
    [named, 200, true],
    [numbered, 409, false],
  ] as const) {
    await service.account("ada@example.org", goodPassword);
    const cookies = asCookie(await service.signIn("ada@example.org", goodPassword));
    for (const path of [
      "/api/sessions/passkey/options",
      "/api/session/proof/passkey/options",
      "/api/account/passkeys/options",
    ]) {
      const answer = await service.call("POST", path, { body: {}, cookies });
      expect([path, answer.status]).toEqual([path, status]);
      if (status === 409) expect(answer.body["code"]).toBe("passkeys-unavailable");
    }
    const list = await service.call("GET", "/api/account/passkeys", { cookies });
    expect(list.body).toMatchObject({ available, passkeys: [] });
  }
});

test("the page that offers a passkey goes on where there is none to offer", async () => {
  for (const [service, status] of [
    [named, 200],
    [numbered, 303],
  ] as const) {
    const cookies = asCookie(await service.signIn("ada@example.org", goodPassword));
    const answer = await service.call("GET", "/passkey?next=%2Faccount", { cookies });
    expect(answer.status).toBe(status);
    if (status === 303) expect(answer.headers["location"]).toBe("/account");
  }
});

test("it is offered once: whoever has a passkey is not asked again, and nowhere else than it says is gone on to", async () => {
  const send = (form: string) =>
    named.call("POST", "/sign-in", {
      body: form,
      headers: { "content-type": "application/x-www-form-urlencoded", origin: named.ground.config.publicOrigin },
    });
  const typed = `address=ada%40example.org&password=${encodeURIComponent(goodPassword)}&next=%2Faccount`;
  expect((await send(`${typed}&offer=passkey`)).headers["location"]).toBe("/passkey?next=%2Faccount");
  expect((await send(`${typed}&offer=`)).headers["location"]).toBe("/account");
  expect((await send(typed)).headers["location"]).toBe("/account");
  // A slip of the password does not lose the offer.
  const slip = await send(typed.replace(encodeURIComponent(goodPassword), "wrong") + "&offer=passkey");
  expect([slip.status, slip.text.includes("data-offer-passkey")]).toEqual([401, true]);
  const away = typed.replace("%2Faccount", encodeURIComponent("//evil.example"));
  expect((await send(`${away}&offer=passkey`)).headers["location"]).toBe("/passkey");
  const cookies = asCookie(await named.signIn("ada@example.org", goodPassword));
  expect((await named.call("GET", "/passkey?next=%2F%2Fevil.example", { cookies })).text).not.toContain("evil.example");
});
