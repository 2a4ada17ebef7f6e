import type { EpochMs } from "./kernel/clock.ts";
import { eachInTurn } from "./kernel/each-in-turn.ts";
import { batchRows } from "./db/batch.ts";
import type { Tx } from "./db/db.ts";
import { forgetCounts, forgetKnown } from "./http/throttle.ts";
import { forgetGivenUp } from "./jobs/queue.ts";
import { cleanUpMailbox } from "./mail/mailbox.ts";
import { forgetEvents } from "./accounts/security-events.ts";
import { forgetClaims, forgetTotp } from "./credentials/clean-up.ts";
import { forgetRefused } from "./credentials/refused-passwords.ts";
import { forgetChanges } from "./credentials/take-back.ts";
import { forgetSessions } from "./sessions/clean-up.ts";
import { forgetLinks } from "./links/clean-up.ts";
import { forgetKeyUse } from "./key-use/read.ts";
import { forgetSignInWindows } from "./canaries/stuffing.ts";
import { forgetBounceReports } from "./incidents/bounce-routes.ts";
import { incidentInHand } from "./incidents/open.ts";
import { forgetLines, forgetTickets } from "./renewal/clean-up.ts";

const forgettings = [
  forgetEvents,
  forgetSessions,
  forgetClaims,
  forgetChanges,
  forgetTotp,
  forgetLinks,
  forgetTickets,
  forgetLines,
  forgetCounts,
  forgetKnown,
  forgetGivenUp,
  cleanUpMailbox,
  forgetSignInWindows,
  forgetKeyUse,
  forgetBounceReports,
  // Nobody chooses a password again that was taken while the case of it is in hand.
  async (tx: Tx, now: EpochMs) => ((await incidentInHand(tx)) === undefined ? forgetRefused(tx, now) : 0),
];

/**
 * Removes what is over, of every room, batch by batch until nothing is left or `signal` ends it; the next run goes on there. What one
 * room fails with is thrown when the others have had their turn: rows with a limit would stay for ever behind it.
 */
export const cleanUp = (tx: Tx, now: EpochMs, signal: AbortSignal): Promise<void> =>
  eachInTurn(
    forgettings.map((forget) => async () => {
      while (!signal.aborted && (await forget(tx, now)) >= batchRows);
    }),
  );
