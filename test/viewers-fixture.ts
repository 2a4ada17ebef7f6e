import { epoch, type AccountId, type SessionId } from "../src/kernel/brand.ts";
import { dayMs, plus, type Clock, type EpochMs } from "../src/kernel/clock.ts";
import { newId, systemRandom } from "../src/kernel/random.ts";
import { secretText } from "../src/http/cookies.ts";
import type { Check, Viewer } from "../src/http/viewer.ts";
import { newSecret } from "../src/kernel/random.ts";

/** Sessions that live until they are ended, for rooms that know no accounts. */
export interface TestViewers {
  readonly check: Check;
  signIn(
    accountId?: AccountId,
    role?: "viewer" | "operator",
  ): {
    readonly viewer: Viewer;
    readonly headers: { readonly authorization: string };
  };
  end(sessionId: SessionId): void;
}

/** Somebody who signed in at `now` with a password in a browser; `but` says what is otherwise. */
export const aViewer = (now: EpochMs, but: Partial<Viewer> = {}): Viewer => ({
  accountId: newId<AccountId>(systemRandom, now),
  sessionId: newId<SessionId>(systemRandom, now),
  class: "browser",
  role: "viewer",
  epoch: epoch(1),
  generation: 1,
  expiresAt: plus(now, 30 * dayMs),
  provedAt: now,
  proof: "password",
  stronglyProvedAt: null,
  digest: new Uint8Array(32),
  ...but,
});

export function testViewers(clock: Clock): TestViewers {
  const byToken = new Map<string, Viewer>();
  const bySession = new Map<string, Viewer>();
  return {
    check: (presented) => {
      const viewer =
        presented.kind === "grant"
          ? bySession.get(`${presented.accountId} ${presented.sessionId}`)
          : byToken.get(presented.token.revealText());
      const isGood = viewer !== undefined && bySession.has(`${viewer.accountId} ${viewer.sessionId}`);
      return Promise.resolve(isGood ? viewer : null);
    },
    signIn: (accountId = newId<AccountId>(systemRandom, clock.now()), role = "viewer") => {
      const token = secretText(newSecret(systemRandom));
      const viewer = aViewer(clock.now(), { accountId, role });
      byToken.set(token, viewer);
      bySession.set(`${viewer.accountId} ${viewer.sessionId}`, viewer);
      return { viewer, headers: { authorization: `Bearer ${token}` } };
    },
    end: (sessionId) => {
      for (const [key, viewer] of bySession) if (viewer.sessionId === sessionId) bySession.delete(key);
    },
  };
}
