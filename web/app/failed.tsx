import { useEffect } from "react";
import { say, type Plain } from "../text/say.ts";
import { Refused, Unreachable } from "./api.ts";
import { NotAnswered } from "./passkeys.ts";

type Kind = "offline" | "broken" | "busy" | "missing" | "operators" | "refused";

/** The code or style of a page could not be fetched, as browsers and Vite say it: there is no network, or a newer version is there. */
export const isCodeAway = (error: unknown): boolean =>
  error instanceof Error &&
  /dynamically imported module|importing a module script failed|unable to preload css/i.test(error.message);

function kindOf(error: unknown): Kind {
  if (error instanceof Unreachable || isCodeAway(error)) return "offline";
  if (!(error instanceof Refused)) return "broken";
  if (error.status === 404) return "missing";
  if (error.code === "operators-only") return "operators";
  if (error.status === 503 || error.status === 429) return "busy";
  return error.status >= 500 ? "broken" : "refused";
}

interface FailedProps {
  readonly error: unknown;
  readonly retry?: () => void;
  /** Stands alone on the page instead of inside a frame. */
  readonly whole?: boolean;
  /** On a television: OK on the remote tries again, and there is no other page to go to. */
  readonly onTv?: boolean;
}

/** The failed state of a page: what happened, that nothing was lost, what to do, and the reference for the operator. */
export function Failed({ error, retry, whole = false, onTv = false }: FailedProps) {
  const kind = error === "missing" ? "missing" : kindOf(error);
  const reference = error instanceof Refused ? error.reference : undefined;
  const Frame = whole ? "main" : "section";
  // Who lost the network and has it again need not press anything.
  useEffect(() => {
    if (kind !== "offline" || retry === undefined) return undefined;
    addEventListener("online", retry);
    return () => removeEventListener("online", retry);
  }, [kind, retry]);
  return (
    <Frame
      className={whole ? "failed is-whole" : "failed"}
      id={whole ? "main" : undefined}
      role={whole ? undefined : "alert"}
    >
      {whole ? <h1>{say(`failed.${kind}.title`)}</h1> : <h2>{say(`failed.${kind}.title`)}</h2>}
      <p className="lead">{say(`failed.${kind}.what`)}</p>
      {reference !== undefined && <p className="soft small">{say("failed.reference", { reference })}</p>}
      <div className="buttons">
        {retry !== undefined && kind !== "missing" && kind !== "operators" && (
          <button className="button" type="button" autoFocus={whole || onTv} onClick={retry}>
            {say("failed.retry")}
          </button>
        )}
        {!onTv && (
          <a className="button-quiet" href="/">
            {say("failed.home")}
          </a>
        )}
      </div>
    </Frame>
  );
}

/** Keeps the room of a page whose code is on its way. */
export function Loading({ label = "working" }: { readonly label?: Plain }) {
  return (
    <div className="loading-page" role="status">
      <span className="visually-hidden">{say(label)}</span>
    </div>
  );
}

const known = [
  "wrong-password",
  "password-refused",
  "password-is-old",
  "too-many",
  "address-refused",
  "last-address",
  "last-operator",
  "not-confirmed",
  "too-many-addresses",
  "code-refused",
  "second-factor-needed",
  "second-factor-refused",
  "longer-password-needed",
  "passkey-refused",
  "passkey-not-added",
  "too-many-passkeys",
  "renew-first",
  "passkeys-unavailable",
  "link-refused",
  "nobody-to-tell",
  "recovery-under-way",
  "nothing-to-renew",
  "incident-in-hand",
  "text-refused",
  "card-number",
  "foreign-origin",
  "not-signed-in",
  "too-large",
  "disk-full",
] as const;

/** Refusals whose detail says what stands in the way, in the words of the record, or which field and rule. */
const explained = ["wrong-state", "cannot-close", "malformed-request"] as const;

/** One line under a form that was refused. */
export function refusalText(error: unknown): string {
  if (error instanceof NotAnswered) return say(error.isKnown ? "passkeys.known" : "passkeys.not-answered");
  if (error instanceof Refused) {
    const own = known.find((code) => code === error.code);
    if (own !== undefined) return say(own);
    const step = explained.find((code) => code === error.code);
    if (step !== undefined) return error.detail === undefined ? say(step) : `${say(step)} (${error.detail})`;
  }
  return say(`failed.${kindOf(error)}.what`);
}
