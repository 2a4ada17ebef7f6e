import type { AccountId, Epoch, SessionClass } from "../kernel/brand.ts";
import { fromDate, minuteMs, plus, toDate, type Clock, type EpochMs } from "../kernel/clock.ts";
import { newId, newSecret, newTypedCode, readTypedCode, type Random } from "../kernel/random.ts";
import { Secret } from "../kernel/secret.ts";
import { sqlState, type Db, type Tx } from "../db/db.ts";
import type { Keyholder, Place } from "../keyholder/keyholder.ts";
import { splitMacs } from "../keyholder/named-mac.ts";
import { networkOf } from "../http/network.ts";
import type { LogSignIn } from "../http/sign-in-log.ts";
import type { Viewer } from "../http/viewer.ts";
import { append } from "../timeline/append.ts";
import { holdAccount } from "../accounts/accounts.ts";
import { prepareSession, tokenOf, writeSession, type SessionLifetimesMs } from "../sessions/open-session.ts";
import { endReplaced } from "../sessions/replaced.ts";
import { inTimeShare, longestIntervalSeconds, slowDownSeconds, type WaitingLinks } from "./waiting-links.ts";
import { Refused, refusable } from "../credentials/sign-up.ts";

interface Needs {
  readonly db: Db;
  readonly keyholder: Keyholder;
  readonly clock: Clock;
  readonly random: Random;
  readonly lifetimesMs: SessionLifetimesMs;
  readonly waiting: WaitingLinks;
  readonly logSignIn: LogSignIn;
}

/**
 * Eight letters, 34.5 bits (RFC 8628 section 6.1). An account has ten tries in ten minutes, so over a code's ten minutes a
 * guess at it is right once in 2^30.2 at most (section 5.1; ASVS 5.0 6.5.5).
 */
export const userCodeLength = 8;
export const linkLifetimeMs = 10 * minuteMs;
const labelPlace = (id: AccountId): Place => ({ table: "link", column: "sealed_label", accountId: id });
const networkPlace = (id: AccountId): Place => ({ table: "link", column: "sealed_network", accountId: id });

/** What can be linked: everything but a browser, which signs in by itself. */
export type LinkClass = Exclude<SessionClass, "browser">;

export interface AskedLink {
  readonly deviceCode: Secret;
  readonly userCode: Secret;
  readonly expiresAt: EpochMs;
  /** How long the device waits between two polls. */
  readonly intervalSeconds: number;
}

/**
 * Begins a link: a TV or app gets a device code for itself and a short code to show. Nothing of either is stored but a
 * digest and a keyed index.
 *
 * Source: RFC 8628 sections 3.1 and 3.2.
 */
export async function askLink(
  { db, keyholder, clock, random, waiting }: Needs,
  { class: linkClass, label, network }: { readonly class: LinkClass; readonly label: string; readonly network: string },
): Promise<AskedLink> {
  const now = clock.now();
  // Read before the codes exist: a link asked for under an older epoch stays old, whenever it is written.
  const current = await db.one<{ epoch: Epoch }>(`select max(epoch) as epoch from floor`);
  const epoch = current?.epoch ?? (1 as Epoch);
  // There is no account yet, so the description is sealed under an id and a key of the link's own.
  const labelAccountId = newId<AccountId>(random, now);
  const dataKey = await keyholder.newDataKey(labelAccountId);
  const [sealedLabel, sealedNetwork] = await Promise.all([
    keyholder.seal(dataKey, labelPlace(labelAccountId), label.slice(0, 100)),
    keyholder.seal(dataKey, networkPlace(labelAccountId), network),
  ]);
  const expiresAt = plus(now, linkLifetimeMs);
  const intervalSeconds = waiting.intervalSeconds();
  for (let attempt = 1; ; attempt++) {
    const deviceCode = newSecret(random);
    const userCode = newTypedCode(random, userCodeLength);
    // Stored under the newest key alone; what is looked up is looked up under each.
    const [userCodeIndex = Buffer.alloc(0)] = splitMacs(await keyholder.index("user-code", userCode.revealText()));
    try {
      await db.run(
        `insert into link (device_digest, user_code_index, class, data_key, label_account_id, sealed_label,
                           sealed_network, state, epoch, interval_seconds, created_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, 'pending', $8, $9, $10, $11)`,
        [
          deviceCode.digest(),
          userCodeIndex,
          linkClass,
          dataKey,
          labelAccountId,
          sealedLabel,
          sealedNetwork,
          epoch,
          intervalSeconds,
          toDate(now),
          toDate(expiresAt),
        ],
      );
      return { deviceCode, userCode, expiresAt, intervalSeconds };
    } catch (thrown) {
      // Two TVs drew the same short code: one of them draws again.
      if (sqlState(thrown) !== "23505" || attempt === 5) throw thrown;
    }
  }
}

