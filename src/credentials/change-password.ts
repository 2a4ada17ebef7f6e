import type { AccountId, Epoch, SessionId } from "../kernel/brand.ts";
import type { Clock } from "../kernel/clock.ts";
import type { Random } from "../kernel/random.ts";
import type { Secret } from "../kernel/secret.ts";
import type { Db, Tx } from "../db/db.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import { isFresh } from "../http/strong-proof.ts";
import type { Viewer } from "../http/viewer.ts";
import { append } from "../timeline/append.ts";
import { openAccounts, raiseGeneration } from "../accounts/accounts.ts";
import type { SignalKind } from "../signals/events.ts";
import { queueSignal } from "../signals/queue-signal.ts";
import { limits } from "../wire/common.ts";
import { changed, prepareChange } from "./changed.ts";
import type { SeenFloors } from "./floors.ts";
import type { BreachedPasswords } from "./breached/breached.ts";
import type { HashPool } from "./hash-pool.ts";
import { judgePassword, tooShort } from "./password-rules.ts";
import {
  answersProof,
  hashForProof,
  passwordSetAt,
  readPasswordProof,
  sealNewPassword,
  storePassword,
  type Decoy,
} from "./passwords.ts";
import { isAnyOf, readRefused } from "./refused-passwords.ts";
import { isStillLongEnough, leastPasswordLength, readSecondFactors } from "./second-factors.ts";
import { Refused, refusable } from "./sign-up.ts";

interface Needs {
  readonly db: Db;
  readonly keyholder: Keyholder;
  readonly hashPool: HashPool;
  readonly breached: BreachedPasswords;
  readonly clock: Clock;
  readonly random: Random;
  readonly decoy: Decoy;
  readonly seen: SeenFloors;
  readonly serviceName: string;
  /** Signs out every session of the account but one; the sessions room owns that table. */
  readonly keepOnlySession: (tx: Tx, accountId: AccountId, keep: SessionId, generation: number) => Promise<void>;
}

export type ChangeOutcome =
  | { readonly kind: "changed" }
  | { readonly kind: "wrong-password" }
  /** The session was made before a containment that spared sessions: its password is changed by renewal. */
  | { readonly kind: "renew-first" }
  /** One that a containment refused, and that somebody else may have. */
  | { readonly kind: "password-is-old" }
  | { readonly kind: "refused"; readonly rule: string; readonly detail: string }
  | { readonly kind: "session-ended" };

/**
 * Changes the viewer's password, proved by the current one, and by default signs out every other device in the same
 * transaction. It replaces the very record that proved it, in the generation that asked: an owner who renews, or is
 * contained, while somebody else's change is on its way wins. An account that has none yet (an operator's first minutes) sets
 * one within five minutes of its proof.
 *
 * Source: NIST SP 800-63B-4 section 3.1.1.2, ASVS 5.0 6.2.3 and 7.4.3.
 */
export async function changePassword(
  needs: Needs,
  viewer: Viewer,
  order: { readonly current: Secret | undefined; readonly next: Secret; readonly signOutDevices: boolean },
): Promise<ChangeOutcome> {
  const { db, keyholder, clock, random, seen } = needs;
  const { accountId } = viewer;
  const now = clock.now();
  const floor = await db.one<{ epoch: Epoch }>(`select epoch from floor where kind = 'password'`);
  if (floor === undefined || viewer.epoch < floor.epoch) return { kind: "renew-first" };

  const proof = await readPasswordProof(db, accountId, needs.decoy, seen);
  if (order.current === undefined) {
    const hasPassword = (await passwordSetAt(db, accountId)) !== null;
    if (hasPassword || !isFresh(viewer.provedAt, now)) return { kind: "wrong-password" };
  } else {
    const tag = await hashForProof(needs, "second factor", order.current, proof);
    if (!(await answersProof(needs, tag, proof))) return { kind: "wrong-password" };
  }

  const [account] = await openAccounts({ db, keyholder }, [accountId]);
  if (account === undefined) return { kind: "session-ended" };
  const addresses = account.addresses.map(({ address }) => address).filter((address) => address !== "");
  const leastLength = leastPasswordLength(await readSecondFactors(db, accountId, seen));
  const about = { name: account.name, service: needs.serviceName, leastLength };
  for (const address of addresses.length === 0 ? [""] : addresses) {
    const verdict = judgePassword(order.next.revealText(), { ...about, address }, needs.breached);
    if (verdict.kind === "refused") return verdict;
  }

  const refused = await readRefused(db, accountId);
  const [isOld, sealed] = await Promise.all([
    isAnyOf(needs, "second factor", accountId, refused, order.next),
    sealNewPassword(needs, "second factor", accountId, order.next),
  ]);
  if (isOld) return { kind: "password-is-old" };
  // The lowest epoch of what proved it: the session, and the password as it was read.
  const epoch = Math.min(viewer.epoch, proof.epoch) as Epoch;
  const { generation } = viewer;
  const change = await prepareChange(needs, account, { kind: "password changed", epoch, now, generation });
  const replaces = order.current === undefined ? Buffer.alloc(0) : proof.salt;
  let isLongEnough = true;
  const isChanged = await refusable(() =>
    db.transaction(async (tx) => {
      if (!(await storePassword(tx, accountId, sealed, epoch, now, replaces))) throw new Refused();
      if (!(await changed(tx, change))) throw new Refused();
      isLongEnough = await isStillLongEnough(tx, accountId, order.next);
      if (!isLongEnough) throw new Refused();
      if (order.signOutDevices) {
        const raised = await raiseGeneration(tx, accountId, generation);
        if (raised === undefined) throw new Refused();
        await needs.keepOnlySession(tx, accountId, viewer.sessionId, raised);
      }
      const told: SignalKind[] = ["password changed", ...(order.signOutDevices ? (["session revoked"] as const) : [])];
      await queueSignal(tx, random, accountId, told, "password changed", now);
      const detail = { account: accountId, "signed out devices": order.signOutDevices, epoch };
      await append(tx, now, { kind: "password changed", detail }, random);
    }),
  );
  if (!isLongEnough) return tooShort(limits.passwordLengthAlone);
  return isChanged ? { kind: "changed" } : { kind: "session-ended" };
}
