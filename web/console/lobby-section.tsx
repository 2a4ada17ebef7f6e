import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { lobbyQuery, type LobbyNumbers } from "../app/queries.ts";
import { say, sayOf, showNumber } from "../text/say.ts";
import { Chart } from "./chart.tsx";
import { everyStep } from "./every-step.ts";

const minuteMs = 60_000;

/** How people come back: the line, the lanes of the hash threads, and televisions that wait. */
export function LobbySection() {
  const lobby = useQuery(lobbyQuery);
  return (
    <section className="card is-wide" aria-labelledby="lobby">
      <h2 id="lobby">{say("lobby.title")}</h2>
      <p className="soft small">{say("lobby.what")}</p>
      {lobby.data !== undefined ? (
        <Shown lobby={lobby.data} />
      ) : lobby.isError ? (
        <p className="error-text" role="alert">
          {say("lobby.away")}
        </p>
      ) : (
        <span className="skeleton is-card" role="status" aria-label={say("console.loading")} />
      )}
    </section>
  );
}

function Shown({ lobby }: { readonly lobby: LobbyNumbers }) {
  const { line, lanes, minutes, links } = lobby;
  const points = useMemo(
    () =>
      everyStep(
        minutes.map(({ at, called, walkedIn }) => [at, called + walkedIn]),
        minuteMs,
      ),
    [minutes],
  );
  const letIn = points.reduce((sum, [, count]) => sum + count, 0);
  return (
    <>
      <dl className="lobby-figures">
        <Fact name={say("lobby.waiting")} value={showNumber(line.waiting)} />
        <Fact
          name={say("lobby.expected")}
          value={
            line.expectedSeconds === null
              ? say("lobby.expected.unknown")
              : say("lobby.expected.minutes", { minutes: showNumber(Math.ceil(line.expectedSeconds / 60)) })
          }
        />
        <Fact name={say("lobby.perMinute")} value={showNumber(Math.round(line.calledPerSecond * 60))} />
        <Fact
          name={say("lobby.fullness")}
          value={say("lobby.percent", { percent: showNumber(Math.round(line.fullness * 100)) })}
        />
        <Fact name={say("lobby.hashes")} value={showNumber(lobby.hashesPerSecond)} />
        <Fact
          name={say("lobby.tvs")}
          value={say("lobby.tvs.interval", {
            count: showNumber(links.waiting),
            seconds: showNumber(links.intervalSeconds),
          })}
        />
      </dl>
      <div className="lobby-lanes" role="region" aria-label={say("lobby.lanes")} tabIndex={0}>
        <table>
          <caption className="visually-hidden">{say("lobby.lanes")}</caption>
          <thead>
            <tr>
              <th scope="col">{say("lobby.lane")}</th>
              <th scope="col">{say("lobby.lane.waiting")}</th>
              <th scope="col">{say("lobby.lane.wait")}</th>
              <th scope="col">{say("lobby.lane.made")}</th>
              <th scope="col">{say("lobby.lane.turnedAway")}</th>
            </tr>
          </thead>
          <tbody>
            {lanes.map((one) => (
              <tr key={one.lane}>
                <th scope="row">{sayOf("lane", one.lane)}</th>
                <td>{showNumber(one.waiting)}</td>
                <td>{say("lobby.ms", { ms: showNumber(one.waitMs) })}</td>
                <td>{showNumber(one.made)}</td>
                <td>{showNumber(one.turnedAway)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <h3>{say("lobby.chart")}</h3>
      {points.length === 0 ? (
        <p className="soft">{say("lobby.chart.none")}</p>
      ) : (
        <Chart label={say("lobby.chart.label", { count: showNumber(letIn) })} points={points} bars="minute" />
      )}
    </>
  );
}

const Fact = ({ name, value }: { readonly name: string; readonly value: string }) => (
  <div>
    <dt>{name}</dt>
    <dd>{value}</dd>
  </div>
);