export interface ShownLink {
  readonly userCode: string;
  readonly class: LinkClass;
  readonly label: string;
  readonly network: string;
  readonly sameNetwork: boolean;
  readonly askedAt: EpochMs;
}

/**
 * What is being linked, for the person who is asked to approve it: the device's own name and whether it is on the same
 * network as the asker (RFC 8628 section 5.4: remote phishing). `undefined` for a code that is wrong, old or decided.
 */
export async function showLink(
  { db, keyholder, clock }: Needs,
  typedCode: string,
  askerNetwork: string,
): Promise<ShownLink | undefined> {
  const code = readTypedCode(typedCode, userCodeLength);
  if (code === undefined) return undefined;
  const row = await db.one<{
    class: LinkClass;
    dataKey: Buffer;
    labelAccountId: AccountId;
    sealedLabel: Buffer;
    sealedNetwork: Buffer;
    createdAt: Date;
  }>(
    `select class, data_key as "dataKey", label_account_id as "labelAccountId", sealed_label as "sealedLabel",
            sealed_network as "sealedNetwork", created_at as "createdAt"
       from link
      where user_code_index = any($1) and state = 'pending' and expires_at > $2
        and epoch >= (select epoch from floor where kind = 'link')`,
    [splitMacs(await keyholder.index("user-code", code.revealText())), toDate(clock.now())],
  );
  if (row === undefined) return undefined;
  const { dataKey, labelAccountId } = row;
  const [label, network] = await keyholder.open([
    { dataKey, place: labelPlace(labelAccountId), sealed: row.sealedLabel },
    { dataKey, place: networkPlace(labelAccountId), sealed: row.sealedNetwork },
  ]);
  return {
    userCode: spacedCode(code),
    class: row.class,
    label: label ?? "",
    network: network ?? "",
    sameNetwork: network !== null && network !== undefined && networkOf(network) === networkOf(askerNetwork),
    askedAt: fromDate(row.createdAt),
  };
}

/** As people read it from a screen: two groups of four. */
export function spacedCode(code: Secret): string {
  const text = code.revealText();
  return `${text.slice(0, 4)}-${text.slice(4)}`;
}

export type DecideOutcome =
  | { readonly kind: "approved" }
  | { readonly kind: "denied" }
  | { readonly kind: "refused" }
  /** The approving session was handed over itself, and nobody has proved anything in it since. */
  | { readonly kind: "proof-needed" }
  /** The approving session is older than what links need since a containment that spared sessions. */
  | { readonly kind: "renew-first" };

/**
 * Approves or denies a link. Claimed in one statement: one decision per code. The link takes the lower of its own epoch
 * and the approving session's, so that an old session cannot make anything new. A device that was linked links no other before
 * somebody proves in it who they are: one handing over to the next, it would stay signed in beyond every limit, and beyond
 * its own sign-out. It may deny.
 */
export async function decideLink(
  { db, keyholder, clock, random, waiting }: Needs,
  viewer: Viewer,
  typedCode: string,
  decision: "approve" | "deny",
): Promise<DecideOutcome> {
  const code = readTypedCode(typedCode, userCodeLength);
  if (code === undefined) return { kind: "refused" };
  if (decision === "approve" && viewer.proof === "linked") return { kind: "proof-needed" };
  const now = clock.now();
  const floor = await db.one<{ epoch: Epoch }>(`select epoch from floor where kind = 'link'`);
  if (decision === "approve" && (floor === undefined || viewer.epoch < floor.epoch)) return { kind: "renew-first" };
  const userCodeIndexes = splitMacs(await keyholder.index("user-code", code.revealText()));
  const state = decision === "approve" ? "approved" : "denied";
  const decided = await db.transaction(async (tx) => {
    // By itself, since the account lies on a shard and the link does not.
    if (!(await holdAccount(tx, viewer.accountId, viewer.generation))) return undefined;
    const taken = await tx.one<{ digest: Buffer }>(
      `update link
          set state = $3, account_id = $4, generation = $5, epoch = least(epoch, $6)
        where user_code_index = any($1) and state = 'pending' and expires_at > $2
          and least(epoch, $6) >= (select epoch from floor where kind = 'link')
        returning device_digest as digest`,
      [userCodeIndexes, toDate(now), state, viewer.accountId, viewer.generation, viewer.epoch],
    );
    if (taken === undefined) return undefined;
    const kind = decision === "approve" ? "link approved" : "link denied";
    await append(tx, now, { kind, detail: { account: viewer.accountId } }, random);
    return taken.digest;
  });
  if (decided === undefined) return { kind: "refused" };
  // The TV hears of it by its next poll; one that polls another node, when that node has read its links again.
  waiting.forget(decided);
  return { kind: state };
}

export type ClaimOutcome =
  | { readonly kind: "claimed"; readonly token: Secret; readonly expiresAt: EpochMs }
  | { readonly kind: "refused"; readonly reason: "pending" | "slow-down" | "denied" | "expired" };

