import {
  browserSupportsWebAuthn,
  startAuthentication,
  startRegistration,
  type PublicKeyCredentialCreationOptionsJSON,
  type PublicKeyCredentialRequestOptionsJSON,
} from "@simplewebauthn/browser";
import type { PasskeyList } from "../../src/wire/passkeys.ts";
import { send } from "./api.ts";

/** Why this browser can do nothing with passkeys here; `null` if it can. */
export function whyNoPasskeys({ available, origin }: PasskeyList): "no-name" | "elsewhere" | "browser" | null {
  if (!available) return "no-name";
  if (new URL(origin).hostname !== location.hostname) return "elsewhere";
  return browserSupportsWebAuthn() ? null : "browser";
}

/** Passkeys that count now: what can prove the viewer again. */
export const countingPasskeys = ({ passkeys }: PasskeyList): number =>
  passkeys.filter(({ doubt }) => doubt === null).length;

/** The person closed the browser's own dialog, or let it run out, or this authenticator has a passkey here already. */
export class NotAnswered extends Error {
  override readonly name = "NotAnswered";
  readonly isKnown: boolean;

  constructor(cause: unknown) {
    super("the browser's dialog was left", { cause });
    this.isKnown = cause instanceof Error && cause.name === "InvalidStateError";
  }
}

async function answered<Answer>(ceremony: Promise<Answer>): Promise<Answer> {
  try {
    return await ceremony;
  } catch (thrown) {
    if (thrown instanceof Error && ["NotAllowedError", "AbortError", "InvalidStateError"].includes(thrown.name)) {
      throw new NotAnswered(thrown);
    }
    throw thrown;
  }
}

/** Proves the viewer again by a passkey. Throws `NotAnswered`, or what `send` throws. */
export async function proveByPasskey(): Promise<void> {
  const { options } = await send<{ options: PublicKeyCredentialRequestOptionsJSON }>(
    "POST",
    "/api/session/proof/passkey/options",
    { body: {} },
  );
  const answer = await answered(startAuthentication({ optionsJSON: options }));
  await send("POST", "/api/session/proof/passkey", { body: { answer } });
}

/** Makes a passkey for the viewer's account. Throws `NotAnswered`, or what `send` throws. */
export async function addPasskey(name: string): Promise<void> {
  const { options } = await send<{ options: PublicKeyCredentialCreationOptionsJSON }>(
    "POST",
    "/api/account/passkeys/options",
    { body: {} },
  );
  const answer = await answered(startRegistration({ optionsJSON: options }));
  await send("POST", "/api/account/passkeys", { body: { answer, name } });
}
