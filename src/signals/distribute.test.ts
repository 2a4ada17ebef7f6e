import { describe, expect, test } from "vitest";
import { containNeedsOf } from "../../test/contain-needs.ts";
import { eventOf, pollNow, signalService, subjectOf } from "../../test/signal-service.ts";
import { contain } from "../incidents/contain.ts";
import type { AccountId, IncidentId } from "../kernel/brand.ts";
import { dayMs, secondMs } from "../kernel/clock.ts";
import { newId } from "../kernel/random.ts";
import { readTimeline } from "../timeline/read.ts";
import { distributeSignals } from "./distribute.ts";
import { credentialChange, sessionRevoked, type SignalKind } from "./events.ts";
import { beginFanOuts, mostWaiting, signalSums, stepAccounts, stepFanOut } from "./fan-out.ts";
import { queueFanOut, queueSignal } from "./queue-signal.ts";
import { listReceivers, removeReceiver } from "./receivers.ts";
import { dropAged } from "./settle.ts";

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

  test("what happened to an account in one moment is told in the order in which it was queued", async () => {
    const { receiver } = await relyingService();
    const { stream_id: streamId } = await receiver.createStream({ format: "opaque" });
    const { accountId } = await person();
    await transmit();
    await db.run(`delete from signal_delivery where stream_id = $1`, [streamId]);
    const kinds: readonly SignalKind[] = [
      "session revoked",
      "passkey removed",
      "password changed",
      "authenticator added",
      "password compromised",
      "passkey added",
      "authenticator removed",
      "account purged",
    ];
    await queueSignal(db, random, accountId, kinds, "account deleted", clock.now());
    await transmit();
    const told = await db.many<{ kind: string }>(`select kind from signal_delivery where stream_id = $1 order by id`, [
      streamId,
    ]);
    expect(told.map(({ kind }) => kind)).toEqual(kinds);
  });

  test("what one act did to an account has one transaction's id, and what another did has another", async () => {
    const { receiver } = await relyingService();
    const stream = await receiver.createStream({ format: "opaque" });
    const [ada, bob] = [await person(), await person()];
    await transmit();
    await db.run(`delete from signal_delivery where stream_id = $1`, [stream.stream_id]);
    for (const { accountId } of [ada, bob, ada]) {
      clock.advance(1);
      await queueSignal(db, random, accountId, ["password changed", "session revoked"], "renewed", clock.now());
    }
    await transmit();
    const { sets } = await pollNow(receiver, stream.delivery.endpoint_url);
    const [one, same, two, sameAsTwo, three, sameAsThree] = sets.map(({ txn }) => txn);
    expect([same, sameAsTwo, sameAsThree]).toEqual([one, two, three]);
    expect(new Set([one, two, three]).size).toBe(3);
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

  test("its walk stands still while two thousand signals wait for the stream, and goes on once one fewer does", async () => {
    const { receiver } = await relyingService();
    const { stream_id } = await receiver.createStream({ events_requested: [sessionRevoked] });
    await person();
    await db.run(
      `insert into signal_delivery (stream_id, id, kind, cause, at, txn, made_at, due_at)
       select $1, uuidv7(), 'session revoked', '', $2, uuidv7(), $2, $2 from generate_series(1, $3)`,
      [stream_id, new Date(clock.now()), mostWaiting],
    );
    const incidentId = await containEverybody();
    await beginFanOuts({ db, clock, random });
    expect(await stepFanOut({ db, clock, random })).toBe(false);
    expect(await waitingOf(stream_id)).toBe(mostWaiting);
    await db.run(`delete from signal_delivery where id = (select id from signal_delivery limit 1)`);
    expect(await stepFanOut({ db, clock, random })).toBe(true);
    expect(await signalSums(db, incidentId)).toMatchObject([{ finished: false }]);
    expect(await waitingOf(stream_id)).toBeGreaterThan(mostWaiting - 1);
    await close();
  });

  test("a stream that is paused is given nothing of it, however long it is, and everything once it is enabled again", async () => {
    const { receiver, id } = await relyingService();
    const stream = await receiver.createStream({ events_requested: [sessionRevoked] });
    await person();
    await change(receiver, "status", { stream_id: stream.stream_id, status: "paused" });
    const incidentId = await containEverybody();
    await transmit();
    clock.advance(8 * dayMs);
    expect(await dropAged(db, random, clock.now())).toBe(0);
    await change(receiver, "status", { stream_id: stream.stream_id, status: "enabled" });
    await transmit();
    const [sum] = await signalSums(db, incidentId);
    expect(sum).toMatchObject({ dropped: 0, made: sum!.waiting, accounts: sum!.made });
    expect(sum!.made).toBeGreaterThan(0);
    expect(await streamsOf(id)).toMatchObject([{ dropped: 0 }]);
    await close();
  });
});

