import { createContext, use, useCallback, useMemo, useRef, useState, type ReactNode, type SubmitEvent } from "react";
import { say } from "../text/say.ts";
import { isRefused, send } from "./api.ts";
import { Dialog } from "./dialog.tsx";
import { refusalText } from "./failed.tsx";

/** Runs an act; if the service wants a recent proof, asks for the password and runs it again. */
type Proved = <Reply>(act: () => Promise<Reply>) => Promise<Reply>;

/** The person closed the dialog: the act did not happen, and nobody needs to be told. */
export class Cancelled extends Error {
  override readonly name = "Cancelled";
}

const ProofContext = createContext<Proved>((act) => act());

/** For acts that the service guards by a recent proof. Rejects with `Cancelled` when the person leaves the dialog. */
export const useProved = (): Proved => use(ProofContext);

interface Waiting {
  readonly proved: () => void;
  readonly cancelled: () => void;
}

export function ProofFrame({ children }: { readonly children: ReactNode }) {
  const [waiting, setWaiting] = useState<Waiting | null>(null);
  const current = useRef<Waiting | null>(null);

  const settle = useCallback((how: keyof Waiting) => {
    current.current?.[how]();
    current.current = null;
    setWaiting(null);
  }, []);

  const proved = useMemo<Proved>(
    () => async (act) => {
      try {
        return await act();
      } catch (error) {
        if (!isRefused(error, "proof-needed")) throw error;
        await new Promise<void>((resolve, reject) => {
          const next = { proved: resolve, cancelled: () => reject(new Cancelled("no proof given")) };
          current.current = next;
          setWaiting(next);
        });
        return act();
      }
    },
    [],
  );

  return (
    <ProofContext value={proved}>
      {children}
      {waiting !== null && <ProofDialog onProved={() => settle("proved")} onClose={() => settle("cancelled")} />}
    </ProofContext>
  );
}

function ProofDialog({ onProved, onClose }: { readonly onProved: () => void; readonly onClose: () => void }) {
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);

  async function prove(event: SubmitEvent<HTMLFormElement>) {
    event.preventDefault();
    const password = new FormData(event.currentTarget).get("password");
    setBusy(true);
    setError(null);
    try {
      await send("POST", "/api/session/proof", { body: { password } });
      onProved();
    } catch (thrown) {
      setError(refusalText(thrown));
      setBusy(false);
    }
  }

  return (
    <Dialog title={say("proof.title")} onClose={onClose}>
      <p className="soft">{say("proof.what")}</p>
      <form className="form" onSubmit={(event) => void prove(event)}>
        <div className="field">
          <label htmlFor="proof-password">{say("proof.password")}</label>
          <input
            id="proof-password"
            name="password"
            type="password"
            autoComplete="current-password"
            required
            autoFocus
            aria-invalid={error !== null}
            aria-describedby="proof-error"
          />
          <span id="proof-error" className="error" role="alert" hidden={error === null}>
            {error}
          </span>
        </div>
        <div className="buttons">
          <button className="button" type="submit" disabled={busy}>
            {busy ? say("working") : say("proof.go")}
          </button>
          <button className="button-quiet" type="button" onClick={onClose}>
            {say("cancel")}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
