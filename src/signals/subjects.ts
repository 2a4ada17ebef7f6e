import { parseId, type AccountId } from "../kernel/brand.ts";
import type { Db } from "../db/db.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import { lookUpForm } from "../mail/address.ts";
import { findAccount } from "../accounts/accounts.ts";
import type { Subject, SubjectFormat } from "../wire/signals.ts";
import type { Receiver } from "./receivers.ts";
import type { StreamId } from "./streams.ts";
import { sealedPlace } from "./verify.ts";

interface Needs {
  readonly db: Db;
  readonly keyholder: Pick<Keyholder, "index" | "seal">;
  readonly issuer: string;
}

export type SubjectOutcome = "noted" | "no-such-stream" | "other-format";

/**
 * Adds an account to a stream, or removes it (SSF 1.0 section 8.1.3). A stream that names accounts by id is about all of
 * them but those removed; one that names them by address is about those alone that its receiver added, under the very
 * address it gave. The answer is the same whether or not there is such an account (section 9.1).
 */
export async function noteSubject(
  needs: Needs,
  receiver: Receiver,
  streamId: StreamId,
  subject: Subject,
  state: "added" | "removed",
): Promise<SubjectOutcome> {
  const { db, keyholder } = needs;
  const stream = await db.one<{ format: SubjectFormat }>(
    `select subject_format as format from signal_stream where id = $1 and receiver_id = $2`,
    [streamId, receiver.id],
  );
  if (stream === undefined) return "no-such-stream";
  if (stream.format !== subject.format) return "other-format";
  const address = subject.format === "email" ? subject.email : undefined;
  const sealed =
    address === undefined || state === "removed"
      ? null
      : await keyholder.seal(receiver.dataKey, sealedPlace(receiver.id), address);
  const accountId = await accountOf(needs, subject);
  // Sealed for the place that a delivery will copy it to. Nothing is written of an account that does not exist, nor of a stream that is
  // deleted meanwhile.
  await db.run(
    `insert into signal_subject (account_id, stream_id, state, sealed_address)
     select $1, s.id, $3, $4 from signal_stream s where s.id = $2 and exists (select from account where id = $1) for key share of s
     on conflict (account_id, stream_id) do update set state = excluded.state, sealed_address = excluded.sealed_address`,
    [accountId ?? nobody, streamId, state, sealed],
  );
  return "noted";
}

/** No account's id: the statement is the same for everybody. */
const nobody = "00000000-0000-0000-0000-000000000000";

async function accountOf({ db, keyholder, issuer }: Needs, subject: Subject): Promise<AccountId | undefined> {
  switch (subject.format) {
    case "iss_sub":
      return subject.iss === issuer ? parseId<AccountId>(subject.sub) : undefined;
    case "opaque":
      return parseId<AccountId>(subject.id);
    case "email": {
      const { accountId } = await findAccount(db, await keyholder.index("address", lookUpForm(subject.email)));
      return accountId ?? undefined;
    }
  }
}