describe("a stream that is taken away while it is given something", () => {
  const waitingForLocks = async (): Promise<number> =>
    (
      await db.many(
        `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and state = 'active'`,
      )
    ).length;
  const takingAway = [
    [
      "removed",
      (receiver: Receiver, id: string) =>
        receiver.ask("DELETE", `${receiver.endpoint("configuration")}?stream_id=${id}`),
    ],
    ["disabled", (receiver: Receiver, id: string) => change(receiver, "status", { stream_id: id, status: "disabled" })],
  ] as const;

  test.each(takingAway)("holds nothing of it afterwards: %s", async (_how, takeAway) => {
    const { receiver } = await relyingService();
    const { stream_id } = await receiver.createStream({ events_requested: [sessionRevoked] });
    const { accountId } = await person();
    await happen(accountId);
    const [signal] = await db.many<{ id: string }>(`select id from signal`);
    // A row of the same key that may yet be rolled back holds the statement up, after it has read the streams.
    const rolledBack = Promise.withResolvers<void>();
    const written = Promise.withResolvers<void>();
    const holding = db.transaction(async (tx) => {
      await tx.run(
        `insert into signal_delivery (stream_id, id, kind, cause, at, txn, made_at, due_at)
         values ($1, $2, 'session revoked', '', $3, $2, $3, $3)`,
        [stream_id, signal!.id, new Date(clock.now())],
      );
      written.resolve();
      await rolledBack.promise;
      throw new Error("rolled back");
    });
    holding.catch(() => undefined);
    await written.promise;
    const given = distributeSignals({ db, clock });
    await expect.poll(waitingForLocks).toBe(1);
    let isDone = false;
    const taken = Promise.resolve(takeAway(receiver, stream_id)).then(() => (isDone = true));
    await expect.poll(async () => isDone || (await waitingForLocks()) === 2).toBe(true);
    rolledBack.resolve();
    expect(await given).toBe(1);
    await taken;
    await expect(holding).rejects.toThrow("rolled back");
    expect(await waitingOf(stream_id)).toBe(0);
  });

  test("is made for no relying service that is taken out meanwhile, and is told of no further account", async () => {
    const { receiver, id } = await relyingService();
    const { stream_id } = await receiver.createStream({ format: "opaque" });
    const { accountId } = await person();
    const asked: Promise<{ readonly status: number }>[] = [];
    let answered = 0;
    await db.transaction(async (tx) => {
      const within: typeof db = { ...db, transaction: (work) => work(tx) };
      expect(await removeReceiver({ db: within, clock, random }, id, "host")).toBe(true);
      const subject = { format: "opaque", id: accountId };
      for (const [endpoint, body] of [
        ["configuration", {}],
        ["add_subject", { stream_id, subject }],
      ] as const) {
        const answer = receiver.ask("POST", receiver.endpoint(endpoint), body);
        asked.push(answer.finally(() => answered++));
      }
      // Both have been let in by its token, and wait for what becomes of it.
      await expect.poll(async () => answered + (await waitingForLocks())).toBe(2);
    });
    const [made, noted] = await Promise.all(asked);
    expect([made?.status, noted?.status]).toEqual([401, 200]);
    expect(await db.many(`select 1 from signal_stream where receiver_id = $1`, [id])).toEqual([]);
    // It is taken out once, and recorded once.
    expect(await removeReceiver({ db, clock, random }, id, "host")).toBe(false);
    const removals = await readTimeline(db, { kinds: ["relying service removed"], limit: 1_000 });
    expect(removals.filter(({ detail }) => detail["receiver"] === id)).toHaveLength(1);
    expect(await db.many(`select 1 from signal_subject where stream_id = $1`, [stream_id])).toEqual([]);
  });

  test("a step of a walk that is under way is waited for, and what it made is counted as dropped", async () => {
    const { receiver } = await relyingService();
    const { stream_id } = await receiver.createStream({ events_requested: [sessionRevoked] });
    await person();
    const order = { mode: "everyone-out", keepTools: false, reason: "test", operator: "test" } as const;
    const { incidentId } = await contain(containNeedsOf(ground), order);
    await beginFanOuts({ db, clock, random });
    const made = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    const slow: typeof db = {
      ...db,
      transaction: (work) =>
        db.transaction(async (tx) => {
          const result = await work(tx);
          made.resolve();
          await goOn.promise;
          return result;
        }),
    };
    const step = stepFanOut({ db: slow, clock, random });
    await made.promise;
    let isDone = false;
    const removed = receiver.ask("DELETE", `${receiver.endpoint("configuration")}?stream_id=${stream_id}`);
    void removed.then(() => (isDone = true));
    await expect.poll(async () => isDone || (await waitingForLocks()) === 1).toBe(true);
    goOn.resolve();
    expect(await step).toBe(true);
    expect((await removed).status).toBe(204);
    expect(await waitingOf(stream_id)).toBe(0);
    const [sum] = await signalSums(db, incidentId);
    expect(sum).toMatchObject({ waiting: 0, taken: 0, dropped: sum!.made, finished: true });
    expect(sum!.made).toBeGreaterThan(0);
    await db.run(`update incident set state = 'closed'`);
  });
});
