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
        <dt>{say("account.since")}</dt>
        <dd>{showDate(account.createdAt)}</dd>
      </dl>
    </section>
  );
}
