import {
  browserSupportsWebAuthn,
  browserSupportsWebAuthnAutofill,
  startAuthentication,
  startRegistration,
  WebAuthnAbortService,
} from "@simplewebauthn/browser";
import { within } from "./limit.ts";

/** A challenge lives five minutes; a page that stays open asks for another in time. */
const renewMs = 4 * 60_000;

type Ceremony = (options: never) => Promise<unknown>;

/** Asks for options, has the browser answer them, sends the answer. Throws what the browser threw, or the problem's code. */
async function perform(path: string, ceremony: Ceremony, more: object = {}): Promise<void> {
  const { options } = (await post(`${path}/options`, {})) as { options: never };
  await post(path, { ...more, answer: await ceremony(options) });
}

async function post(path: string, body: object): Promise<unknown> {
  const response = await fetch(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
    signal: within(30_000),
  });
  const answer = (await response.json()) as { code?: string };
  if (!response.ok) throw new Error(answer.code);
  return answer;
}

const isCancelled = (thrown: unknown): boolean =>
  thrown instanceof Error && ["NotAllowedError", "AbortError"].includes(thrown.name);

/**
 * Shows a part marked `data-passkey` and makes its button work: "sign-in" signs in, "add" adds a passkey. Where the page
 * was opened at another name than passkeys are bound to (`data-rp`), it says where they work instead.
 */
export function offerPasskey(part: HTMLElement): void {
  const { passkey: act, rp, next = "/", name, refused, failed, cancelled } = part.dataset;
  const button = part.querySelector("button");
  const told = part.querySelector<HTMLElement>("[role=alert]");
  if (!browserSupportsWebAuthn() || button === null || told === null) return;
  const isHere = rp === location.hostname || location.hostname.endsWith(`.${rp ?? ""}`);
  part.hidden = false;
  part.querySelectorAll<HTMLElement>("[data-here]").forEach((one) => {
    one.hidden = (one.dataset["here"] === "yes") !== isHere;
  });
  if (!isHere) return;

  const goOn = () => location.assign(next + location.hash);
  const signIn = (useBrowserAutofill: boolean) =>
    perform("/api/sessions/passkey", (optionsJSON) => startAuthentication({ optionsJSON, useBrowserAutofill }));
  const tell = (thrown: unknown) => {
    const isRefused = thrown instanceof Error && thrown.message.startsWith("passkey-");
    told.textContent = (isCancelled(thrown) ? cancelled : isRefused ? refused : failed) ?? "";
    told.hidden = false;
  };

  async function autofill(): Promise<void> {
    if (!(await browserSupportsWebAuthnAutofill())) return;
    const renew = setTimeout(() => {
      WebAuthnAbortService.cancelCeremony();
      void autofill();
    }, renewMs);
    try {
      await signIn(true);
      goOn();
    } catch (thrown) {
      // Put aside by the button or by the next challenge: nobody has done anything.
      if (isCancelled(thrown)) return;
      clearTimeout(renew);
      tell(thrown);
      // One more challenge for one more try; what cannot be reached is not asked again by itself.
      if (thrown instanceof Error && thrown.message === "passkey-refused") void autofill();
    }
  }

  button.addEventListener("click", () => {
    if (button.getAttribute("aria-busy") === "true") return;
    button.setAttribute("aria-busy", "true");
    told.hidden = true;
    const ceremony =
      act === "add"
        ? perform("/api/account/passkeys", (optionsJSON) => startRegistration({ optionsJSON }), { name })
        : signIn(false);
    ceremony.then(goOn, (thrown: unknown) => {
      tell(thrown);
      button.removeAttribute("aria-busy");
      if (act === "sign-in") void autofill();
    });
  });
  if (act === "sign-in") void autofill();
}

/** Has a form say that a passkey may be offered after it: only where the browser could make one. */
export function mayOfferPasskey(input: HTMLInputElement): void {
  if (browserSupportsWebAuthn()) input.value = "passkey";
}
