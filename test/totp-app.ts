import { generateSync } from "otplib";
import { asCookie, goodPassword, type Answer, type TestService } from "./service.ts";

/** An authenticator app: knows the key it was given, and the service's clock. */
export interface Authenticator {
  /** The code at this moment, or so many steps of 30 s later. */
  code(stepsLater?: number): string;
}

export const authenticatorOf = ({ clock }: Pick<TestService, "clock">, key: string): Authenticator => ({
  code: (stepsLater = 0) => generateSync({ secret: key, epoch: Math.floor(clock.now() / 1_000) + 30 * stepsLater }),
});

/** Sets an app up for whoever's session this is, as the account page does. */
export async function setUpTotp(
  service: TestService,
  session: string,
): Promise<{ readonly app: Authenticator; readonly key: string; readonly recoveryCodes: readonly string[] }> {
  const cookies = asCookie(session);
  const begun = await service.call("POST", "/api/account/totp", { body: {}, cookies });
  if (begun.status !== 201) throw new Error(`totp: ${begun.status} ${begun.text}`);
  const key = String(begun.body["key"]);
  const app = authenticatorOf(service, key);
  const added = await service.call("POST", "/api/account/totp/confirm", { body: { code: app.code() }, cookies });
  if (added.status !== 200) throw new Error(`totp confirm: ${added.status} ${added.text}`);
  // Its step is used up; the next sign-in is later.
  service.clock.advance(30_000);
  return { app, key, recoveryCodes: (added.body["recoveryCodes"] ?? []) as string[] };
}

export const stepCookie = "__Host-houselights-step";

/** A right password of an account with a second factor. @returns the step, as the browser keeps it. */
export async function beginSignIn(
  service: Pick<TestService, "call">,
  address: string,
  password: string = goodPassword,
): Promise<string> {
  const answer = await service.call("POST", "/api/sessions", { body: { address, password } });
  if (answer.status !== 202) throw new Error(`sign-in: ${answer.status} ${answer.text}`);
  return answer.cookies[stepCookie] ?? "";
}

export const completeSignIn = (service: Pick<TestService, "call">, step: string, code: string): Promise<Answer> =>
  service.call("POST", "/api/sessions/second-factor", { body: { code }, cookies: { [stepCookie]: step } });
