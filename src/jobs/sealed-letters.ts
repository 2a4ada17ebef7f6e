import type { Tx } from "../db/db.ts";

/** A letter that waits in the queue, sealed to the mailer. */
export interface QueuedLetter {
  readonly jobId: string;
  readonly id: string;
  readonly sealed: string;
}

/** SQL: the version that a queued letter's seal names; its first 8 characters of base64url hold the first 6 bytes. */
const sealedVersion = `(get_byte(head, 1)::bigint << 24) | (get_byte(head, 2) << 16) | (get_byte(head, 3) << 8) | get_byte(head, 4)`;
const letters = `
  select job.id, job.payload,
         decode(translate(left(job.payload ->> 'sealed', 8), '-_', '+/'), 'base64') as head
    from graphile_worker._private_jobs job join graphile_worker._private_tasks task on task.id = job.task_id
   where task.identifier in ('send-code', 'send-letter') and length(job.payload ->> 'sealed') >= 8`;

/** How many letters in the queue name each version of the mailer's key. Ones that were given up are not counted. */
export async function countSealedLetters(tx: Tx): Promise<{ readonly version: number; readonly rows: number }[]> {
  return tx.many(
    `select ${sealedVersion} as version, count(*) as rows from (${letters} and job.attempts < job.max_attempts) letter
      group by 1 order by 1`,
  );
}

/** Letters in the queue that name another version, in order of their jobs after one. */
export async function readSealedLetters(tx: Tx, version: number, after: string, limit: number) {
  return tx.many<QueuedLetter>(
    `select id::text as "jobId", payload ->> 'id' as id, payload ->> 'sealed' as sealed from (${letters}) letter
      where ${sealedVersion} <> $1 and id > $2::bigint order by id limit $3`,
    [version, after, limit],
  );
}

/** Puts a letter that was sealed again in its place, unless its job has changed meanwhile. */
export async function replaceSealedLetter(tx: Tx, { jobId, sealed }: QueuedLetter, again: string): Promise<void> {
  await tx.run(
    `update graphile_worker._private_jobs
        set payload = jsonb_set(payload::jsonb, '{sealed}', to_jsonb($3::text))::json
      where id = $1::bigint and payload ->> 'sealed' = $2`,
    [jobId, sealed, again],
  );
}
