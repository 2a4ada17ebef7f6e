import { expect, test } from "vitest";
import { browserCookie } from "../src/http/cookies.ts";
import { dayMs } from "../src/kernel/clock.ts";
import { addAddress, peopleOf } from "./people.ts";
import { asCookie, goodPassword, testService } from "./service.ts";
import { setUpTotp } from "./totp-app.ts";

/** What follows a renewal: a letter to every address, by each of which it can be taken back for a week. */
const service = await testService();
const { clock } = service;
const { person, count } = peopleOf(service);
const fresh = "eleven owls above the orchard";

const isSignedIn = async (session: string): Promise<boolean> =>
  (await service.call("GET", "/api/session", { cookies: asCookie(session) })).status === 200;
const signs = async (address: string, password: string): Promise<number> =>
  (await service.call("POST", "/api/sessions", { body: { address, password } })).status;
const press = async (token: string | undefined): Promise<number> =>
  (await service.call("POST", "/not-me", { body: { token } })).status;

async function ask(address: string) {
  const asked = await service.call("POST", "/api/renewals", { body: { address } });
  const code = (await service.letters()).find((one) => one.to === address && one.letter === "renewal code")?.code;
  return { code, cookies: { [browserCookie]: asked.cookies[browserCookie] ?? "" } };
}
type Asked = Awaited<ReturnType<typeof ask>>;

const complete = ({ code, cookies }: Asked, password: string, secondFactor?: string) =>
  service.call("POST", "/api/renewals/complete", { body: { code, password, secondFactor }, cookies });

/** Somebody with three addresses that have all been there for longer than a week. */
async function withAddresses() {
  const somebody = await person();
  const [second, third] = [`second-${count()}@example.net`, `third-${count()}@example.com`];
  for (const address of [second, third]) {
    clock.advance(1_000);
    await addAddress(service, somebody, address);
  }
  clock.advance(8 * dayMs);
  return { ...somebody, all: [somebody.address, second, third] };
}

const renewedLetters = async (addresses: readonly string[]) =>
  (await service.letters()).filter(({ to, letter }) => letter === "renewed" && addresses.includes(to));

test.each([0, 1, 2])(
  "every address is told of a renewal, and the button in the letter of address %i takes it back",
  async (which) => {
    const { all } = await withAddresses();
    // By the last one, so that the others know only from the letter.
    expect((await complete(await ask(all[2] ?? ""), fresh)).status).toBe(200);
    const letters = await renewedLetters(all);
    expect(letters.map(({ to }) => to).toSorted()).toEqual(all.toSorted());
    expect(new Set(letters.map(({ undo }) => undo)).size).toBe(3);
    const session = await service.signIn(all[0] ?? "", fresh);
    expect(await isSignedIn(session)).toBe(true);

    clock.advance(7 * dayMs - 1);
    expect(await press(letters.find(({ to }) => to === all[which])?.undo)).toBe(303);
    expect(await isSignedIn(session)).toBe(false);
    expect(await signs(all[0] ?? "", fresh)).toBe(401);
    // One press is all: the other letters' buttons are used up, and it let nobody in.
    for (const { undo } of letters) expect(await press(undo)).toBe(400);
    expect((await complete(await ask(all[1] ?? ""), "nine herons in the shallows")).status).toBe(200);
  },
);

test("the button is worth nothing after seven days, whichever address it went to", async () => {
  const { all } = await withAddresses();
  expect((await complete(await ask(all[0] ?? ""), fresh)).status).toBe(200);
  const letters = await renewedLetters(all);
  clock.advance(7 * dayMs);
  for (const { undo } of letters) expect(await press(undo)).toBe(400);
  expect(await signs(all[0] ?? "", fresh)).toBe(201);
});

test("that a password is the one before is told to who has proved the mailbox, and to nobody else", async () => {
  const { address } = await person();
  const { hashPool } = service.web;
  const [asked, elsewhere] = [await ask(address), await ask((await person()).address)];
  const guess = async (password: string, with_: Asked) => {
    const before = hashPool.hashes();
    const { status, body } = await complete(with_, password);
    return { status, body, hashes: hashPool.hashes() - before };
  };
  // With a wrong code, and with one that another browser was sent.
  for (const wrong of [
    { ...asked, code: "BBBBB-BBBBB" },
    { ...asked, code: elsewhere.code },
  ]) {
    const old = await guess(goodPassword, wrong);
    expect(old).toMatchObject({ status: 400, body: { code: "code-refused" }, hashes: 0 });
    expect(await guess(fresh, wrong)).toEqual(old);
  }
  // However often: the right code is not used up by it, and is good for another password.
  for (let tried = 0; tried < 6; tried++) {
    expect(await guess(goodPassword, asked)).toMatchObject({ body: { code: "password-is-old" }, hashes: 2 });
  }
  expect((await complete(asked, fresh)).status).toBe(200);
});

test("nor does the password before use up tries of the second factor that was right", async () => {
  const { address, session } = await person();
  const { app } = await setUpTotp(service, session);
  clock.advance(60_000);
  const asked = await ask(address);
  for (let tried = 0; tried < 8; tried++) {
    expect((await complete(asked, goodPassword, app.code())).body).toMatchObject({ code: "password-is-old" });
  }
  expect((await complete(asked, fresh, app.code())).status).toBe(200);
});

test("a second factor that is left out, or that has to wait, uses up no try of the code", async () => {
  const { address, session } = await person();
  const { app, recoveryCodes } = await setUpTotp(service, session);
  const [asked, other] = [await ask(address), await ask(address)];
  for (const left of [undefined, "    "]) {
    for (let tried = 0; tried < 3; tried++) {
      expect((await complete(asked, fresh, left)).body["code"]).toBe("second-factor-needed");
    }
  }
  // Wrong codes are counted for the account, whichever of its renewals they came with.
  for (let wrong = 0; wrong < 5; wrong++) {
    expect((await complete(other, fresh, app.code(100 + wrong))).body["code"]).toBe("second-factor-refused");
  }
  for (let tried = 0; tried < 6; tried++) {
    expect((await complete(asked, fresh, app.code())).body["code"]).toBe("too-many");
  }
  // Those used up what the other code had.
  expect((await complete(other, fresh, recoveryCodes[0])).body["code"]).toBe("code-refused");
  expect((await complete(asked, fresh, recoveryCodes[0])).status).toBe(200);
});
