import { useNow } from "../app/clock.ts";
import type { ConsoleNumbers } from "../app/queries.ts";
import { say, showAgo, showNumber } from "../text/say.ts";
import { saidText } from "./said.ts";

/** Witnesses elsewhere that cosign the timeline, how far each has come, and what keeps one from it. */
export function WitnessesCard({ witnesses }: { readonly witnesses: ConsoleNumbers["witnesses"] }) {
  const now = useNow();
  return (
    <section className="card" aria-labelledby="witnesses">
      <h2 id="witnesses">{say("witnesses.title")}</h2>
      {witnesses.length === 0 ? (
        <p className="soft">{say("witnesses.none")}</p>
      ) : (
        <ul className="plain-list">
          {witnesses.map((one) => (
            <li key={one.name}>
              <strong>{one.name}</strong>{" "}
              {one.problem !== null && one.failingSince !== null ? (
                <span className="is-surplus">
                  {say("witnesses.problem", {
                    ago: showAgo(one.failingSince, now),
                    problem: saidText(one.problem).text,
                  })}
                </span>
              ) : (
                <span className="soft">
                  {one.cosignedAt === null
                    ? say("witnesses.never")
                    : say("witnesses.cosigned", {
                        size: showNumber(one.cosignedSize),
                        ago: showAgo(one.cosignedAt, now),
                      })}
                </span>
              )}
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
