import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { goSignIn, isSignedOut, Refused, send } from "../app/api.ts";
import { Command } from "../app/command.tsx";
import { Failed, Loading } from "../app/failed.tsx";
import { Field, Form, textOf } from "../app/form.tsx";
import { useDocumentTitle } from "../app/page-frame.tsx";
import { useProved } from "../app/proof.tsx";
import { addPasskey, countingPasskeys, whyNoPasskeys } from "../app/passkeys.ts";
import { accountQuery, passkeysQuery } from "../app/queries.ts";
import { say } from "../text/say.ts";
import "./operate.css";

/**
 * The way in from the terminal: takes the one-time secret out of the fragment, which no server log sees, and clears it from
 * the address bar before anything else happens.
 */
function takeSecret(): string {
  const secret = location.hash.slice(1);
  if (secret !== "") history.replaceState(history.state, "", location.pathname);
  return secret;
}

type Entry = "using" | "in" | "refused" | "failed";

export function OperatePage() {
  const [secret] = useState(takeSecret);
  const [entry, setEntry] = useState<Entry>(secret === "" ? "in" : "using");
  const [error, setError] = useState<unknown>(null);
  const queries = useQueryClient();
  useDocumentTitle(say("nav.console"));

  useEffect(() => {
    if (secret === "") return undefined;
    let gone = false;
    send("POST", "/api/operator-sessions", { body: { secret } }).then(
      async () => {
        await queries.invalidateQueries();
        if (!gone) setEntry("in");
      },
      (thrown: unknown) => {
        if (gone) return;
        setError(thrown);
        setEntry(thrown instanceof Refused && thrown.status < 500 ? "refused" : "failed");
      },
    );
    return () => {
      gone = true;
    };
  }, [secret, queries]);

  return (
    <div className="operate">
      <header>
        <a className="wordmark" href="/">
          {say("app.name")}
        </a>
      </header>
      <main id="main" tabIndex={-1}>
        {entry === "using" ? (
          <p role="status" className="lead">
            {say("operate.working")}
          </p>
        ) : entry === "refused" ? (
          <Used />
        ) : entry === "failed" ? (
          <Failed error={error} />
        ) : (
          <FirstVisit hadSecret={secret !== ""} />
        )}
      </main>
    </div>
  );
}

function Used({ none = false }: { readonly none?: boolean }) {
  return (
    <div className="card" role="alert">
      <h1>{say(none ? "operate.none.title" : "operate.used.title")}</h1>
      <p className="lead">{say("operate.used.what")}</p>
      <Command>houselights operator link</Command>
      <div className="buttons">
        <button className="button-quiet" type="button" onClick={() => goSignIn("/console")}>
          {say("dark.sign-in")}
        </button>
      </div>
    </div>
  );
}

const stepNumbers = { passkey: 1, address: 2, code: 3, password: 4, done: 4 } as const;

/**
 * Asks an operator for a passkey while the link's proof is fresh, and for an address and a password; who has them goes on
 * to the console.
 */
function FirstVisit({ hadSecret }: { readonly hadSecret: boolean }) {
  const account = useQuery({ ...accountQuery, retry: false });
  const passkeys = useQuery({ ...passkeysQuery, retry: false });
  const navigate = useNavigate();
  const [sentTo, setSentTo] = useState<string | null>(null);
  const [skipped, setSkipped] = useState(false);
  const [withoutPasskey, setWithoutPasskey] = useState(false);
  const queries = useQueryClient();
  const proved = useProved();
  const step =
    account.data === undefined || passkeys.data === undefined
      ? null
      : !withoutPasskey && whyNoPasskeys(passkeys.data) === null && countingPasskeys(passkeys.data) === 0
        ? "passkey"
        : account.data.addresses.length === 0
          ? sentTo === null
            ? "address"
            : "code"
          : account.data.passwordSetAt === null
            ? "password"
            : "done";
  const canHavePasskey = passkeys.data !== undefined && whyNoPasskeys(passkeys.data) === null;
  const leave = skipped || step === "done";
  useEffect(() => {
    if (leave) void navigate({ to: "/console", replace: true });
  }, [leave, navigate]);

  if (account.isError && isSignedOut(account.error)) return <Used none={!hadSecret} />;
  if (account.isLoadingError) return <Failed error={account.error} retry={() => account.refetch()} />;
  if (passkeys.isLoadingError) return <Failed error={passkeys.error} retry={() => passkeys.refetch()} />;
  if (step === null || leave) return <Loading />;
  const again = () => queries.invalidateQueries();
  return (
    <div className="card">
      <p className="soft small">
        {say("operate.step", { step: stepNumbers[step] - (canHavePasskey ? 0 : 1), steps: canHavePasskey ? 4 : 3 })}
      </p>
      <h1>{say("operate.welcome")}</h1>
      <p className="lead">{say(step === "passkey" ? "operate.passkey.what" : "operate.welcome.what")}</p>
      {step === "passkey" && (
        <Form
          key="passkey"
          submit={say("passkeys.add")}
          action={async (filled) => {
            await proved(() => addPasskey(filled("name")));
            await again();
          }}
        >
          <Field
            label={say("passkeys.name")}
            name="name"
            hint={say("passkeys.name.hint")}
            maxLength={100}
            defaultValue={say("passkeys.name.usual")}
            autoFocus
          />
        </Form>
      )}
      {step === "address" && (
        <Form
          key="address"
          submit={say("operate.address.go")}
          action={async (filled) => {
            const address = filled("address");
            await proved(() => send("POST", "/api/account/addresses", { body: { address } }));
            setSentTo(address);
          }}
        >
          <Field
            label={say("operate.address")}
            name="address"
            type="email"
            autoComplete="email"
            maxLength={254}
            autoFocus
          />
        </Form>
      )}
      {step === "code" && (
        <Form
          key="code"
          submit={say("operate.code.go")}
          onCancel={() => setSentTo(null)}
          action={async (filled) => {
            await proved(() => send("POST", "/api/account/addresses/confirm", { body: { code: filled("code") } }));
            await again();
          }}
        >
          <Field
            label={say("operate.code")}
            name="code"
            code
            maxLength={40}
            autoFocus
            hint={say("operate.code.hint", { address: sentTo ?? "" })}
          />
          <p>
            <a href="/mailbox" target="_blank" rel="noreferrer">
              {say("operate.code.mailbox")}
            </a>
          </p>
        </Form>
      )}
      {step === "password" && (
        <Form
          key="password"
          submit={say("operate.password.go")}
          action={async (_filled, data) => {
            await proved(() =>
              send("POST", "/api/password", {
                body: { newPassword: textOf(data, "newPassword"), signOutDevices: false },
              }),
            );
            await again();
          }}
        >
          <input
            type="text"
            autoComplete="username"
            value={account.data?.addresses[0]?.address ?? ""}
            readOnly
            hidden
          />
          <Field
            label={say("operate.password")}
            name="newPassword"
            type="password"
            autoComplete="new-password"
            hint={say("account.password.hint", { count: 15 })}
            minLength={15}
            maxLength={1_024}
            autoFocus
          />
        </Form>
      )}
      <p>
        <button
          className="text-button"
          type="button"
          onClick={() => (step === "passkey" ? setWithoutPasskey(true) : setSkipped(true))}
        >
          {say("operate.later")}
        </button>
      </p>
    </div>
  );
}
