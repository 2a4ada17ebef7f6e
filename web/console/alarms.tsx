import { useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import type { Alarm, OpenedCase } from "../../src/wire/alarms.ts";
import { send } from "../app/api.ts";
import { refusalText } from "../app/failed.tsx";
import { Cancelled, useProved } from "../app/proof.tsx";
import { consoleQuery, type ConsoleNumbers } from "../app/queries.ts";
import { say, sayCount, sayOf, showExact, showList, showNumber } from "../text/say.ts";
import { detailLanguage, detailText } from "./detail.ts";

interface AlarmsProps {
  readonly alarms: ConsoleNumbers["alarms"];
  readonly owed: ConsoleNumbers["owed"];
  readonly caseInHand: boolean;
}

/** What has rung, the alarms that nobody acknowledged first; read again with the console's numbers. */
export function Alarms({ alarms, owed, caseInHand }: AlarmsProps) {
  const open = alarms.filter(({ acknowledgedAt }) => acknowledgedAt === null);
  const seen = alarms.filter(({ acknowledgedAt }) => acknowledgedAt !== null);
  return (
    <section className={`card${open.length > 0 ? " is-wide" : ""}`} aria-labelledby="alarms">
      <h2 id="alarms">{say("console.alarms")}</h2>
      {/* Said aloud when it changes, and at no other time. */}
      <p className="visually-hidden" role="status">
        {open.length > 0 ? sayCount("console.alarms.open", open.length) : ""}
      </p>
      {alarms.length + owed.length === 0 && <p className="soft">{say("console.alarms.none")}</p>}
      {open.length > 0 && (
        <ul className="alarms">
          {open.map((alarm) => (
            <OpenAlarm key={alarm.id} alarm={alarm} caseInHand={caseInHand} />
          ))}
        </ul>
      )}
      {seen.length + owed.length > 0 && (
        <ul className="plain-list">
          {seen.map((alarm) => (
            <li key={alarm.id}>
              <span lang={alarm.language}>{alarm.title}</span>
              <span className="soft small">
                {whenAndWhere(alarm)} · {say("console.alarms.acknowledged")}
                {alarm.incidentId !== null && (
                  <>
                    {" · "}
                    <Link to="/console/incident/$id" params={{ id: alarm.incidentId }}>
                      {say("console.alarms.case.opened")}
                    </Link>
                  </>
                )}
              </span>
            </li>
          ))}
          {owed.map((one) => (
            <li key={`${one.at} ${one.kind}`}>
              <span>{sayOf("record", one.kind)}</span>
              <span className="soft small">
                {showExact(one.at)} · <span lang={detailLanguage(one.detail)}>{detailText(one.detail)}</span>
              </span>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function whenAndWhere({ at, lastAt, times, place }: Alarm): string {
  const parts = [
    showExact(at),
    place,
    times > 1 && say("console.alarms.times", { times: showNumber(times), last: showExact(lastAt) }),
  ];
  return parts.filter((part) => typeof part === "string").join(" · ");
}

function OpenAlarm({ alarm, caseInHand }: { readonly alarm: Alarm; readonly caseInHand: boolean }) {
  const queries = useQueryClient();
  const proved = useProved();
  const navigate = useNavigate();
  const [busy, setBusy] = useState(false);
  const [told, setTold] = useState<string | null>(null);
  const proposesCase = alarm.proposes.dataClasses.length > 0;

  async function act(work: () => Promise<void>) {
    setBusy(true);
    setTold(null);
    try {
      await proved(work);
    } catch (thrown) {
      if (!(thrown instanceof Cancelled)) setTold(refusalText(thrown));
    } finally {
      setBusy(false);
      await queries.invalidateQueries({ queryKey: consoleQuery.queryKey });
    }
  }

  return (
    <li>
      <strong lang={alarm.language}>{alarm.title}</strong>
      <span className="soft small">{whenAndWhere(alarm)}</span>
      <dl className="alarm-words">
        <div>
          <dt>{say("console.alarms.evidence")}</dt>
          <dd lang={alarm.language}>{alarm.evidence}</dd>
        </div>
        <div>
          <dt>{say("console.alarms.not")}</dt>
          <dd lang={alarm.language}>{alarm.notEvidence}</dd>
        </div>
        {Object.keys(alarm.facts).length > 0 && (
          <div>
            <dt>{say("console.alarms.facts")}</dt>
            <dd lang={detailLanguage(alarm.facts)}>{detailText(alarm.facts)}</dd>
          </div>
        )}
        {proposesCase && (
          <div>
            <dt>{say("console.alarms.proposes")}</dt>
            <dd>
              {say("console.alarms.proposal", {
                how: alarm.proposes.foundHow,
                copied:
                  alarm.proposes.copiedAfter === null
                    ? say("console.alarms.unknown")
                    : say("case.copied.after", { at: showExact(alarm.proposes.copiedAfter) }),
                classes: showList(alarm.proposes.dataClasses.map((one) => sayOf("data", one))),
                keys: say(`console.keys.${alarm.proposes.keysReachable}`),
              })}
            </dd>
          </div>
        )}
      </dl>
      {told !== null && (
        <p className="error-text" role="alert">
          {told}
        </p>
      )}
      <div className="buttons">
        {proposesCase && !caseInHand && (
          <button
            className="button"
            type="button"
            disabled={busy}
            aria-label={say("console.alarms.case.label", { title: alarm.title })}
            onClick={() =>
              void act(async () => {
                const { incidentId } = await send<OpenedCase>("POST", `/api/alarms/${alarm.id}/case`);
                await navigate({ to: "/console/incident/$id", params: { id: incidentId } });
              })
            }
          >
            {say("console.alarms.case")}
          </button>
        )}
        <button
          className="button-quiet"
          type="button"
          disabled={busy}
          aria-label={say("console.alarms.acknowledge.label", { title: alarm.title })}
          onClick={() => void act(async () => void (await send("POST", `/api/alarms/${alarm.id}/acknowledge`)))}
        >
          {say("console.alarms.acknowledge")}
        </button>
      </div>
    </li>
  );
}
