import type { AccountId, Brand } from "../kernel/brand.ts";
import { fromDate, plus, toDate, dayMs, type Clock, type EpochMs } from "../kernel/clock.ts";
import { Fault } from "../kernel/fault.ts";
import { newId, newSecret, type Random } from "../kernel/random.ts";
import { Secret } from "../kernel/secret.ts";
import { sqlState, type Db, type Tx } from "../db/db.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import { append } from "../timeline/append.ts";
import { readPlaced, type PlacedEntry } from "../timeline/read-placed.ts";
import { dropWaiting } from "./drop-waiting.ts";

export type ReceiverId = Brand<string, "ReceiverId">;

/** A relying service: who it is, and what an operator has agreed with it. */
export interface Receiver {
  readonly id: ReceiverId;
  readonly name: string;
  readonly audience: string;
  /** Wrapped. */
  readonly dataKey: Uint8Array;
  /** Why it may be told addresses; `null`: it may not. */
  readonly addressesBecause: string | null;
  readonly pushOrigin: string | null;
  readonly privateNetwork: boolean;
}

interface Needs {
  readonly db: Db;
  readonly keyholder: Pick<Keyholder, "newDataKey" | "setKeys">;
  readonly clock: Clock;
  readonly random: Random;
}

/** How long a relying service's token is good before an operator has to make another. */
export const tokenLifetimeMs = 365 * dayMs;

const columns = `id, name, audience, data_key as "dataKey", addresses_because as "addressesBecause",
                 push_origin as "pushOrigin", private_network as "privateNetwork"`;

/** What a relying service presents: 256 bits, of which the row has the digest. */
export const tokenText = (token: Secret): string => Buffer.from(token.reveal()).toString("base64url");

/** SQL: `nameOf` of a row's token. */
const tokenName = `encode(substr(token_digest, 1, 8), 'hex')`;
const tokenActs = ["relying service added", "relying service changed"] as const;

/**
 * A token's name in the record: a part of the digest that its row has. It opens nothing, and says of a row whether its token is one that
 * was made here.
 */
const nameOf = (token: Secret): string => token.digest().subarray(0, 8).toString("hex");

export interface ReceiverOrder {
  readonly name: string;
  readonly audience: string;
  readonly addressesBecause: string | null;
  readonly pushOrigin: string | null;
  readonly privateNetwork: boolean;
  /** In the timeline: "host". */
  readonly by: string;
}

