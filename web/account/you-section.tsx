import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import type { Account } from "../../src/wire/accounts.ts";
import { send } from "../app/api.ts";
import { refusalText } from "../app/failed.tsx";
import { Cancelled, useProved } from "../app/proof.tsx";
import { accountQuery } from "../app/queries.ts";
import { say, showDate } from "../text/say.ts";

export function YouSection({ account }: { readonly account: Account }) {
  const proved = useProved();
  const queries = useQueryClient();
  const [told, setTold] = useState<string | null>(null);

  async function keep(id: string) {
    try {
      await proved(() => send("POST", `/api/account/addresses/${id}/keep`, { body: {} }));
      setTold(null);
    } catch (thrown) {
      if (!(thrown instanceof Cancelled)) setTold(refusalText(thrown));
    }
    await queries.invalidateQueries({ queryKey: accountQuery.queryKey });
  }

  return (
    <section className="card" aria-labelledby="you">
      <h2 id="you">{say("account.you")}</h2>
      <dl className="known">
        {account.name !== "" && (
          <>
            <dt>{say("account.name")}</dt>
            <dd>{account.name}</dd>
          </>
        )}
        <dt>{say("account.addresses")}</dt>
        <dd>
          {account.addresses.length === 0 && say("account.no-address")}
          {account.addresses.map(({ id, address, confirmedAt, doubted }) => (
            <span key={id} className="address">
              {address} <span className="soft small">{say("account.confirmed", { date: showDate(confirmedAt) })}</span>
              {doubted && (
                <span className="doubt">
                  {say("account.doubted")}{" "}
                  <button
                    className="text-button"
                    type="button"
                    aria-label={say("account.keep-address.label", { address })}
                    onClick={() => void keep(id)}
                  >
                    {say("account.keep-address")}
                  </button>
                </span>
              )}
            </span>
          ))}
        </dd>
      </dl>
      <p className="error-text" role="status" hidden={told === null}>
        {told}
      </p>
      <p className="soft small">{say("account.since", { date: showDate(account.createdAt) })}</p>
    </section>
  );
}
