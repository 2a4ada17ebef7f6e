import { expect } from "vitest";
import { passkeyCookie } from "../src/http/cookies.ts";
import type { TestService } from "./open-service.ts";

/** What a browser has before a passkey's answer: what the authenticator is given, and the cookies that go with the answer. */
export interface AskedPasskey {
  readonly options: Record<string, unknown>;
  readonly cookies: Readonly<Record<string, string>>;
}

/** Asks for the options of one ceremony, with the cookies that the browser has already. */
export async function askPasskey(
  service: Pick<TestService, "call">,
  path: string,
  cookies: Readonly<Record<string, string>> = {},
): Promise<AskedPasskey> {
  const asked = await service.call("POST", path, { body: {}, cookies });
  expect(asked.status, asked.text).toBe(200);
  return {
    options: asked.body["options"] as Record<string, unknown>,
    cookies: { ...cookies, [passkeyCookie]: asked.cookies[passkeyCookie] ?? "" },
  };
}
