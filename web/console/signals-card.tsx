import { useNow } from "../app/clock.ts";
import type { ConsoleNumbers } from "../app/queries.ts";
import { say, sayCount, showAgo, showInstant, showNumber } from "../text/say.ts";

/** Relying services that are told of security events: each stream's state, when it took something last, and what waits. */
export function SignalsCard({ receivers }: { readonly receivers: ConsoleNumbers["receivers"] }) {
  const now = useNow();
  return (
    <section className="card is-wide" aria-labelledby="signals">
      <h2 id="signals">{say("signals.title")}</h2>
      {receivers.length === 0 ? (
        <p className="soft">{say("signals.none")}</p>
      ) : (
        <div className="table-scroll" tabIndex={0} role="region" aria-label={say("signals.table")}>
          <table className="table">
            <thead>
              <tr>
                <th scope="col">{say("signals.receiver")}</th>
                <th scope="col">{say("signals.state")}</th>
                <th scope="col">{say("signals.last")}</th>
                <th scope="col" className="number">
                  {say("signals.waiting")}
                </th>
                <th scope="col" className="number">
                  {say("signals.taken")}
                </th>
                <th scope="col" className="number">
                  {say("signals.lost")}
                </th>
              </tr>
            </thead>
            <tbody>
              {receivers.flatMap((receiver) =>
                receiver.streams.length === 0
                  ? [
                      <tr key={receiver.id}>
                        <th scope="row">
                          {receiver.name} <TokenMade receiver={receiver} />
                        </th>
                        <td colSpan={5} className="soft">
                          {say("signals.no-stream", { date: showInstant(receiver.tokenExpiresAt) })}
                        </td>
                      </tr>,
                    ]
                  : receiver.streams.map((stream) => (
                      <tr key={stream.id} className={isSick(stream) ? "is-surplus" : undefined}>
                        <th scope="row">
                          {receiver.name} <span className="soft small">{say(`signals.method.${stream.method}`)}</span>{" "}
                          <TokenMade receiver={receiver} />
                        </th>
                        <td>
                          {say(`signals.status.${stream.status}`)}
                          {stream.statusReason !== null && (
                            <span className="small" lang="en">
                              {" "}
                              {stream.statusReason}
                            </span>
                          )}
                          {stream.failures > 0 && (
                            <span className="small"> {sayCount("signals.failures", stream.failures)}</span>
                          )}
                          {stream.verifying && <span className="small"> {say("signals.verifying")}</span>}
                        </td>
                        <td>{stream.takenAt === null ? say("signals.never") : showAgo(stream.takenAt, now)}</td>
                        <td className="number">{showNumber(stream.waiting)}</td>
                        <td className="number">{showNumber(stream.taken)}</td>
                        <td className="number">{showNumber(stream.refused + stream.dropped)}</td>
                      </tr>
                    )),
              )}
            </tbody>
          </table>
        </div>
      )}
      <p className="soft small">{say("signals.what")}</p>
    </section>
  );
}

/** Since when its token is in use: one that the record knows nothing of was made by nobody of ours. */
function TokenMade({ receiver: { tokenMade } }: { readonly receiver: ConsoleNumbers["receivers"][number] }) {
  return (
    <span className="soft small">
      {tokenMade === null
        ? say("signals.token.unrecorded")
        : say("signals.token.made", { at: showInstant(tokenMade.at) })}
    </span>
  );
}

const isSick = ({ status, failures }: ConsoleNumbers["receivers"][number]["streams"][number]): boolean =>
  status === "disabled" || failures > 0;
