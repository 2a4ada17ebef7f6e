import { expect, test } from "vitest";
import { laterOf, waitAskedMs } from "./later.ts";

// As Postgrey, milter-greylist, rspamd, Stalwart, Exim, Gmail, Yahoo, Microsoft and Postfix write them, or nearly so.
test.each([
  ["450 4.2.0 (address): Recipient address rejected: Greylisted, see the postmaster's page", "come again", 0],
  ["450 4.2.0 (address): Greylisted, try again in 300 seconds", "come again", 300_000],
  ["451 4.7.1 Greylisting in action, please come back in 00:05:00", "come again", 300_000],
  ["451 4.7.1 Try again later", "maybe come again", 0],
  ["450 4.7.1 Please try again in 15 minutes", "maybe come again", 900_000],
  ["422 4.2.2 Greylisted, please try again in a few moments.", "come again", 0],
  ["451 Temporarily rejected: graylisted for 10m", "come again", 600_000],
  ["421 4.7.0 Try again later, closing connection.", "fewer", 0],
  ["421 4.7.28 Our system has detected an unusual rate of mail", "fewer", 0],
  ["450 4.2.1 too many letters, slow down", "fewer", 0],
  ["451 4.7.1 Too many messages from your network", "fewer", 0],
  ["451 4.7.500 Server busy. Please try again later", "fewer", 0],
  ["421 4.7.1 greylisted", "fewer", 0],
  ["452 4.2.2 The mailbox is over its quota of 5 MB", "fewer", 0],
  ["250 2.0.0 queued, greylisted never", undefined, 0],
  ["550 5.7.1 greylisted for ever", undefined, 0],
  ["the relay did not answer in 30 seconds", undefined, 0],
  ["", undefined, 0],
])("%s", (reply, later, waitMs) => {
  expect(laterOf(reply)).toBe(later);
  expect(waitAskedMs(reply)).toBe(waitMs);
});
