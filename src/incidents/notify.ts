import type { AccountId, IncidentId } from "../kernel/brand.ts";
import { openAccounts } from "../accounts/accounts.ts";
import type { Tx } from "../db/db.ts";
import { enqueue } from "../jobs/jobs.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import type { Notified } from "../wire/incidents.ts";
import { startCampaign, type CampaignNeeds, type StartRefusal } from "./campaign.ts";
import type { DeadlineRule } from "./deadlines.ts";
import { noticeIn, type NoticeText } from "./notice.ts";
import { pauseCampaign, resumeCampaign } from "./pause.ts";
import { planCampaign, type CountScope, type WayOut } from "./plan.ts";
import { planLines } from "./plan-lines.ts";
import { noticeFacts, previewNotices } from "./preview.ts";
import { askForSurvey, readSurvey } from "./survey.ts";

export type NotifyOutcome = Notified | { readonly kind: "refused"; readonly reason: string };

/**
 * The campaign's steps as the console and the command line ask for them. A test letter is queued and leaves by the
 * mailer, the way the real ones will. A plan has what the worker has found out so far, and asks it for what is missing.
 */
export async function notifyIncident(
  needs: CampaignNeeds & {
    readonly keyholder: Pick<Keyholder, "open" | "newDataKey" | "seal">;
    readonly wayOut: WayOut;
    /** Those that a plan counts: see `readDeadlines`. */
    readonly deadlines: readonly DeadlineRule[];
    readonly scopeCounts?: CountScope;
  },
  incidentId: IncidentId,
  action: "preview" | "test" | "plan" | "start" | "pause" | "resume",
  operator: AccountId | "host",
): Promise<NotifyOutcome> {
  const noCase = { kind: "refused", reason: "there is no such case" } as const;
  switch (action) {
    case "preview": {
      const [notices, [account]] = await Promise.all([
        previewNotices(needs, incidentId),
        openAccounts(needs, operator === "host" ? [] : [operator]),
      ]);
      if (notices === undefined) return noCase;
      const { subject, text, html } = noticeIn(notices, account?.locale);
      return { kind: "preview", subject, text, html, letters: notices.map(withoutHash) };
    }
    case "plan": {
      await askForSurvey(needs, incidentId);
      const survey = await readSurvey(needs.db, incidentId);
      const plan = await planCampaign({ ...needs, ...needs.wayOut }, incidentId, survey);
      if (plan === undefined) return noCase;
      return { kind: "plan", text: planLines(plan).join("\n"), plan };
    }
    case "test": {
      if (needs.wayOut.leavesBy === "nowhere") return { kind: "refused", reason: noRelay };
      if (operator === "host") return { kind: "refused", reason: "a test letter needs an operator to go to" };
      if ((await noticeFacts(needs.db, incidentId)) === undefined) return noCase;
      const why = await whyNoTest(needs.db, operator);
      if (why !== undefined) return { kind: "refused", reason: why };
      await needs.db.transaction((tx) =>
        enqueue(tx, "campaign", { incidentId, testFor: operator }, { maxAttempts: 5, priority: -10 }),
      );
      return { kind: "test-sent" };
    }
    case "pause":
    case "resume": {
      const outcome = await (action === "pause" ? pauseCampaign : resumeCampaign)(needs, incidentId, operator);
      if (outcome === "not running") return { kind: "refused", reason: "no letters of this case are going out" };
      return { kind: action === "pause" ? "paused" : "resumed" };
    }
    case "start": {
      const outcome = await startCampaign(needs, incidentId, operator);
      if (outcome.kind === "refused") return { kind: "refused", reason: startRefusal(outcome.reason) };
      return { kind: outcome.kind, sum: outcome.sum };
    }
  }
}

/** Why no test letter can go to this account. It tells of the theft, which nobody but operators is to read yet. */
async function whyNoTest(tx: Tx, to: AccountId): Promise<string | undefined> {
  const found = await tx.one<{ role: string; isReachable: boolean }>(
    `select role, exists (select from account_address a where a.account_id = account.id) as "isReachable"
       from account where id = $1`,
    [to],
  );
  if (found?.role !== "operator") return "a test letter goes to an operator, and this is no operator's account";
  return found.isReachable ? undefined : "this operator has no address to send it to";
}

/** The reply has exactly the fields that its schema knows. */
const withoutHash = ({ locale, subject, text, html }: NoticeText): NoticeText => ({ locale, subject, text, html });

const noRelay =
  "there is no relay, so that letters would reach nobody: SMTP_URL has to name one, in the settings of the service and of this command";

function startRefusal(reason: StartRefusal): string {
  switch (reason) {
    case "no such case":
      return "there is no such case";
    case "not contained":
      return "the theft is not contained yet: contain first, so that the letter can say what was done";
    case "copied since":
      return "the copy was taken after the last containment, which has refused nothing of it: contain again";
    case "closed":
      return "the case is closed";
    case "unfit letter":
      return "the letter cannot be written in every language: the preview shows where a word is missing";
    case "no relay":
      return noRelay;
    case "no contact":
      return "the letter names nobody to ask: CONTACT_ADDRESS has to name an address that somebody reads, in the settings of the service and of this command";
  }
}