interface LinkRow {
  accountId: AccountId | null;
  class: LinkClass;
  state: "pending" | "approved" | "denied";
  epoch: Epoch;
  generation: number | null;
  dataKey: Buffer;
  labelAccountId: AccountId;
  sealedLabel: Buffer;
  sealedNetwork: Buffer;
  tooSoon: boolean;
  intervalSeconds: number;
  expiresAt: Date;
}

/** Ends the links that somebody approved for the account and no device has claimed yet. */
export async function endApprovedLinks(tx: Tx, accountId: AccountId): Promise<void> {
  await tx.run(`update link set state = 'denied' where account_id = $1 and state = 'approved' and claimed_at is null`, [
    accountId,
  ]);
}

/**
 * Exchanges a device code for a session, once it is approved. At most one caller ever gets it: the update tests and
 * takes the row in one statement. A link that is still pending is remembered, and polls are answered from memory until
 * somebody decides. A code that never existed answers `expired`, the same as one that did, so polling
 * cannot enumerate codes; a device that polls faster than its interval is told to slow down, for good (five more
 * seconds each time). A device that is signed in already is so by the new session alone.
 *
 * Source: RFC 8628 section 3.5.
 */
export async function claimLink(needs: Needs, deviceCode: Secret, replaces: Viewer | null): Promise<ClaimOutcome> {
  const { db, keyholder, clock, random, waiting } = needs;
  const now = clock.now();
  const digest = deviceCode.digest();
  const remembered = waiting.answer(digest);
  if (remembered !== undefined) return { kind: "refused", reason: remembered };
  const link = await db.one<LinkRow>(
    `update link l
        set last_polled_at = $2,
            interval_seconds = case when old.too_soon then least(l.interval_seconds + $3, $4) else l.interval_seconds end
       from (select device_digest,
                    coalesce(last_polled_at > $2::timestamptz - make_interval(secs => interval_seconds * $5::float8), false)
                      as too_soon
               from link where device_digest = $1) old
      where l.device_digest = old.device_digest and l.expires_at > $2 and l.claimed_at is null
        and l.epoch >= (select epoch from floor where kind = 'link')
      returning l.account_id as "accountId", l.class, l.state, l.epoch, l.generation, l.data_key as "dataKey",
                l.label_account_id as "labelAccountId", l.sealed_label as "sealedLabel",
                l.sealed_network as "sealedNetwork", old.too_soon as "tooSoon",
                l.interval_seconds as "intervalSeconds", l.expires_at as "expiresAt"`,
    [digest, toDate(now), slowDownSeconds, longestIntervalSeconds, inTimeShare],
  );
  if (link === undefined) return { kind: "refused", reason: "expired" };
  if (link.state === "denied") return { kind: "refused", reason: "denied" };
  if (link.state === "pending" || link.accountId === null) {
    waiting.remember(digest, { intervalSeconds: link.intervalSeconds, expiresAt: fromDate(link.expiresAt) });
    return { kind: "refused", reason: link.tooSoon ? "slow-down" : "pending" };
  }

  const { accountId, epoch, generation } = link;
  const [label, network] = await keyholder.open([
    { dataKey: link.dataKey, place: labelPlace(link.labelAccountId), sealed: link.sealedLabel },
    { dataKey: link.dataKey, place: networkPlace(link.labelAccountId), sealed: link.sealedNetwork },
  ]);
  const account = await db.one<{ dataKey: Buffer }>(`select data_key as "dataKey" from account where id = $1`, [
    accountId,
  ]);
  if (account === undefined || generation === null) return { kind: "refused", reason: "expired" };
  const session = await prepareSession(needs, {
    accountId,
    dataKey: account.dataKey,
    class: link.class,
    label: label ?? "",
    network: network ?? "",
    now,
  });
  const claimed = await refusable(() =>
    db.transaction(async (tx) => {
      const taken = await tx.run(
        `update link set claimed_at = $2
          where device_digest = $1 and state = 'approved' and claimed_at is null and expires_at > $2
            and epoch >= (select epoch from floor where kind = 'link')`,
        [digest, toDate(now)],
      );
      if (taken === 0) throw new Refused();
      // The session carries the link's epoch and generation, not today's.
      const proof = { epoch, generation, floors: ["link"], by: "linked" as const };
      if (!(await writeSession(tx, session, proof, now))) throw new Refused();
      await endReplaced(tx, replaces, now, random);
      await append(tx, now, { kind: "link claimed", detail: { account: accountId, class: link.class } }, random);
    }),
  );
  if (!claimed) return { kind: "refused", reason: "expired" };
  needs.logSignIn({ way: "link" }, { kind: "signed-in", sessionId: session.sessionId });
  return { kind: "claimed", token: tokenOf(session), expiresAt: session.expiresAt };
}
