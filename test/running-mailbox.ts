import { expect } from "vitest";
import { eventually, type RunningService } from "./running-service.ts";

/** Reads the built-in mailbox as an operator. */
export async function letterTo(service: RunningService, address: string, about: RegExp): Promise<string> {
  const cookie = await service.operatorCookie();
  return eventually(`a letter to ${address}`, async () => {
    const box = await service.api("GET", "/api/mailbox", { cookie });
    const letters = (box.body["letters"] ?? []) as { to: string; text: string; subject: string }[];
    return letters.find(({ to, subject, text }) => to === address && about.test(subject + text))?.text;
  });
}

/** The code in the letter about this. */
export async function codeTo(service: RunningService, address: string, about: RegExp): Promise<string> {
  const text = await letterTo(service, address, about);
  return /\b([BCDFGHJKLMNPQRSTVWXZ]{5}-?[BCDFGHJKLMNPQRSTVWXZ]{5})\b/.exec(text)?.[1] ?? "";
}

/** Makes an account over HTTP, with the code that was mailed. */
export async function signUpByMail(service: RunningService, address: string, password: string): Promise<void> {
  const jar = new Map<string, string>();
  const asked = await service.api("POST", "/api/accounts", { body: { address, password }, jar });
  expect(asked.status, asked.text).toBe(202);
  const code = await codeTo(service, address, /sign up/i);
  expect((await service.api("POST", "/api/accounts/confirm", { body: { code }, jar })).status).toBe(201);
}
