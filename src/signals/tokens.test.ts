import { expect, test } from "vitest";
import { containNeedsOf } from "../../test/contain-needs.ts";
import { signalService } from "../../test/signal-service.ts";
import { readDatabaseId } from "../credentials/standing.ts";
import { contain } from "../incidents/contain.ts";
import { hourMs, plus } from "../kernel/clock.ts";
import { Secret } from "../kernel/secret.ts";
import { integrate } from "../timeline/integrate.ts";
import { endTokens, isTokenNewSince, listReceivers, renewToken } from "./receivers.ts";

/** A containment ends no relying service's token, since they are told of it: whoever contains sees which are new, and can end them. */
const { service, relyingService } = await signalService();
const { ground, clock } = service;
const { db, random } = ground;

const polls = async (token: string): Promise<boolean> => {
  const url = `${ground.config.publicOrigin}/signals/stream`;
  return (await fetch(url, { headers: { authorization: `Bearer ${token}` } })).status === 200;
};
const newSince = async (since: typeof clock extends { now(): infer Now } ? Now : never): Promise<string[]> =>
  (await listReceivers(db))
    .filter((one) => isTokenNewSince(one, since))
    .map(({ name }) => name)
    .toSorted();

test("a token made since an instant, and one that was written into the database, are told from those of before, and ended", async () => {
  const older = await relyingService({ name: "Older" });
  const renewed = await relyingService({ name: "Renewed" });
  const swapped = await relyingService({ name: "Swapped" });
  // Until the record has a place for them they may be of any moment.
  expect(await newSince(plus(clock.now(), hourMs))).toEqual(["Older", "Renewed", "Swapped"]);
  await integrate({ db, keyholder: ground.keyholders.mailer, clock, databaseId: await readDatabaseId(db) });
  clock.advance(hourMs);
  const since = clock.now();
  clock.advance(hourMs);
  expect(await newSince(since)).toEqual([]);
  await renewToken({ db, clock, random }, renewed.id, "host");
  await relyingService({ name: "Newer" });
  const planted = new Secret(Buffer.alloc(32, 7));
  await db.run(`update signal_receiver set token_digest = $2 where id = $1`, [swapped.id, planted.digest()]);
  await db.run(
    `insert into signal_receiver (id, name, audience, token_digest, token_expires_at, data_key, private_network, made_at)
     select gen_random_uuid(), 'Planted', 'https://thief.example', $1, token_expires_at, data_key, false, made_at - interval '1 year'
       from signal_receiver where id = $2`,
    [new Secret(Buffer.alloc(32, 8)).digest(), older.id],
  );
  expect(await newSince(since)).toEqual(["Newer", "Planted", "Renewed", "Swapped"]);
  const plantedToken = Buffer.from(planted.reveal()).toString("base64url");
  expect([await polls(older.token), await polls(plantedToken)]).toEqual([true, true]);

  const { receivers } = await contain(containNeedsOf(ground), {
    mode: "everyone-out",
    keepTools: false,
    reason: "test",
    operator: "host",
  });
  // Nobody knows when the copy was taken: all of the last 90 days.
  expect(receivers).toEqual({ all: 5, newOnes: expect.arrayContaining(["Newer", "Planted", "Swapped"]) });
  expect([await polls(older.token), await polls(plantedToken)]).toEqual([true, true]);

  const ids = (await listReceivers(db)).filter((one) => isTokenNewSince(one, since)).map(({ id }) => id);
  expect(await endTokens({ db, clock, random }, ids, "host")).toBe(4);
  expect(await endTokens({ db, clock, random }, ids, "host")).toBe(0);
  expect([await polls(older.token), await polls(plantedToken)]).toEqual([true, false]);
  // It gets another, and is let in by that.
  const again = await renewToken({ db, clock, random }, swapped.id, "host");
  expect(await polls(Buffer.from(again!.token.reveal()).toString("base64url"))).toBe(true);
});
