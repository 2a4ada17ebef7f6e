import "../text/console/load.ts";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { useState, type ReactNode } from "react";
import type { IncidentStatus, OpenIncident } from "../../src/wire/incidents.ts";
import { send } from "../app/api.ts";
import { useNow } from "../app/clock.ts";
import { Dialog } from "../app/dialog.tsx";
import { Failed } from "../app/failed.tsx";
import { Field, Form, type Filled } from "../app/form.tsx";
import { PageFrame } from "../app/page-frame.tsx";
import { useProved } from "../app/proof.tsx";
import { consoleQuery, incidentQuery, incidentsQuery, type ConsoleNumbers } from "../app/queries.ts";
import { say, sayOf, showAgo, showInstant, showNumber } from "../text/say.ts";
import { Alarms } from "./alarms.tsx";
import { CaseFields, readCaseFields } from "./case-fields.tsx";
import { ContainDialog } from "./contain-dialog.tsx";
import { countedAgo } from "./counted-ago.ts";
import { DiskCard, DiskNotice } from "./disk-notice.tsx";
import { KeyUse } from "./key-use.tsx";
import { paceText } from "./letters-going-out.tsx";
import { Live } from "./live.tsx";
import { NextStep, StateSteps, stepOf } from "./next-step.tsx";
import { NodesCard } from "./nodes-card.tsx";
import { OperatorList } from "./operator-list.tsx";
import { Renewals } from "./renewals.tsx";
import { RecoveryCard } from "./recovery-card.tsx";
import { LibraryCard } from "./library-card.tsx";
import { LobbySection } from "./lobby-section.tsx";
import { SumOfLetters } from "./sum-of-letters.tsx";
import { SignalsCard } from "./signals-card.tsx";
import { WitnessesCard } from "./witnesses-card.tsx";
import "./console.css";

export function ConsolePage() {
  const numbers = useQuery(consoleQuery);
  const now = useNow();
  return (
    <PageFrame title={say("console.title")} className="console">
      <div className="console-page">
        <div className="card-heading">
          <h1>{say("console.title")}</h1>
          {numbers.data !== undefined && <Live numbers={numbers} />}
        </div>
        {numbers.data !== undefined ? (
          <Numbers numbers={numbers.data} now={now} />
        ) : numbers.isError ? (
          <Failed error={numbers.error} retry={() => numbers.refetch()} />
        ) : (
          <div className="console-loading" role="status">
            <span className="visually-hidden">{say("console.loading")}</span>
            <span className="skeleton is-card" />
            <span className="skeleton is-card" />
          </div>
        )}
      </div>
    </PageFrame>
  );
}

