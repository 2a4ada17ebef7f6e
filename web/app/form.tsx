import { useId, useState, type ReactNode, type SubmitEvent } from "react";
import { say } from "../text/say.ts";
import { bringIntoView } from "./bring-into-view.ts";
import { refusalText } from "./failed.tsx";
import { Cancelled } from "./proof.tsx";

interface FieldProps {
  readonly label: string;
  readonly name: string;
  readonly type?: "text" | "email" | "password" | "datetime-local";
  readonly hint?: string;
  readonly autoComplete?: string;
  readonly defaultValue?: string;
  readonly required?: boolean;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly rows?: number;
  readonly code?: boolean;
  readonly autoFocus?: boolean;
}

/** A labelled field; the browser's own validation speaks first, the server's last. */
export function Field({ label, name, hint, rows, code = false, required = true, ...rest }: FieldProps) {
  const id = useId();
  const described = hint === undefined ? {} : { "aria-describedby": `${id}-hint` };
  return (
    <div className={code ? "field code-field" : "field"}>
      <label htmlFor={id}>{label}</label>
      {hint !== undefined && (
        <span className="hint" id={`${id}-hint`}>
          {hint}
        </span>
      )}
      {rows === undefined ? (
        <input
          id={id}
          name={name}
          required={required}
          {...(code ? { autoComplete: "one-time-code", autoCapitalize: "characters", spellCheck: false } : {})}
          {...rest}
          {...described}
        />
      ) : (
        <textarea
          id={id}
          name={name}
          rows={rows}
          required={required}
          defaultValue={rest.defaultValue}
          maxLength={rest.maxLength}
          autoFocus={rest.autoFocus}
          {...described}
        />
      )}
    </div>
  );
}

/** A field as it was typed; empty when it is absent. Passwords are taken by this, since spaces are part of them. */
export function textOf(data: FormData, name: string): string {
  const value = data.get(name);
  return typeof value === "string" ? value : "";
}

/** A field without the spaces around it. */
export type Filled = (name: string) => string;

interface FormProps {
  readonly action: (filled: Filled, data: FormData) => Promise<void>;
  readonly submit: string;
  readonly children: ReactNode;
  readonly onCancel?: () => void;
  readonly danger?: boolean;
}

/** A form that sends once at a time, and says under its fields why it was refused. */
export function Form({ action, submit, children, onCancel, danger = false }: FormProps) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);

  async function send(event: SubmitEvent<HTMLFormElement>) {
    event.preventDefault();
    if (busy) return;
    const form = event.currentTarget;
    const data = new FormData(form);
    setBusy(true);
    setError(null);
    try {
      await action((name) => textOf(data, name).trim(), data);
      form.reset();
    } catch (thrown) {
      if (!(thrown instanceof Cancelled)) setError(refusalText(thrown));
    }
    setBusy(false);
  }

  return (
    <form className="form" onSubmit={(event) => void send(event)}>
      {children}
      {error !== null && (
        <p className="error-text" role="alert" ref={bringIntoView}>
          {error}
        </p>
      )}
      <div className="buttons">
        <button className={danger ? "button-danger" : "button"} type="submit" disabled={busy}>
          {busy ? say("working") : submit}
        </button>
        {onCancel !== undefined && (
          <button className="button-quiet" type="button" onClick={onCancel}>
            {say("cancel")}
          </button>
        )}
      </div>
    </form>
  );
}
