import { expect, test } from "vitest";
import { asCookie, goodPassword, testService, type CallOptions } from "../../test/service.ts";
import { hourMs, minuteMs } from "../kernel/clock.ts";
import { unusedHours } from "./in-use.ts";

/** A session that nobody uses ends by itself, and one that is used does not (ASVS 5.0 7.3.1). */
const service = await testService();
const { clock } = service;
await service.account("ada@example.org", goodPassword);

const opens = async (held: CallOptions): Promise<boolean> =>
  (await service.call("GET", "/api/session", held)).status === 200;

async function program(sessionClass: string): Promise<CallOptions> {
  const body = { address: "ada@example.org", password: goodPassword, token: true, class: sessionClass };
  return { bearer: String((await service.call("POST", "/api/sessions", { body })).body["token"]) };
}

const kinds: Readonly<Record<string, { readonly hours: number; readonly signIn: () => Promise<CallOptions> }>> = {
  "a browser": {
    hours: unusedHours.browser,
    signIn: async () => ({ cookies: asCookie(await service.signIn("ada@example.org", goodPassword)) }),
  },
  "an operator's browser": {
    hours: unusedHours["operator's browser"],
    signIn: async () => ({ cookies: asCookie(await service.operator()) }),
  },
  "an app": { hours: unusedHours.device, signIn: () => program("app") },
  "a tool": { hours: unusedHours.device, signIn: () => program("tool") },
};

const notedAt = async (): Promise<number> => {
  const row = await service.ground.db.one<{ at: Date }>(`select max(last_seen_at) as at from session`);
  return row?.at.getTime() ?? 0;
};

test.each(Object.entries(kinds))(
  "%s that is left alone is signed out, and not before its time",
  async (_kind, { hours, signIn }) => {
    const held = await signIn();
    // Used shortly before its time each turn, it outlives that many times over.
    for (let turn = 0; turn < 2; turn++) {
      clock.advance(hours * hourMs - minuteMs);
      const at = clock.now();
      expect(await opens(held)).toBe(true);
      await expect.poll(notedAt).toBe(at);
    }
    clock.advance(hours * hourMs);
    expect(await opens(held)).toBe(false);
  },
);

test("that a device was seen is written every five minutes, and not with each request", async () => {
  const held = { cookies: asCookie(await service.signIn("ada@example.org", goodPassword)) };
  const cost = async (afterMs: number): Promise<number> => {
    clock.advance(afterMs);
    const before = service.web.work().statements;
    expect(await opens(held)).toBe(true);
    return service.web.work().statements - before;
  };
  const check = await cost(0);
  expect([await cost(4 * minuteMs), await cost(2 * minuteMs)]).toEqual([check, check + 1]);
  await expect.poll(notedAt).toBe(clock.now());
  expect([await cost(4 * minuteMs), await cost(2 * minuteMs)]).toEqual([check, check + 1]);
});

test("what ended so is in no list of devices any more, and does not come back by being asked for", async () => {
  const left = { cookies: asCookie(await service.signIn("ada@example.org", goodPassword)) };
  const idOfLeft = (await service.call("GET", "/api/session", left)).body["sessionId"];
  clock.advance(unusedHours.browser * hourMs);
  const other = { cookies: asCookie(await service.signIn("ada@example.org", goodPassword)) };
  expect([await opens(left), await opens(left)]).toEqual([false, false]);
  const listed = (await service.call("GET", "/api/sessions", other)).body["devices"] as { id: string }[];
  expect(listed.map(({ id }) => id)).not.toContain(idOfLeft);
  expect((await service.call("DELETE", `/api/sessions/${String(idOfLeft)}`, other)).status).toBe(404);
});
