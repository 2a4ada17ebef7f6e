import { describe, expect, test } from "vitest";
import { containNeedsOf } from "../../test/contain-needs.ts";
import { eventOf, pollNow, signalService, subjectOf } from "../../test/signal-service.ts";
import { contain } from "../incidents/contain.ts";
import type { AccountId, IncidentId } from "../kernel/brand.ts";
import { secondMs } from "../kernel/clock.ts";
import { newId } from "../kernel/random.ts";
import { readTimeline } from "../timeline/read.ts";
import { credentialChange, sessionRevoked, type SignalKind } from "./events.ts";
import { beginFanOuts, signalSums, stepAccounts, stepFanOut } from "./fan-out.ts";
import { queueFanOut, queueSignal } from "./queue-signal.ts";
import { listReceivers } from "./receivers.ts";

/** P15: a stream is given what its receiver asked for, of the accounts that it asked about, and nothing else. */
const { service, transmit, relyingService, person } = await signalService();
const { ground, clock } = service;
const { db, random } = ground;

type Receiver = Awaited<ReturnType<typeof relyingService>>["receiver"];

const happen = async (accountId: AccountId, kind: SignalKind = "session revoked"): Promise<void> => {
  clock.advance(1);
  await queueSignal(db, random, accountId, [kind], "devices signed out", clock.now());
};
const change = async (receiver: Receiver, endpoint: string, body: object): Promise<void> => {
  const { status, text } = await receiver.ask("POST", receiver.endpoint(endpoint), body);
  expect(status, text).toBeLessThan(300);
};
const streamsOf = async (id: string) => (await listReceivers(db)).find((one) => one.id === id)?.streams;
const waitingOf = async (streamId: string): Promise<number> =>
  (await db.many(`select 1 from signal_delivery where stream_id = $1`, [streamId])).length;

describe("one account's signals", () => {
  test("an account that was removed from one stream is told of over the others, and stays removed from it", async () => {
    const { receiver } = await relyingService();
    const [without, all] = [
      await receiver.createStream({ format: "opaque" }),
      await receiver.createStream({ format: "opaque" }),
    ];
    const { accountId } = await person();
    const subject = { format: "opaque", id: accountId };
    await happen(accountId);
    await transmit();
    await change(receiver, "remove_subject", { stream_id: without.stream_id, subject });
    for (let n = 0; n < 2; n++) {
      await happen(accountId);
      await transmit();
    }
    expect([await waitingOf(without.stream_id), await waitingOf(all.stream_id)]).toEqual([1, 3]);
    await change(receiver, "add_subject", { stream_id: without.stream_id, subject });
    await happen(accountId);
    await transmit();
    expect(await waitingOf(without.stream_id)).toBe(2);
    // With the account goes what was said of it.
    await change(receiver, "remove_subject", { stream_id: without.stream_id, subject });
    expect(await db.many(`select 1 from signal_subject where account_id = $1`, [accountId])).toHaveLength(1);
    await happen(accountId, "account purged");
    await transmit();
    expect(await db.many(`select 1 from signal_subject where account_id = $1`, [accountId])).toEqual([]);
  });

  test("of accounts that were not added a stream by address is given nothing, and one that is disabled holds nothing", async () => {
    const { receiver, id } = await relyingService({ addressesBecause: "its customers sign in by address" });
    const byAddress = await receiver.createStream({ format: "email", events_requested: [sessionRevoked] });
    const disabled = await receiver.createStream({});
    await change(receiver, "status", { stream_id: disabled.stream_id, status: "disabled" });
    const [ada, bob] = [await person(), await person()];
    const subject = { format: "email", email: ada.address };
    await change(receiver, "add_subject", { stream_id: byAddress.stream_id, subject });
    for (const { accountId } of [ada, bob]) await happen(accountId);
    await transmit();
    expect([await waitingOf(byAddress.stream_id), await waitingOf(disabled.stream_id)]).toEqual([1, 0]);
    const { sets } = await pollNow(receiver, byAddress.delivery.endpoint_url);
    expect(sets.map(subjectOf)).toEqual([ada.address]);
    expect(await streamsOf(id)).toMatchObject([{ refused: 0 }, { refused: 0 }]);
    const gone = `${receiver.endpoint("configuration")}?stream_id=${byAddress.stream_id}`;
    expect((await receiver.ask("DELETE", gone)).status).toBe(204);
    expect(await db.many(`select 1 from signal_subject where stream_id = $1`, [byAddress.stream_id])).toEqual([]);
  });
});

