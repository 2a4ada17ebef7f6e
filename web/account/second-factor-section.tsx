import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import type { RecoveryCodesMade, SecondFactor, TotpAdded, TotpBegun } from "../../src/wire/second-factors.ts";
import { send } from "../app/api.ts";
import { Dialog } from "../app/dialog.tsx";
import { Failed } from "../app/failed.tsx";
import { Field, Form, textOf } from "../app/form.tsx";
import { Cancelled, useProved } from "../app/proof.tsx";
import { secondFactorQuery } from "../app/queries.ts";
import { refusedBy, Told, went, type Outcome } from "../app/told.tsx";
import { say, sayCount, showDate } from "../text/say.ts";

type Act =
  | { readonly kind: "set-up"; readonly begun: TotpBegun }
  | { readonly kind: "codes"; readonly codes: readonly string[] }
  | { readonly kind: "keep" | "remove" };

/** The authenticator app and the recovery codes: whether there are any, setting up, making new ones, removing. */
export function SecondFactorSection({ hasPassword }: { readonly hasPassword: boolean }) {
  const factor = useQuery(secondFactorQuery);
  const [act, setAct] = useState<Act | null>(null);
  const [told, setTold] = useState<Outcome | null>(null);
  const queries = useQueryClient();
  const proved = useProved();

  async function done(words: string | null, next: Act | null) {
    setTold(words === null ? null : went(words));
    setAct(next);
    await queries.invalidateQueries();
  }

  async function begin(start: () => Promise<Act>) {
    setTold(null);
    try {
      setAct(await proved(start));
    } catch (thrown) {
      if (!(thrown instanceof Cancelled)) setTold(refusedBy(thrown));
    }
  }

  const setUp = async (): Promise<Act> => ({
    kind: "set-up",
    begun: await send<TotpBegun>("POST", "/api/account/totp", { body: {} }),
  });
  const makeCodes = async (): Promise<Act> => {
    const { codes } = await send<RecoveryCodesMade>("POST", "/api/account/recovery-codes", { body: {} });
    await queries.invalidateQueries({ queryKey: secondFactorQuery.queryKey });
    return { kind: "codes", codes };
  };

  return (
    <section className="card" aria-labelledby="second-factor">
      <h2 id="second-factor">{say("factor.title")}</h2>
      <p className="soft">{say("factor.lead")}</p>
      <Told outcome={told} />
      {factor.isLoadingError ? (
        <Failed error={factor.error} retry={() => factor.refetch()} />
      ) : factor.data === undefined ? (
        <span className="skeleton is-row" role="status">
          <span className="visually-hidden">{say("factor.loading")}</span>
        </span>
      ) : (
        <Known
          factor={factor.data}
          onSetUp={() => void begin(setUp)}
          onCodes={() => void begin(makeCodes)}
          onKeep={() => setAct({ kind: "keep" })}
          onRemove={() => setAct({ kind: "remove" })}
        />
      )}
      {act?.kind === "set-up" && (
        <SetUp
          begun={act.begun}
          onClose={() => setAct(null)}
          onAdded={({ recoveryCodes: codes }) =>
            done(say("factor.added"), codes === null ? null : { kind: "codes", codes })
          }
        />
      )}
      {act?.kind === "codes" && <Codes codes={act.codes} onClose={() => setAct(null)} />}
      {act?.kind === "keep" && <Keep onClose={() => setAct(null)} onKept={() => done(say("factor.kept"), null)} />}
      {act?.kind === "remove" && (
        <Remove
          hasPassword={hasPassword}
          onClose={() => setAct(null)}
          onRemoved={() => done(say("factor.removed"), null)}
        />
      )}
    </section>
  );
}

interface KnownProps {
  readonly factor: SecondFactor;
  readonly onSetUp: () => void;
  readonly onCodes: () => void;
  readonly onKeep: () => void;
  readonly onRemove: () => void;
}

