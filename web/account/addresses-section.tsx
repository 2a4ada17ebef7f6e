import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import type { Account } from "../../src/wire/accounts.ts";
import { limits } from "../../src/wire/common.ts";
import { send } from "../app/api.ts";
import { Dialog } from "../app/dialog.tsx";
import { Field, Form } from "../app/form.tsx";
import { Cancelled, useProved } from "../app/proof.tsx";
import { refusedBy, Told, went, type Outcome } from "../app/told.tsx";
import { say, showDate } from "../text/say.ts";

type Address = Account["addresses"][number];

/** Addresses, the one that is written to first above the others. Each is a way back, so each change wants a fresh proof. */
export function AddressesSection({ addresses }: { readonly addresses: readonly Address[] }) {
  const queries = useQueryClient();
  const proved = useProved();
  const [told, setTold] = useState<Outcome | null>(null);
  const [removing, setRemoving] = useState<Address | null>(null);
  const [busy, setBusy] = useState(false);

  async function act(method: "POST" | "DELETE", path: string, done: string) {
    setBusy(true);
    try {
      await proved(() => send(method, path, method === "POST" ? { body: {} } : {}));
      setTold(went(done));
    } catch (thrown) {
      if (!(thrown instanceof Cancelled)) setTold(refusedBy(thrown));
    }
    setBusy(false);
    await queries.invalidateQueries();
  }

  return (
    <section className="card" aria-labelledby="addresses">
      <h2 id="addresses">{say("account.addresses")}</h2>
      <p className="soft">{say("account.addresses.lead")}</p>
      <Told outcome={told} />
      {addresses.length === 0 && <p>{say("account.no-address")}</p>}
      <ul className="row-list">
        {addresses.map((one, place) => (
          <li key={one.id}>
            <div className="row-words">
              <strong>{one.address}</strong>
              <span className="soft small">
                {[
                  ...(place === 0 && addresses.length > 1 ? [say("account.address.first")] : []),
                  say("account.confirmed", { date: showDate(one.confirmedAt) }),
                ].join(" · ")}
              </span>
              {one.doubted && <span className="doubt">{say("account.doubted")}</span>}
            </div>
            {(addresses.length > 1 || one.doubted) && (
              <div className="row-buttons">
                {one.doubted && (
                  <button
                    className="button-quiet"
                    type="button"
                    disabled={busy}
                    aria-label={say("account.keep-address.label", { address: one.address })}
                    onClick={() =>
                      void act(
                        "POST",
                        `/api/account/addresses/${one.id}/keep`,
                        say("account.address.kept", { address: one.address }),
                      )
                    }
                  >
                    {say("account.keep-address")}
                  </button>
                )}
                {place > 0 && (
                  <button
                    className="button-quiet"
                    type="button"
                    disabled={busy}
                    aria-label={say("account.address.use-first.label", { address: one.address })}
                    onClick={() =>
                      void act(
                        "POST",
                        `/api/account/addresses/${one.id}/first`,
                        say("account.address.used-first", { address: one.address }),
                      )
                    }
                  >
                    {say("account.address.use-first")}
                  </button>
                )}
                {addresses.length > 1 && (
                  <button
                    className="button-quiet"
                    type="button"
                    disabled={busy}
                    aria-label={say("account.address.remove.label", { address: one.address })}
                    onClick={() => setRemoving(one)}
                  >
                    {say("account.address.remove")}
                  </button>
                )}
              </div>
            )}
          </li>
        ))}
      </ul>
      {addresses.length < limits.addressesPerAccount ? (
        <AddAddress onAdded={() => setTold(went(say("account.address.added")))} />
      ) : (
        <p className="soft small">{say("account.address.full", { count: limits.addressesPerAccount })}</p>
      )}
      {removing !== null && (
        <Dialog title={say("account.address.remove.title")} onClose={() => setRemoving(null)}>
          <p>{say("account.address.remove.what", { address: removing.address })}</p>
          <div className="buttons">
            <button
              className="button"
              type="button"
              autoFocus
              onClick={() => {
                setRemoving(null);
                void act(
                  "DELETE",
                  `/api/account/addresses/${removing.id}`,
                  say("account.address.removed", { address: removing.address }),
                );
              }}
            >
              {say("account.address.remove")}
            </button>
            <button className="button-quiet" type="button" onClick={() => setRemoving(null)}>
              {say("cancel")}
            </button>
          </div>
        </Dialog>
      )}
    </section>
  );
}

/** An address, then the code that was mailed to it. The answer is the same whoever else may have the address. */
function AddAddress({ onAdded }: { readonly onAdded: () => void }) {
  const queries = useQueryClient();
  const proved = useProved();
  const [sentTo, setSentTo] = useState<string | null>(null);
  if (sentTo === null) {
    return (
      <Form
        key="address"
        submit={say("account.address.add.go")}
        action={async (filled) => {
          const address = filled("address");
          await proved(() => send("POST", "/api/account/addresses", { body: { address } }));
          setSentTo(address);
        }}
      >
        <Field
          label={say("account.address.add")}
          name="address"
          type="email"
          autoComplete="email"
          maxLength={limits.addressLength}
          hint={say("account.address.add.hint")}
        />
      </Form>
    );
  }
  return (
    <Form
      key="code"
      submit={say("account.address.code.go")}
      onCancel={() => setSentTo(null)}
      action={async (filled) => {
        await send("POST", "/api/account/addresses/confirm", { body: { code: filled("code") } });
        setSentTo(null);
        onAdded();
        await queries.invalidateQueries();
      }}
    >
      <Field
        label={say("account.address.code")}
        name="code"
        code
        maxLength={40}
        autoFocus
        hint={say("account.address.code.hint", { address: sentTo })}
      />
    </Form>
  );
}
