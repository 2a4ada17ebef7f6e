import type { AccountId, Epoch, SessionClass, SessionId } from "../kernel/brand.ts";
import { toDate, type EpochMs } from "../kernel/clock.ts";
import type { Secret } from "../kernel/secret.ts";
import type { Tx } from "../db/db.ts";

export interface MadeSession {
  readonly accountId: AccountId;
  readonly sessionId: SessionId;
  readonly secret: Secret;
  readonly class: SessionClass;
  readonly sealedLabel: Uint8Array;
  readonly sealedNetwork: Uint8Array;
}

/** Writes sessions of the first generation, hundreds in a statement, for a population that is made and signs nobody in. */
export async function addSessions(
  tx: Tx,
  sessions: readonly MadeSession[],
  { epoch, at, expiresAt }: { readonly epoch: Epoch; readonly at: EpochMs; readonly expiresAt: EpochMs },
): Promise<void> {
  await tx.run(
    `insert into session (account_id, id, digest, class, epoch, generation, sealed_label, sealed_network,
                          created_at, proved_at, last_seen_at, expires_at)
     select account_id, id, digest, class, $7, 1, label, network, $8, $8, $8, $9
       from unnest($1::uuid[], $2::uuid[], $3::bytea[], $4::text[], $5::bytea[], $6::bytea[])
              as s (account_id, id, digest, class, label, network)`,
    [
      sessions.map(({ accountId }) => accountId),
      sessions.map(({ sessionId }) => sessionId),
      sessions.map(({ secret }) => secret.digest()),
      sessions.map((session) => session.class),
      sessions.map(({ sealedLabel }) => sealedLabel),
      sessions.map(({ sealedNetwork }) => sealedNetwork),
      epoch,
      toDate(at),
      toDate(expiresAt),
    ],
  );
}