describe("everybody's signals", () => {
  const containEverybody = async (): Promise<IncidentId> => {
    const order = { mode: "everyone-out", keepTools: false, reason: "test", operator: "test" } as const;
    return (await contain(containNeedsOf(ground), order)).incidentId;
  };
  const close = () => db.run(`update incident set state = 'closed'`);

  test("a stream that was disabled then, or asked for something else, has no part in it and is never told", async () => {
    const { receiver } = await relyingService();
    const told = await receiver.createStream({ events_requested: [sessionRevoked] });
    const other = await receiver.createStream({ events_requested: [credentialChange] });
    const disabled = await receiver.createStream({});
    await person();
    await change(receiver, "status", { stream_id: disabled.stream_id, status: "disabled" });
    const incidentId = await containEverybody();
    await transmit();
    await change(receiver, "status", { stream_id: disabled.stream_id, status: "enabled" });
    await transmit();
    expect((await signalSums(db, incidentId)).map(({ streamId }) => streamId)).toEqual([told.stream_id]);
    expect([await waitingOf(other.stream_id), await waitingOf(disabled.stream_id)]).toEqual([0, 0]);
    const kinds = ["signals made"] as const;
    expect((await readTimeline(db, { incidentId, kinds, limit: 10 })).map(({ detail }) => detail["stream"])).toEqual([
      told.stream_id,
    ]);
    await close();
  });

  test("a stream that is disabled on the way is given no more, and the rest once it is enabled again", async () => {
    const { receiver } = await relyingService();
    const stream = await receiver.createStream({ events_requested: [sessionRevoked] });
    await person();
    const incidentId = await containEverybody();
    await beginFanOuts({ db, clock, random });
    await change(receiver, "status", { stream_id: stream.stream_id, status: "disabled" });
    expect(await stepFanOut({ db, clock, random })).toBe(false);
    expect(await waitingOf(stream.stream_id)).toBe(0);
    await change(receiver, "status", { stream_id: stream.stream_id, status: "enabled" });
    await transmit();
    expect(await waitingOf(stream.stream_id)).toBeGreaterThan(0);
    // A second containment of the same case is not finished because the first one is.
    const ack = (await pollNow(receiver, stream.delivery.endpoint_url)).sets.map(({ jti }) => jti);
    await pollNow(receiver, stream.delivery.endpoint_url, { ack, maxEvents: 0 });
    expect(await signalSums(db, incidentId)).toMatchObject([{ finished: true }]);
    await db.transaction((tx) => queueFanOut(tx, random, incidentId, ["session revoked"], clock.now()));
    await beginFanOuts({ db, clock, random });
    expect(await signalSums(db, incidentId)).toMatchObject([{ finished: false }]);
    await transmit();
    await close();
  });

  test("a stream by address is told of each account that was added to it once, in steps, and of none that was removed", async () => {
    const { receiver, id } = await relyingService({ addressesBecause: "its customers sign in by address" });
    const stream = await receiver.createStream({ format: "email", events_requested: [sessionRevoked] });
    const [ada, bob] = [await person(), await person()];
    const subjectOfOne = (email: string) => ({ stream_id: stream.stream_id, subject: { format: "email", email } });
    for (const { address } of [ada, bob]) await change(receiver, "add_subject", subjectOfOne(address));
    await change(receiver, "remove_subject", subjectOfOne(bob.address));
    const first = await containEverybody();
    await transmit();
    const { sets } = await pollNow(receiver, stream.delivery.endpoint_url);
    expect(sets.map((set) => [subjectOf(set), eventOf(set)])).toEqual([[ada.address, sessionRevoked]]);
    expect(await streamsOf(id)).toMatchObject([{ refused: 0, waiting: 1 }]);
    expect(await signalSums(db, first)).toMatchObject([{ accounts: 1, made: 1 }]);
    await close();

    clock.advance(secondMs);
    const ids = Array.from({ length: 2 * stepAccounts + 1 }, () => newId(random, clock.now()));
    await db.run(
      `insert into signal_subject (account_id, stream_id, state, sealed_address)
       select a.id, s.stream_id, 'added', s.sealed_address from unnest($1::uuid[]) as a (id), signal_subject s
        where s.stream_id = $2 and s.state = 'added'`,
      [ids, stream.stream_id],
    );
    const second = await containEverybody();
    await transmit();
    expect(await signalSums(db, second)).toMatchObject([{ accounts: ids.length + 1, made: ids.length + 1 }]);
    await close();
  });
});