function Known({ factor: { totpAddedAt, setAside, recoveryCodes }, onSetUp, onCodes, onKeep, onRemove }: KnownProps) {
  const since = totpAddedAt ?? setAside?.addedAt ?? null;
  return (
    <>
      <dl className="known">
        <dt>{say("factor.app")}</dt>
        <dd>
          {setAside !== null
            ? say("factor.app.aside", { date: showDate(setAside.addedAt) })
            : totpAddedAt === null
              ? say("factor.app.none")
              : say("factor.app.since", { date: showDate(totpAddedAt) })}
          {setAside !== null && <span className="doubt">{say(`factor.doubt.${setAside.why}`)}</span>}
        </dd>
        <dt>{say("factor.codes")}</dt>
        <dd>{recoveryCodes === null ? say("factor.codes.none") : sayCount("factor.codes.left", recoveryCodes.left)}</dd>
      </dl>
      <div className="buttons">
        {setAside?.why === "since-copy" && (
          <button className="button" type="button" onClick={onKeep}>
            {say("factor.keep")}
          </button>
        )}
        <button
          className={totpAddedAt === null && setAside?.why !== "since-copy" ? "button" : "button-quiet"}
          type="button"
          onClick={onSetUp}
        >
          {say(since === null ? "factor.set-up" : "factor.replace")}
        </button>
        <button className="button-quiet" type="button" onClick={onCodes}>
          {say("factor.codes.make")}
        </button>
        {since !== null && (
          <button className="button-quiet" type="button" onClick={onRemove}>
            {say("factor.remove")}
          </button>
        )}
      </div>
    </>
  );
}

interface SetUpProps {
  readonly begun: TotpBegun;
  readonly onAdded: (added: TotpAdded) => Promise<void>;
  readonly onClose: () => void;
}

function SetUp({ begun, onAdded, onClose }: SetUpProps) {
  const proved = useProved();
  const { qrCode, key } = begun;
  return (
    <Dialog title={say("factor.set-up.title")} onClose={onClose} wide>
      <p>{say("factor.set-up.scan")}</p>
      <svg className="qr-code" viewBox={`0 0 ${qrCode.size} ${qrCode.size}`} role="img" aria-label={say("factor.qr")}>
        <path d={qrCode.path} />
      </svg>
      <p className="soft">{say("factor.set-up.type")}</p>
      <p className="typed-key" tabIndex={0}>
        {key.match(/.{1,4}/g)?.join(" ")}
      </p>
      <Form
        action={async (filled) => {
          const body = { code: filled("code") };
          await onAdded(await proved(() => send<TotpAdded>("POST", "/api/account/totp/confirm", { body })));
        }}
        submit={say("factor.set-up.go")}
        onCancel={onClose}
      >
        <Field label={say("factor.code")} name="code" hint={say("factor.code.hint")} maxLength={40} code autoFocus />
      </Form>
    </Dialog>
  );
}

/** The codes, once. Printed, they stand on a sheet of their own. */
function Codes({ codes, onClose }: { readonly codes: readonly string[]; readonly onClose: () => void }) {
  return (
    <Dialog title={say("factor.codes.title")} onClose={onClose} stays>
      <p>{say("factor.codes.what", { service: say("app.name") })}</p>
      <ol className="recovery-codes">
        {codes.map((code) => (
          <li key={code}>{code}</li>
        ))}
      </ol>
      <div className="buttons">
        <button className="button" type="button" autoFocus onClick={() => print()}>
          {say("factor.codes.print")}
        </button>
        <button className="button-quiet" type="button" onClick={onClose}>
          {say("factor.codes.done")}
        </button>
      </div>
    </Dialog>
  );
}

interface KeepProps {
  readonly onKept: () => Promise<void>;
  readonly onClose: () => void;
}

function Keep({ onKept, onClose }: KeepProps) {
  const proved = useProved();
  return (
    <Dialog title={say("factor.keep.title")} onClose={onClose}>
      <p>{say("factor.keep.what")}</p>
      <Form
        action={async (filled) => {
          const body = { code: filled("code") };
          await proved(() => send("POST", "/api/account/totp/keep", { body }));
          await onKept();
        }}
        submit={say("factor.keep")}
        onCancel={onClose}
      >
        <Field label={say("factor.code")} name="code" hint={say("factor.keep.hint")} maxLength={40} code autoFocus />
      </Form>
    </Dialog>
  );
}

interface RemoveProps {
  readonly hasPassword: boolean;
  readonly onRemoved: () => Promise<void>;
  readonly onClose: () => void;
}

function Remove({ hasPassword, onRemoved, onClose }: RemoveProps) {
  const proved = useProved();
  return (
    <Dialog title={say("factor.remove.title")} onClose={onClose} alarm>
      <p>{say("factor.remove.what")}</p>
      <Form
        action={async (_filled, data) => {
          const body = hasPassword ? { password: textOf(data, "password") } : {};
          await proved(() => send("POST", "/api/account/totp/remove", { body }));
          await onRemoved();
        }}
        submit={say("factor.remove")}
        onCancel={onClose}
        danger
      >
        {hasPassword && (
          <Field
            label={say("account.password.current")}
            name="password"
            type="password"
            autoComplete="current-password"
            autoFocus
          />
        )}
      </Form>
    </Dialog>
  );
}
