import type { AccountId, IncidentId } from "../kernel/brand.ts";
import { openAccounts } from "../accounts/accounts.ts";
import { enqueue } from "../jobs/jobs.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import type { Notified } from "../wire/incidents.ts";
import { startCampaign, type CampaignNeeds, type StartRefusal } from "./campaign.ts";
import { noticeIn, type NoticeText } from "./notice.ts";
import { noticeFacts, planCampaign, previewNotices, type Plan } from "./preview.ts";

export type NotifyOutcome = Notified | { readonly kind: "refused"; readonly reason: string };

/**
 * The campaign's four steps as the console and the command line ask for them. A test letter is queued and leaves by the
 * mailer, the way the real ones will.
 */
export async function notifyIncident(
  needs: CampaignNeeds & {
    readonly keyholder: Pick<Keyholder, "open">;
    readonly leavesBy: Plan["leavesBy"];
  },
  incidentId: IncidentId,
  action: "preview" | "test" | "plan" | "start",
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
      const plan = await planCampaign(needs, incidentId);
      if (plan === undefined) return noCase;
      return { kind: "plan", text: planText(plan), plan: { ...plan, byLocale: [...plan.byLocale] } };
    }
    case "test": {
      if (operator === "host") return { kind: "refused", reason: "a test letter needs an operator to go to" };
      if ((await noticeFacts(needs.db, incidentId)) === undefined) return noCase;
      await needs.db.transaction((tx) =>
        enqueue(tx, "campaign", { incidentId, testFor: operator }, { maxAttempts: 5, priority: -10 }),
      );
      return { kind: "test-sent" };
    }
    case "start": {
      const outcome = await startCampaign(needs, incidentId, operator);
      if (outcome.kind === "refused") return { kind: "refused", reason: startRefusal(outcome.reason) };
      return { kind: outcome.kind, sum: outcome.sum };
    }
  }
}

/** The plan in lines for a terminal. */
function planText({ inScope, withAddress, withoutAddress, byLocale, leavesBy, measured }: Plan): string {
  return [
    `${inScope} accounts in scope: ${withAddress} with an address, ${withoutAddress} without`,
    `languages: ${byLocale.map(({ locale, accounts }) => `${locale} ${accounts}`).join(", ")}`,
    leavesBy === "relay" ? "letters leave by the relay" : "there is no relay: letters stay in the built-in mailbox",
    measured === null
      ? "how long it takes is not known: this relay's rate was never measured"
      : `at the last campaign's rate, ${measured.lettersPerHour} letters an hour, about ${measured.hours} h`,
  ].join("\n");
}

/** The reply has exactly the fields that its schema knows. */
const withoutHash = ({ locale, subject, text, html }: NoticeText): NoticeText => ({ locale, subject, text, html });

function startRefusal(reason: StartRefusal): string {
  switch (reason) {
    case "no such case":
      return "there is no such case";
    case "not contained":
      return "the theft is not contained yet: contain first, so that the letter can say what was done";
    case "closed":
      return "the case is closed";
  }
}
