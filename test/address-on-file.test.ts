import { expect, test } from "vitest";
import { dayMs } from "../src/kernel/clock.ts";
import { silentLog } from "../src/kernel/log.ts";
import type { AccountId } from "../src/kernel/brand.ts";
import { browserCookie } from "../src/http/cookies.ts";
import type { SealedLetterPayload } from "../src/jobs/jobs.ts";
import { letterTasks } from "../src/mail/letter-tasks.ts";
import { listMailbox, openMailbox } from "../src/mail/mailbox.ts";
import { addressOnFile } from "../src/renewal/address-on-file.ts";
import { startRecovery } from "../src/renewal/recovery.ts";
import { asCookie, goodPassword, testService } from "./service.ts";
import { addAddress } from "./people.ts";

/** Who has a mailbox that differs from somebody's in case alone, where case makes two of them, gets none of their letters. */
const service = await testService();
const { db, clock, random, keyholders, config } = service.ground;
const keyholder = keyholders.mailer;
const tasks = letterTasks({
  keyholder,
  transport: openMailbox({ db, keyholder, clock, random }),
  service: { name: "Houselights", origin: config.publicOrigin, contact: null },
  clock,
  addressOnFile: (accountId, typed) => addressOnFile({ db, keyholder }, accountId, typed),
});

/** Asks for a renewal, and sends what is queued. @returns where its code was mailed. */
async function mailedTo(typed: string, meanwhile: () => Promise<unknown> = () => Promise.resolve()): Promise<string[]> {
  await db.run(`delete from graphile_worker._private_jobs`);
  await db.run(`delete from mailbox_letter`);
  const asked = await service.call("POST", "/api/renewals", { body: { address: typed } });
  expect([asked.status, typeof asked.cookies[browserCookie]]).toEqual([202, "string"]);
  const [job] = await db.many<{ payload: SealedLetterPayload }>(
    `select payload from graphile_worker._private_jobs j join graphile_worker._private_tasks t on t.id = j.task_id
      where t.identifier = 'send-code'`,
  );
  await meanwhile();
  const signal = new AbortController().signal;
  const context = { log: silentLog, signal, attempt: 1, maxAttempts: 5, jobId: "1" };
  await tasks.find(({ name }) => name === "send-code")?.run(job?.payload, context);
  return (await listMailbox({ db, keyholder }, { limit: 10 })).map(({ to }) => to);
}

test("a code to renew goes to the address as it was proved, however it is typed, and nowhere for one that nobody has", async () => {
  await service.account("Kate.O@Example.org", goodPassword);
  for (const typed of ["Kate.O@Example.org", "kate.o@example.org", "KATE.O@EXAMPLE.ORG", " kate.O@ｅxample.org "]) {
    expect([typed, await mailedTo(typed)]).toEqual([typed, ["Kate.O@Example.org"]]);
  }
  expect(await mailedTo("nobody@example.org")).toEqual([]);
});

test("one that was removed after the code was asked for gets none, and nor does the address of a recovery", async () => {
  const accountId = (await service.account("stays@example.org", goodPassword)) as AccountId;
  const order = { accountId, address: "elsewhere@example.net", withoutSecondFactor: false, by: "host" };
  expect((await startRecovery({ db, keyholder: keyholders.operator, clock, random }, order)).kind).toBe("started");
  const session = await service.signIn("stays@example.org", goodPassword);
  await addAddress(service, { session }, "Leaves@example.org");
  expect(await mailedTo("leaves@example.org")).toEqual(["Leaves@example.org"]);
  const cookies = asCookie(session);
  const { body } = await service.call("GET", "/api/account", { cookies });
  const left = (body["addresses"] as { id: string; address: string }[]).find(({ address }) => address.startsWith("L"));
  const removed = () => service.call("DELETE", `/api/account/addresses/${left?.id}`, { cookies });
  expect(await mailedTo("leaves@example.org", removed)).toEqual([]);
});

test("nor does another spelling of the address that a recovery names", async () => {
  const accountId = (await service.account("lost@example.org", goodPassword)) as AccountId;
  const order = { accountId, address: "New.Home@example.org", withoutSecondFactor: false, by: "host" };
  const started = await startRecovery({ db, keyholder: keyholders.operator, clock, random }, order);
  expect(started.kind).toBe("started");
  service.clock.advance(4 * dayMs);
  expect(await mailedTo("new.home@example.org")).toEqual(["New.Home@example.org"]);
});
