import { useNow } from "../app/clock.ts";
import type { ConsoleNumbers } from "../app/queries.ts";
import { say, sayCount, sayOf, showAgo, showNumber } from "../text/say.ts";

interface KeyUseProps {
  readonly use: ConsoleNumbers["keyUse"];
  readonly addresses: ConsoleNumbers["addresses"];
}

/** Uses of keys beside what was announced, and how much of what web may open it has opened. */
export function KeyUse({ use, addresses }: KeyUseProps) {
  const now = useNow();
  const surplus = use?.purposes.reduce((sum, one) => sum + one.surplus, 0) ?? 0;
  return (
    <section className="card is-wide" aria-labelledby="key-use">
      <h2 id="key-use">{say("key-use.title")}</h2>
      <p className={surplus > 0 ? "is-surplus" : "soft"}>
        {use === null
          ? say("key-use.never")
          : surplus > 0
            ? sayCount("key-use.surplus", surplus)
            : say("key-use.calm", { ago: showAgo(use.comparedAt, now) })}
      </p>
      {use !== null && use.purposes.length > 0 && (
        <div className="table-scroll" tabIndex={0} role="region" aria-label={say("key-use.table")}>
          <table className="table">
            <thead>
              <tr>
                <th scope="col">{say("key-use.purpose")}</th>
                <th scope="col" className="number">
                  {say("key-use.announced")}
                </th>
                <th scope="col" className="number">
                  {say("key-use.served")}
                </th>
                <th scope="col" className="number">
                  {say("key-use.by-nobody")}
                </th>
              </tr>
            </thead>
            <tbody>
              {use.purposes.map((one) => (
                <tr key={one.purpose} className={one.surplus > 0 ? "is-surplus" : undefined}>
                  <th scope="row">{sayOf("key-use.purpose", one.purpose)}</th>
                  <td className="number">{showNumber(one.announced)}</td>
                  <td className="number">{showNumber(one.served)}</td>
                  <td className="number">{showNumber(one.surplus)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {addresses === null ? (
        <p className="soft small">{say("console.addresses.away")}</p>
      ) : (
        <div className="limit">
          <label htmlFor="addresses">
            {say("console.addresses", {
              opened: showNumber(addresses.opened),
              limit: showNumber(addresses.limit),
            })}
          </label>
          <meter id="addresses" max={addresses.limit} high={addresses.limit / 2} value={addresses.opened} />
          {addresses.refused > 0 && (
            <p className="is-surplus">{sayCount("console.addresses.refused", addresses.refused)}</p>
          )}
        </div>
      )}
      <p className="soft small">{say("key-use.what")}</p>
    </section>
  );
}