function Numbers({ numbers, now }: { readonly numbers: ConsoleNumbers; readonly now: number }) {
  const [containing, setContaining] = useState(false);
  const rings = numbers.alarms.some(({ acknowledgedAt }) => acknowledgedAt === null);
  const alarms = <Alarms alarms={numbers.alarms} owed={numbers.owed} caseInHand={numbers.incident !== null} />;
  const live = numbers.sessions.reduce((sum, one) => sum + one.live, 0);
  const titles = numbers.titles.reduce((sum, one) => sum + one.count, 0);
  return (
    <>
      {numbers.addresses === null && (
        <div className="notice is-alarm" role="status">
          <strong>{say("console.keyholder-away")}</strong>
        </div>
      )}
      <DiskNotice disk={numbers.disk} incident={numbers.incident} />
      {numbers.incident === null ? (
        <Calm rings={rings} onContain={() => setContaining(true)} />
      ) : (
        <CaseInHand id={numbers.incident} />
      )}
      {/* Not inside the calm card: containing opens a case, and the card gives way to it while the dialog is still in use. */}
      {containing && <ContainDialog incident={null} onClose={() => setContaining(false)} />}
      {/* Before every figure while somebody has to look at it. */}
      {rings && alarms}
      <section className="figures" aria-label={say("console.live")}>
        <Figure label={say("console.accounts")} value={showNumber(numbers.accounts)}>
          {countedAgo(numbers.countedAt, now)}
        </Figure>
        <Figure label={say("console.sessions")} value={showNumber(live)}>
          {numbers.sessions.map((one) => `${sayOf("class", one.class)} ${showNumber(one.live)}`).join(" · ")}
        </Figure>
        <Figure label={say("console.epoch")} value={showNumber(numbers.epoch)} />
        <Figure label={say("console.titles")} value={showNumber(titles)}>
          {numbers.titles.map((one) => `${sayOf("state", one.state)} ${showNumber(one.count)}`).join(" · ")}
        </Figure>
        <Figure
          label={`${say("console.timeline")}, ${say("console.timeline.entries")}`}
          value={showNumber(numbers.timeline.size)}
        >
          {numbers.timeline.checkpointAt === null
            ? say("console.timeline.none")
            : say("console.timeline.checkpoint", { ago: showAgo(numbers.timeline.checkpointAt, now) })}
          {numbers.timeline.waiting > 0 && ` · ${say("console.timeline.waiting", { count: numbers.timeline.waiting })}`}
        </Figure>
        <Figure
          label={`${say("console.jobs")}, ${say("console.jobs.waiting")}`}
          value={showNumber(numbers.jobs.waiting)}
          alarm={numbers.jobs.failed > 0 || numbers.mail === "nowhere"}
        >
          {say("console.jobs.failed", { count: numbers.jobs.failed })} ·{" "}
          {numbers.mail === "nowhere" ? (
            <strong>{say("console.mail.nowhere")}</strong>
          ) : (
            <>
              {say("console.mail")}{" "}
              {numbers.mail === "mailbox" ? (
                <Link to="/mailbox">{say("console.mail.mailbox")}</Link>
              ) : (
                say("console.mail.relay")
              )}
            </>
          )}
        </Figure>
      </section>
      <div className="console-parts">
        {!rings && alarms}
        <Cases />
        <OperatorList />
        <RecoveryCard />
        <section className="card" aria-labelledby="copy">
          <h2 id="copy">{say("copy.title")}</h2>
          <p className="soft">{say("copy.card")}</p>
          <p>
            <Link to="/console/copy">{say("copy.open")}</Link>
          </p>
        </section>
        <WitnessesCard witnesses={numbers.witnesses} />
        <LobbySection />
        <LibraryCard titles={numbers.titles} jobs={numbers.library} />
        <NodesCard nodes={numbers.nodes} />
        {numbers.disk !== null && <DiskCard disk={numbers.disk} />}
        <KeyUse use={numbers.keyUse} addresses={numbers.addresses} />
        <SignalsCard receivers={numbers.receivers} />
        <section className="card is-wide" aria-labelledby="floors">
          <h2 id="floors">{say("console.floors")}</h2>
          <p className="soft small">{say("console.floors.what")}</p>
          <dl className="floors">
            {numbers.floors.map((floor) => (
              <div key={floor.kind}>
                <dt>{sayOf("floor", floor.kind)}</dt>
                <dd>{showNumber(floor.epoch)}</dd>
              </div>
            ))}
          </dl>
        </section>
      </div>
    </>
  );
}

interface FigureProps {
  readonly label: string;
  readonly value: string;
  readonly children?: ReactNode;
  readonly alarm?: boolean;
}

function Figure({ label, value, children, alarm = false }: FigureProps) {
  return (
    <div className={`figure${alarm ? " is-alarm" : ""}`}>
      <span className="figure-label">{label}</span>
      <span className="figure-value">{value}</span>
      {children !== undefined && children !== false && <span className="soft small">{children}</span>}
    </div>
  );
}

