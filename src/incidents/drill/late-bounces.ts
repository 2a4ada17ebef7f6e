import { createTransport } from "nodemailer";
import { secondMs, sleep } from "../../kernel/clock.ts";
import { messageOf } from "../../kernel/fault.ts";
import type { Random } from "../../kernel/random.ts";

export interface LateBounces {
  /** Sends a letter that was taken back to its Return-Path, after a while, and again until it is taken or refused. */
  report(returnPath: string, to: string): void;
  /** Reports that were taken. */
  taken(): number;
  /** Reports that are still to be handed over. */
  waiting(): number;
  /** Answers by which a report was refused for good; there should be none. */
  readonly refused: readonly string[];
  stop(): Promise<void>;
}

/** How long a provider keeps a letter before it finds out that nobody has the mailbox. */
const longestMs = 2 * secondMs;
const retryMs = secondMs / 2;

/** The providers' way back: delivery reports (RFC 3464) to the Return-Path, by SMTP to where the service takes them. */
export function startLateBounces(port: number, random: Random): LateBounces {
  const transport = createTransport({ host: "127.0.0.1", port, secure: false, ignoreTLS: true, name: "late.example" });
  const stopping = new AbortController();
  const running = new Set<Promise<void>>();
  const refused: string[] = [];
  let taken = 0;

  async function deliver(returnPath: string, to: string): Promise<void> {
    await sleep(random.below(longestMs), stopping.signal);
    while (!stopping.signal.aborted) {
      try {
        // Reports have no sender themselves (RFC 3464 section 2), so that none is ever sent about one.
        await transport.sendMail({ envelope: { from: "", to: returnPath }, raw: deliveryReport(to) });
        taken++;
        return;
      } catch (thrown) {
        const code = thrown instanceof Error && "responseCode" in thrown ? Number(thrown.responseCode) : 0;
        if (code >= 500) return void refused.push(messageOf(thrown));
      }
      await sleep(retryMs, stopping.signal);
    }
  }

  return {
    report: (returnPath, to) => {
      const delivering = deliver(returnPath, to).finally(() => running.delete(delivering));
      running.add(delivering);
    },
    taken: () => taken,
    waiting: () => running.size,
    refused,
    stop: async () => {
      stopping.abort();
      await Promise.all(running);
      transport.close();
    },
  };
}

/** A report that a letter will not arrive, as RFC 3464 and RFC 6522 have it. */
export function deliveryReport(to: string): string {
  return [
    "From: MAILER-DAEMON@late.example",
    "Subject: Undelivered Mail Returned to Sender",
    "Auto-Submitted: auto-replied",
    "MIME-Version: 1.0",
    'Content-Type: multipart/report; report-type=delivery-status; boundary="late"',
    "",
    "--late",
    "Content-Type: text/plain",
    "",
    "Nobody has this mailbox.",
    "",
    "--late",
    "Content-Type: message/delivery-status",
    "",
    "Reporting-MTA: dns; late.example",
    "",
    `Final-Recipient: rfc822; ${to}`,
    "Action: failed",
    "Status: 5.1.1",
    "Diagnostic-Code: smtp; 550 5.1.1 no such mailbox",
    "",
    "--late--",
    "",
  ].join("\r\n");
}