/** Lets a relying service in. @returns its id and token, which is shown this once; `undefined` if the audience is taken. */
export async function addReceiver(
  { db, keyholder, clock, random }: Needs,
  order: ReceiverOrder,
): Promise<{ readonly id: ReceiverId; readonly token: Secret; readonly expiresAt: EpochMs } | undefined> {
  const now = clock.now();
  const id = newId<ReceiverId>(random, now);
  const token = newSecret(random);
  const expiresAt = plus(now, tokenLifetimeMs);
  const dataKey = await keyholder.newDataKey(sealId(id));
  // The key that signs is made when it is first asked for, which may take longer than a call waits: it goes on without this one.
  await keyholder.setKeys().catch((thrown: unknown) => {
    if (!(thrown instanceof Fault) || thrown.code !== "KEYHOLDER_UNAVAILABLE") throw thrown;
  });
  const { name, audience, addressesBecause, pushOrigin, privateNetwork, by } = order;
  try {
    await db.transaction(async (tx) => {
      await tx.run(
        `insert into signal_receiver (id, name, audience, token_digest, token_expires_at, data_key, addresses_because,
                                      push_origin, private_network, made_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
        [
          id,
          name,
          audience,
          token.digest(),
          toDate(expiresAt),
          dataKey,
          addressesBecause,
          pushOrigin,
          privateNetwork,
          toDate(now),
        ],
      );
      const detail = { receiver: id, name, by, "sees addresses": addressesBecause !== null, token: nameOf(token) };
      await append(tx, now, { kind: "relying service added", detail }, random);
    });
  } catch (thrown) {
    if (sqlState(thrown) === "23505") return undefined;
    throw thrown;
  }
  return { id, token, expiresAt };
}

/** A relying service's values are sealed as an account's are, bound to its own id. */
export const sealId = (id: ReceiverId): AccountId => id as string as AccountId;

/** Gives a relying service another token; the one before opens nothing from then on. `undefined`: there is no such one. */
export async function renewToken(
  { db, clock, random }: Omit<Needs, "keyholder">,
  id: ReceiverId,
  by: string,
): Promise<{ readonly token: Secret; readonly expiresAt: EpochMs } | undefined> {
  const now = clock.now();
  const token = newSecret(random);
  const expiresAt = plus(now, tokenLifetimeMs);
  return db.transaction(async (tx) => {
    const renewed = await tx.run(`update signal_receiver set token_digest = $2, token_expires_at = $3 where id = $1`, [
      id,
      token.digest(),
      toDate(expiresAt),
    ]);
    if (renewed === 0) return undefined;
    const detail = { receiver: id, by, what: "token", token: nameOf(token) };
    await append(tx, now, { kind: "relying service changed", detail }, random);
    return { token, expiresAt };
  });
}

/**
 * Ends the tokens of these relying services: each opens nothing until an operator makes it another. What is pushed to them goes on,
 * to where was agreed with each. @returns how many were good until then.
 */
export async function endTokens(
  { db, clock, random }: Omit<Needs, "keyholder">,
  ids: readonly ReceiverId[],
  by: string,
): Promise<number> {
  const now = clock.now();
  return db.transaction(async (tx) => {
    const ended = await tx.many<{ id: ReceiverId }>(
      `update signal_receiver set token_expires_at = $2 where id = any($1) and token_expires_at > $2 returning id`,
      [ids, toDate(now)],
    );
    for (const { id } of ended) {
      await append(
        tx,
        now,
        { kind: "relying service changed", detail: { receiver: id, by, what: "token ended" } },
        random,
      );
    }
    return ended.length;
  });
}

/** Takes a relying service out, with its streams and whatever waits for them. @returns false if there is no such one. */
export async function removeReceiver(
  { db, clock, random }: Omit<Needs, "keyholder">,
  id: ReceiverId,
  by: string,
): Promise<boolean> {
  const now = clock.now();
  return db.transaction(async (tx) => {
    if (!(await holdReceiver(tx, id))) return false;
    const streams = await tx.many<{ id: string }>(`select id from signal_stream where receiver_id = $1 for update`, [
      id,
    ]);
    for (const stream of streams) await forgetStream(tx, stream.id, now);
    await tx.run(`delete from signal_receiver where id = $1`, [id]);
    await append(tx, now, { kind: "relying service removed", detail: { receiver: id, by } }, random);
    return true;
  });
}

/** Whether there is such a relying service; until the transaction ends nobody else makes a stream for it, or takes it out. */
export const holdReceiver = async (tx: Tx, id: ReceiverId): Promise<boolean> =>
  (await tx.one(`select 1 as held from signal_receiver where id = $1 for update`, [id])) !== undefined;

/** Deletes a stream with what waits for it and the accounts it names. Its counts for cases stay, and add up. */
export async function forgetStream(tx: Tx, streamId: string, now: EpochMs): Promise<void> {
  await dropWaiting(tx, streamId);
  await tx.run(`delete from signal_subject where stream_id = $1`, [streamId]);
  await tx.run(`update signal_fan_out_stream set finished_at = coalesce(finished_at, $2) where stream_id = $1`, [
    streamId,
    toDate(now),
  ]);
  await tx.run(`delete from signal_stream where id = $1`, [streamId]);
}

/** The relying service of a token; `undefined` for one that is not valid or has run out. */
export async function receiverOf(tx: Tx, token: Secret, now: EpochMs): Promise<Receiver | undefined> {
  return tx.one<Receiver>(`select ${columns} from signal_receiver where token_digest = $1 and token_expires_at > $2`, [
    token.digest(),
    toDate(now),
  ]);
}

export interface ListedReceiver extends Omit<Receiver, "dataKey"> {
  readonly tokenExpiresAt: EpochMs;
  /** When its token was made, by an account's id or "host"; `null`: the record knows of none such. `notBefore`: see `readPlaced`. */
  readonly tokenMade: { readonly at: EpochMs; readonly notBefore: EpochMs | null; readonly by: string } | null;
  readonly streams: readonly {
    readonly id: string;
    readonly method: "push" | "poll";
    readonly status: "enabled" | "paused" | "disabled";
    readonly statusReason: string | null;
    readonly taken: number;
    readonly refused: number;
    readonly dropped: number;
    readonly waiting: number;
    readonly failures: number;
    /** When it took something last; `null`: nothing yet. */
    readonly takenAt: EpochMs | null;
    /** A verification that the receiver asked for waits to be taken. */
    readonly verifying: boolean;
  }[];
}

/**
 * What the record says of a receiver's token. Entries of before tokens were named there stand for the token that was made last
 * then, if nothing that names one has come since.
 */
function madeOf(acts: readonly PlacedEntry[], id: ReceiverId, tokenName: string): ListedReceiver["tokenMade"] {
  const own = acts.filter(({ kind, detail }) => {
    const isOfToken = kind === "relying service added" || detail["what"] === "token";
    return detail["receiver"] === id && isOfToken;
  });
  const last = own.at(-1);
  if (last === undefined || (last.detail["token"] ?? tokenName) !== tokenName) return null;
  const { by } = last.detail;
  return { at: last.at, notBefore: last.notBefore, by: typeof by === "string" ? by : "host" };
}

/** Whether a token may have been made, or written into the database, by whoever took the copy. */
export const isTokenNewSince = ({ tokenMade }: Pick<ListedReceiver, "tokenMade">, since: EpochMs): boolean =>
  tokenMade === null || tokenMade.notBefore === null || tokenMade.notBefore >= since;

/** How many relying services there are, and those whose token is new since then. */
export async function readTokensSince(
  tx: Tx,
  since: EpochMs,
): Promise<{ readonly all: number; readonly newOnes: readonly string[] }> {
  const rows = await tx.many<{ id: ReceiverId; name: string; tokenName: string }>(
    `select id, name, ${tokenName} as "tokenName" from signal_receiver order by made_at, id`,
  );
  const acts = rows.length === 0 ? [] : await readPlaced(tx, tokenActs);
  const newOnes = rows.filter((row) => isTokenNewSince({ tokenMade: madeOf(acts, row.id, row.tokenName) }, since));
  return { all: rows.length, newOnes: newOnes.map(({ name }) => name) };
}

/** Every relying service with its streams, as operators see them. */
export async function listReceivers(tx: Tx): Promise<ListedReceiver[]> {
  const receivers = await tx.many<Receiver & { tokenExpiresAt: Date; tokenName: string }>(
    `select ${columns}, token_expires_at as "tokenExpiresAt", ${tokenName} as "tokenName"
       from signal_receiver order by made_at, id`,
  );
  const acts = receivers.length === 0 ? [] : await readPlaced(tx, tokenActs);
  type Row = Omit<ListedReceiver["streams"][number], "takenAt"> & { receiverId: ReceiverId; takenAt: Date | null };
  const streams = await tx.many<Row>(
    `select s.receiver_id as "receiverId", s.id, s.method, s.status, s.status_reason as "statusReason", s.taken, s.refused,
            s.dropped, s.failures, case when s.taken > 0 then s.taken_at end as "takenAt",
            (select count(*) from signal_delivery d where d.stream_id = s.id) as waiting,
            exists (select from signal_delivery d where d.stream_id = s.id and d.kind = 'verification') as verifying
       from signal_stream s order by s.made_at, s.id`,
  );
  return receivers.map(({ dataKey: _key, tokenExpiresAt, tokenName, ...receiver }) => ({
    ...receiver,
    tokenExpiresAt: fromDate(tokenExpiresAt),
    tokenMade: madeOf(acts, receiver.id, tokenName),
    streams: streams
      .filter(({ receiverId }) => receiverId === receiver.id)
      .map(({ receiverId: _id, takenAt, ...one }) => ({
        ...one,
        takenAt: takenAt === null ? null : fromDate(takenAt),
      })),
  }));
}