function Calm({ rings, onContain }: { readonly rings: boolean; readonly onContain: () => void }) {
  const [open, setOpen] = useState(false);
  return (
    <section className="card case-in-hand is-calm" aria-labelledby="calm">
      <div>
        <h2 id="calm">{say(rings ? "console.rings.title" : "console.calm.title")}</h2>
        <p className="lead">{say(rings ? "console.rings.what" : "console.calm.what")}</p>
      </div>
      <div className="buttons">
        <button className="button-danger" type="button" onClick={onContain}>
          {say("contain.button")}
        </button>
        <button className="button-quiet" type="button" onClick={() => setOpen(true)}>
          {say("console.start")}
        </button>
      </div>
      {open && <OpenCase onClose={() => setOpen(false)} />}
    </section>
  );
}

function CaseInHand({ id }: { readonly id: string }) {
  const incident = useQuery(incidentQuery(id));
  if (incident.data === undefined) {
    return incident.isError ? (
      <Failed error={incident.error} retry={() => incident.refetch()} />
    ) : (
      <span className="skeleton is-card" />
    );
  }
  const { reference, reason, openedAt, letters, letterPace } = incident.data;
  return (
    <section className="card case-in-hand" aria-labelledby="case">
      <div>
        <p className="case-label">
          {say("console.case.title")} · <span className="reference">{reference}</span> · {showInstant(openedAt)}
        </p>
        <h2 id="case">{reason}</h2>
      </div>
      <StateSteps state={incident.data.state} />
      {letters !== null && (
        <div className="case-figures">
          <section aria-labelledby="case-letters">
            <h3 id="case-letters">{say(letterPace === null ? "case.letters" : stepOf(incident.data))}</h3>
            <SumOfLetters sum={letters} />
            {letterPace !== null && <p>{paceText(letterPace)}</p>}
          </section>
          <section aria-labelledby="case-renewals">
            <h3 id="case-renewals">{say("case.renewals")}</h3>
            <Renewals incident={incident.data} />
          </section>
        </div>
      )}
      <div className="buttons">
        <NextStep incident={incident.data} />
        <Link to="/console/incident/$id" params={{ id }} className="button-quiet">
          {say("console.case.open")}
        </Link>
      </div>
    </section>
  );
}

function OpenCase({ onClose }: { readonly onClose: () => void }) {
  const proved = useProved();
  const navigate = useNavigate();
  const queries = useQueryClient();

  async function open(filled: Filled, data: FormData) {
    const body: OpenIncident = { reason: filled("reason"), ...readCaseFields(filled, data) };
    const { id } = await proved(() => send<IncidentStatus>("POST", "/api/incidents", { body }));
    await queries.invalidateQueries({ queryKey: consoleQuery.queryKey });
    await navigate({ to: "/console/incident/$id", params: { id } });
  }

  return (
    <Dialog title={say("console.start.title")} onClose={onClose}>
      <p className="soft">{say("console.start.what")}</p>
      <Form action={open} submit={say("console.start.go")} onCancel={onClose}>
        <Field
          label={say("console.start.reason")}
          name="reason"
          hint={say("console.start.reason.hint")}
          maxLength={500}
          autoFocus
        />
        <CaseFields />
      </Form>
    </Dialog>
  );
}

function Cases() {
  const incidents = useQuery(incidentsQuery);
  const all = incidents.data?.incidents ?? [];
  return (
    <section className="card" aria-labelledby="cases">
      <h2 id="cases">{say("console.cases")}</h2>
      {incidents.data !== undefined ? (
        all.length === 0 && <p className="soft">{say("console.cases.none")}</p>
      ) : incidents.isError ? (
        <p className="error-text" role="alert">
          {say("lobby.away")}
        </p>
      ) : (
        <span className="skeleton is-card" role="status" aria-label={say("console.loading")} />
      )}
      {all.length > 0 && (
        <ul className="plain-list">
          {all.map((one) => (
            <li key={one.id}>
              <Link to="/console/incident/$id" params={{ id: one.id }}>
                {one.reason}
              </Link>
              <span className="soft small">
                <span className="reference">{one.reference}</span> · {sayOf("state", one.state)} ·{" "}
                {showInstant(one.openedAt)}
              </span>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
