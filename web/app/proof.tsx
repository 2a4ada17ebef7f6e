import { createContext, use, useCallback, useMemo, useRef, useState, type ReactNode, type SubmitEvent } from "react";
import type { PasskeyList } from "../../src/wire/passkeys.ts";
import { say } from "../text/say.ts";
import { useQuery } from "@tanstack/react-query";
import { isRefused, send } from "./api.ts";
import { Dialog } from "./dialog.tsx";
import { refusalText } from "./failed.tsx";
import { addPasskey, countingPasskeys, proveByPasskey, whyNoPasskeys } from "./passkeys.ts";
import { passkeysQuery, secondFactorQuery } from "./queries.ts";

/** Runs an act; if the service wants a recent or a stronger proof, asks for it and runs the act again. */
type Proved = <Reply>(act: () => Promise<Reply>) => Promise<Reply>;

/** The person closed the dialog: the act did not happen, and nobody needs to be told. */
export class Cancelled extends Error {
  override readonly name = "Cancelled";
}

const ProofContext = createContext<Proved>((act) => act());

/** For acts that the service guards by a recent proof. Rejects with `Cancelled` when the person leaves the dialog. */
export const useProved = (): Proved => use(ProofContext);

/** What the service can ask for: any proof, more than a password, or to have such a thing first. */
const asked = ["proof-needed", "strong-proof-needed", "second-factor-required"] as const;
type Asked = (typeof asked)[number];

/** An act that waits for a proof. */
interface Waiting {
  readonly proved: () => void;
  readonly cancelled: () => void;
}

export function ProofFrame({ children }: { readonly children: ReactNode }) {
  /** What the dialog asks for: the wish of whoever came first. */
  const [asks, setAsks] = useState<Asked | null>(null);
  // Two presses on a slow line are two acts. One dialog answers both; whom its proof is not enough for asks again.
  const waiting = useRef<Waiting[]>([]);

  const settle = useCallback((how: "proved" | "cancelled") => {
    for (const one of waiting.current.splice(0)) one[how]();
    setAsks(null);
  }, []);

  const proved = useMemo<Proved>(
    () => async (act) => {
      for (;;) {
        try {
          return await act();
        } catch (error) {
          // One proof may lead to the next: a password first, then the passkey that it allows to be added.
          const wanted = isRefused(error) ? asked.find((code) => code === error.code) : undefined;
          if (wanted === undefined) throw error;
          await new Promise<void>((resolve, reject) => {
            waiting.current.push({ proved: resolve, cancelled: () => reject(new Cancelled("no proof given")) });
            setAsks((before) => before ?? wanted);
          });
        }
      }
    },
    [],
  );

  return (
    <ProofContext value={proved}>
      {children}
      {asks !== null && (
        <ProofDialog key={asks} asks={asks} onProved={() => settle("proved")} onClose={() => settle("cancelled")} />
      )}
    </ProofContext>
  );
}

interface ProofDialogProps {
  readonly asks: Asked;
  readonly onProved: () => void;
  readonly onClose: () => void;
}

function ProofDialog({ asks, onProved, onClose }: ProofDialogProps) {
  const passkeys = useQuery({ ...passkeysQuery, staleTime: 0 });
  // Adding a second factor takes a fresh proof, which takes the password: then the dialog goes there and comes back.
  const factor = useQuery({ ...secondFactorQuery, staleTime: 0 });
  const hasApp = factor.data !== undefined && factor.data.totpAddedAt !== null;
  const [step, setStep] = useState(asks);
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const works = passkeys.data !== undefined && whyNoPasskeys(passkeys.data) === null;
  const hasPasskey = works && countingPasskeys(passkeys.data) > 0;

  async function prove(by: () => Promise<void>) {
    if (busy) return;
    setBusy(true);
    setError(null);
    try {
      await by();
      if (step === asks) return onProved();
      setStep(asks);
    } catch (thrown) {
      if (step !== "proof-needed" && isRefused(thrown, "proof-needed")) setStep("proof-needed");
      else setError(refusalText(thrown));
    }
    setBusy(false);
  }

  const byPassword = (event: SubmitEvent<HTMLFormElement>) => {
    event.preventDefault();
    const data = new FormData(event.currentTarget);
    const [password, code] = [textIn(data, "password"), textIn(data, "code")];
    const body = { ...(password === "" ? {} : { password }), ...(code === "" ? {} : { code }) };
    void prove(() => send("POST", "/api/session/proof", { body }));
  };

  return (
    <Dialog title={say(`proof.title.${step}`)} onClose={onClose}>
      <p className="soft">{say(`proof.what.${step}`)}</p>
      {step === "second-factor-required" ? (
        <EnrolPart
          list={passkeys.data}
          busy={busy}
          onAdd={() => void prove(() => addPasskey(say("passkeys.name.usual")))}
        />
      ) : (
        hasPasskey && (
          <div className="buttons">
            <button
              className="button"
              type="button"
              disabled={busy}
              autoFocus
              onClick={() => void prove(proveByPasskey)}
            >
              {busy ? say("working") : say("proof.passkey")}
            </button>
          </div>
        )
      )}
      {error !== null && (
        <p className="error-text" role="alert" id="proof-error">
          {error}
        </p>
      )}
      {(step === "proof-needed" || (step === "strong-proof-needed" && hasApp)) && (
        <form className="form" onSubmit={byPassword}>
          <div className="field">
            <label htmlFor="proof-password">{say("proof.password")}</label>
            <input
              id="proof-password"
              name="password"
              type="password"
              autoComplete="current-password"
              required={!hasApp}
              autoFocus={!hasPasskey}
              aria-invalid={error !== null}
              aria-describedby={error === null ? undefined : "proof-error"}
            />
          </div>
          {hasApp && (
            <div className="field code-field">
              <label htmlFor="proof-code">{say("proof.code")}</label>
              <span className="hint" id="proof-code-hint">
                {say("proof.code.hint")}
              </span>
              <input
                id="proof-code"
                name="code"
                autoComplete="one-time-code"
                autoCapitalize="characters"
                spellCheck={false}
                required
                maxLength={40}
                aria-describedby="proof-code-hint"
              />
            </div>
          )}
          <div className="buttons">
            <button className={hasPasskey ? "button-quiet" : "button"} type="submit" disabled={busy}>
              {busy ? say("working") : say("proof.go")}
            </button>
          </div>
        </form>
      )}
      <div className="buttons">
        <button className="button-quiet" type="button" onClick={onClose}>
          {say("cancel")}
        </button>
      </div>
    </Dialog>
  );
}

const textIn = (data: FormData, name: string): string => {
  const value = data.get(name);
  return typeof value === "string" ? value : "";
};

interface EnrolPartProps {
  readonly list: PasskeyList | undefined;
  readonly busy: boolean;
  readonly onAdd: () => void;
}

/** Where an operator has no second factor: adding one here and now, or why it cannot be done here. */
function EnrolPart({ list, busy, onAdd }: EnrolPartProps) {
  if (list === undefined) return null;
  const why = whyNoPasskeys(list);
  if (why !== null) {
    return (
      <div className="notice">
        <strong>{say(`passkeys.why.${why}`)}</strong>
        {why === "elsewhere" && <a href={`${list.origin}/account`}>{list.origin}</a>}
        <a href="/account">{say("proof.app")}</a>
      </div>
    );
  }
  return (
    <div className="buttons">
      <button className="button" type="button" disabled={busy} autoFocus onClick={onAdd}>
        {busy ? say("working") : say("passkeys.add")}
      </button>
      <a href="/account">{say("proof.app")}</a>
    </div>
  );
}
