import { useEffect, useState } from "react";
import { say, type Plain } from "../text/say.ts";
import { Refused, Unreachable } from "./api.ts";
import { NotAnswered } from "./passkeys.ts";

type Kind = "offline" | "silent" | "broken" | "busy" | "missing" | "operators" | "refused";

/** The code or style of a page could not be fetched, as browsers and Vite say it: there is no network, or a newer version is there. */
export const isCodeAway = (error: unknown): boolean =>
  error instanceof Error &&
  /dynamically imported module|importing a module script failed|unable to preload css/i.test(error.message);

function kindOf(error: unknown): Kind {
  if (error instanceof Unreachable && error.isSilent) return "silent";
  if (error instanceof Unreachable || isCodeAway(error)) return "offline";
  if (!(error instanceof Refused)) return "broken";
  if (error.status === 404) return "missing";
  if (error.code === "operators-only") return "operators";
  if (error.status === 503 || error.status === 429) return "busy";
  return error.status >= 500 ? "broken" : "refused";
}

interface FailedProps {
  readonly error: unknown;
  /** Asks again; what it answers is waited for. */
  readonly retry?: () => unknown;
  /** Stands alone on the page instead of inside a frame. */
  readonly whole?: boolean;
  /** On a television: OK on the remote tries again, and there is no other page to go to. */
  readonly onTv?: boolean;
  /** Leads back to where the failed thing was chosen, in place of the way to the library. */
  readonly onBack?: () => void;
  /** A film stopped, and not a page. */
  readonly film?: boolean;
}

const filmWords = (kind: Kind, error: unknown) =>
  error instanceof Refused && error.code === "unplayable"
    ? ({ title: "player.failed.title", what: "player.failed.damaged.what" } as const)
    : kind === "broken"
      ? ({ title: "player.failed.title", what: "player.failed.what" } as const)
      : undefined;

/** The failed state of a page: what happened, that nothing was lost, what to do, and the reference for the operator. */
export function Failed({ error, retry, whole = false, onTv = false, onBack, film = false }: FailedProps) {
  const kind = error === "missing" ? "missing" : kindOf(error);
  const reference = error instanceof Refused ? error.reference : undefined;
  const words =
    (film ? filmWords(kind, error) : undefined) ??
    ({
      title: `failed.${kind}.title`,
      what: `failed.${kind}.what`,
    } as const);
  const Frame = whole ? "main" : "section";
  const [isAsking, setAsking] = useState(false);
  // Who lost the network and has it again need not press anything.
  useEffect(() => {
    if ((kind !== "offline" && kind !== "silent") || retry === undefined) return undefined;
    addEventListener("online", retry);
    return () => removeEventListener("online", retry);
  }, [kind, retry]);
  const askAgain = () => {
    if (isAsking) return;
    setAsking(true);
    // What fails anew is shown by whoever asked.
    void Promise.resolve(retry?.())
      .catch(() => undefined)
      .finally(() => setAsking(false));
  };
  return (
    <Frame
      className={`failed${whole ? " is-whole" : ""}${onTv ? " is-far" : ""}`}
      id={whole ? "main" : undefined}
      role={whole ? undefined : "alert"}
    >
      {whole ? <h1>{say(words.title)}</h1> : <h2>{say(words.title)}</h2>}
      <p className="lead">{say(words.what)}</p>
      {reference !== undefined && <p className="soft small">{say("failed.reference", { reference })}</p>}
      <div className="buttons">
        {retry !== undefined && kind !== "missing" && kind !== "operators" && (
          <button className="button" type="button" autoFocus={whole || onTv} aria-busy={isAsking} onClick={askAgain}>
            {say(isAsking ? "working" : "failed.retry")}
          </button>
        )}
        {onBack !== undefined && (
          <button className="button-quiet" type="button" autoFocus={kind === "missing"} onClick={onBack}>
            {say("nav.back")}
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

/** After this long something is said, and a way is shown to ask anew. */
const slowMs = 10_000;

/** Keeps the room of a page whose code is on its way. The browser alone decides how long that is waited for. */
export function Loading({ label = "working", onTv = false }: { readonly label?: Plain; readonly onTv?: boolean }) {
  const [isSlow, setSlow] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setSlow(true), slowMs);
    return () => clearTimeout(timer);
  }, []);
  if (isSlow) {
    return (
      <div className={onTv ? "failed is-whole is-far" : "failed is-whole"}>
        <p className="lead" role="status">
          {say("failed.slow")}
        </p>
        <div className="buttons">
          <button className="button" type="button" autoFocus onClick={() => location.reload()}>
            {say("failed.retry")}
          </button>
        </div>
      </div>
    );
  }
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
  if (error instanceof Unreachable && error.isUnsure) return say("failed.unsure");
  if (error instanceof NotAnswered) return say(error.isKnown ? "passkeys.known" : "passkeys.not-answered");
  if (error instanceof Refused) {
    const own = known.find((code) => code === error.code);
    if (own !== undefined) return say(own);
    const step = explained.find((code) => code === error.code);
    if (step !== undefined) return error.detail === undefined ? say(step) : `${say(step)} (${error.detail})`;
  }
  return say(`failed.${kindOf(error)}.what`);
}
