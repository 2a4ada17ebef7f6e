import type { Log } from "../kernel/log.ts";
import type { MailTransport } from "./mail.ts";

/**
 * The way out of a service that others reach and that has no relay: no letter leaves, and each waits as it does for a relay that
 * does not answer. The built-in mailbox would take them all, and nobody could open it: a campaign would count everybody as written to.
 * One host of several whose settings lack the relay leaves its letters to the others.
 */
export function noRelay(log: Log): MailTransport {
  log.error("there is no relay (SMTP_URL), and others reach this service: its letters wait, and reach nobody");
  return {
    send: () =>
      Promise.resolve({
        kind: "deferred",
        reply: "there is no relay: SMTP_URL is not set",
        mayHaveArrived: false,
        cause: "relay",
      }),
    close: () => Promise.resolve(),
  };
}
