import type { Account } from "../../src/wire/accounts.ts";
import { say, showDate } from "../text/say.ts";

export function YouSection({ account }: { readonly account: Account }) {
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
          {account.addresses.map(({ id, address, confirmedAt }) => (
            <span key={id} className="address">
              {address} <span className="soft small">{say("account.confirmed", { date: showDate(confirmedAt) })}</span>
            </span>
          ))}
        </dd>
      </dl>
      <p className="soft small">{say("account.since", { date: showDate(account.createdAt) })}</p>
    </section>
  );
}
