import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import type { Account } from "../../src/wire/accounts.ts";
import { send } from "../app/api.ts";
import { Field, Form, textOf, type Filled } from "../app/form.tsx";
import { useProved } from "../app/proof.tsx";
import { secondFactorQuery } from "../app/queries.ts";
import { say, showDate } from "../text/say.ts";

/** NIST SP 800-63B-4 section 3.1.1.2(1); the server decides, the field only helps. */
const passwordLength = 15;

export function PasswordSection({ account }: { readonly account: Account }) {
  const proved = useProved();
  const queries = useQueryClient();
  const factor = useQuery(secondFactorQuery);
  const [done, setDone] = useState<string | null>(null);
  const hasPassword = account.passwordSetAt !== null;
  const section = useRef<HTMLElement>(null);

  // A password manager leads here (`/.well-known/change-password`), before there is anything that the address could name.
  useEffect(() => {
    if (location.hash !== "#password") return;
    section.current?.scrollIntoView({ block: "start" });
    section.current?.querySelector<HTMLInputElement>("input:not([hidden])")?.focus({ preventScroll: true });
  }, []);

  async function change(filled: Filled, data: FormData) {
    const signOutDevices = data.get("signOutDevices") !== null;
    await proved(() =>
      send("POST", "/api/password", {
        body: {
          ...(hasPassword ? { currentPassword: textOf(data, "currentPassword") } : {}),
          newPassword: textOf(data, "newPassword"),
          signOutDevices,
        },
      }),
    );
    setDone(say(signOutDevices ? "account.password.changed.devices" : "account.password.changed"));
    await queries.invalidateQueries();
  }

  return (
    <section className="card" aria-labelledby="password" ref={section}>
      <h2 id="password">{say("account.password")}</h2>
      <p className="soft">
        {account.passwordSetAt === null
          ? say("account.password.none")
          : say("account.password.set", { date: showDate(account.passwordSetAt) })}
      </p>
      {done !== null && (
        <div className="notice" role="status">
          <strong>{done}</strong>
        </div>
      )}
      <Form action={change} submit={say("account.password.change")}>
        <input type="text" autoComplete="username" value={account.addresses[0]?.address ?? ""} readOnly hidden />
        {hasPassword && (
          <Field
            label={say("account.password.current")}
            name="currentPassword"
            type="password"
            autoComplete="current-password"
          />
        )}
        <Field
          label={say("account.password.new")}
          name="newPassword"
          type="password"
          autoComplete="new-password"
          hint={say("account.password.hint", { count: factor.data?.passwordLength ?? passwordLength })}
          minLength={8}
          maxLength={1_024}
        />
        <label className="check">
          <input type="checkbox" name="signOutDevices" defaultChecked />
          <span>{say("account.password.devices")}</span>
          <span className="hint">{say("account.password.devices.hint")}</span>
        </label>
      </Form>
    </section>
  );
}
