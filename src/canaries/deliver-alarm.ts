import { parseId, type AccountId } from "../kernel/brand.ts";
import type { Clock } from "../kernel/clock.ts";
import { Fault } from "../kernel/fault.ts";
import type { Db } from "../db/db.ts";
import { openAddresses } from "../accounts/accounts.ts";
import { operatorsThatCount } from "../credentials/added-since.ts";
import { defineTask, enqueue, type JobContext, type Payload, type TaskDefinition } from "../jobs/jobs.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import type { MailTransport } from "../mail/mail.ts";
import { writeLetter, type ServiceFacts } from "../mail/templates.ts";
import { alarmLetter } from "./alarm-letter.ts";
import { readAlarm } from "./alarms.ts";
import type { AlarmId } from "./raise-alarm.ts";
import { deliver, type Webhook } from "./webhook.ts";

interface Needs {
  readonly db: Db;
  /** Mailer's role. */
  readonly keyholder: Pick<Keyholder, "open">;
  readonly transport: MailTransport;
  readonly service: ServiceFacts;
  readonly clock: Clock;
  /** ALARM_ADDRESS: told besides the operators. */
  readonly alarmAddress: string | null;
  readonly webhook: Webhook | null;
}

/**
 * The tasks that carry an alarm out of the house: one fans out, and then each letter and the webhook is a job of its own,
 * tried again by itself, so that one receiver who is away holds up no other.
 */
export function alarmTasks(needs: Needs): readonly TaskDefinition[] {
  const { db } = needs;
  return [
    defineTask("deliver-alarm", async ({ alarmId, telling }) => {
      await db.transaction(async (tx) => {
        const recipients: readonly (AccountId | undefined)[] = [
          ...(await operatorsThatCount(tx)),
          ...(needs.alarmAddress === null ? [] : [undefined]),
        ];
        for (const accountId of recipients) {
          await enqueue(tx, "alarm-letter", { alarmId, telling, ...(accountId === undefined ? {} : { accountId }) });
        }
        if (needs.webhook !== null) await enqueue(tx, "alarm-webhook", { alarmId, telling });
      });
    }),
    defineTask("alarm-letter", (payload, context) => sendAlarmLetter(needs, payload, context)),
    defineTask("alarm-letter-to", (payload, context) => sendAlarmLetter(needs, payload, context)),
    defineTask("alarm-webhook", async ({ alarmId, telling }, { log }) => {
      const { webhook, clock } = needs;
      const alarm = await readAlarm(db, alarmId as AlarmId);
      if (webhook === null || alarm === undefined) return;
      const { facts: _facts, ...told } = alarm;
      const data = { ...told, console: `${needs.service.origin}/console` };
      const failed = await deliver(
        webhook,
        { id: `alarm_${alarmId}_${telling}`, type: "alarm.raised", data },
        clock.now(),
      );
      if (failed !== undefined) throw new Fault("WEBHOOK_UNAVAILABLE", `the alarm's webhook: ${failed}`);
      log.info({ alarmId }, "the alarm's webhook took it");
    }),
  ];
}

/**
 * Sends one letter; of an operator with several addresses it queues one for each instead, so that one which the relay puts off is tried
 * again by itself. Throws for what is to be tried again.
 */
async function sendAlarmLetter(
  { db, keyholder, transport, service, alarmAddress }: Needs,
  { alarmId, telling, accountId: told, addressId }: Payload<"alarm-letter"> & Partial<Payload<"alarm-letter-to">>,
  { log }: JobContext,
): Promise<void> {
  const accountId = parseId<AccountId>(told);
  const alarm = await readAlarm(db, alarmId as AlarmId);
  if (alarm === undefined) return;
  const [account] = accountId === undefined ? [] : await openAddresses({ db, keyholder }, [accountId]);
  const addresses = (account?.addresses ?? []).filter(({ id }) => addressId === undefined || id === addressId);
  if (accountId !== undefined && addresses.length > 1) {
    return db.transaction(async (tx) => {
      for (const { id } of addresses) {
        // Done twice, it queues each once.
        const key = `alarm ${alarmId} ${telling} ${id}`;
        await enqueue(tx, "alarm-letter-to", { alarmId, telling, accountId, addressId: id }, { key });
      }
    });
  }
  const to = accountId === undefined ? alarmAddress : addresses[0]?.address;
  // It was removed meanwhile, or does not open.
  if (to === undefined || to === null || to === "") return;
  // Of the named address no language is known.
  const locale = account?.locale ?? "en";
  const written = writeLetter(service, locale, { kind: "alarm", ...alarmLetter(alarm, service, locale) });
  const messageId = `alarm.${alarmId}.${telling}.${accountId ?? "named"}.${addressId ?? 0}`;
  const sent = await transport.send({ to, written, messageId });
  if (sent.kind === "deferred") throw new Fault("MAIL_UNAVAILABLE", `the relay put an alarm off: ${sent.reply}`);
  log.info({ alarmId, outcome: sent.kind, reply: sent.reply }, "an alarm left by mail");
}
