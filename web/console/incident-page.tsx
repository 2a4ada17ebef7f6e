import "../text/console/load.ts";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { useState, type ReactNode } from "react";
import type { Operators } from "../../src/wire/accounts.ts";
import type { IncidentStatus } from "../../src/wire/incidents.ts";
import { send } from "../app/api.ts";
import { useNow } from "../app/clock.ts";
import { Dialog } from "../app/dialog.tsx";
import { Failed } from "../app/failed.tsx";
import { Field, Form, type Filled } from "../app/form.tsx";
import { PageFrame } from "../app/page-frame.tsx";
import { useProved } from "../app/proof.tsx";
import { incidentQuery, operatorsQuery } from "../app/queries.ts";
import { say, sayCount, sayOf, showExact, showList, showNumber, showSpan } from "../text/say.ts";
import { CaseFields, readChangedFields } from "./case-fields.tsx";
import { countedAgo } from "./counted-ago.ts";
import { detailLanguage, detailText } from "./detail.ts";
import { LettersGoingOut } from "./letters-going-out.tsx";
import { LettersWentOut } from "./letters-went-out.tsx";
import { Live } from "./live.tsx";
import { ReceiptForm } from "./receipt-form.tsx";
import { NextStep, StateSteps, stepOf } from "./next-step.tsx";
import { nameOf, OperatorList } from "./operator-list.tsx";
import { Renewals } from "./renewals.tsx";
import { ReviewList } from "./review-list.tsx";
import { saidText } from "./said.ts";
import { SumOfLetters } from "./sum-of-letters.tsx";
import "./console.css";

export function IncidentPage() {
  const { id } = useParams({ from: "/console/incident/$id" });
  const incident = useQuery(incidentQuery(id));
  return (
    <PageFrame title={incident.data?.reference ?? say("console.title")} className="console">
      <div className="console-page">
        {incident.data !== undefined ? (
          <CaseFile incident={incident.data} live={<Live numbers={incident} />} />
        ) : incident.isError ? (
          <Failed error={incident.error} retry={() => incident.refetch()} />
        ) : (
          <div className="console-loading" role="status">
            <span className="visually-hidden">{say("case.loading")}</span>
            <span className="skeleton is-card" />
            <span className="skeleton is-card" />
          </div>
        )}
      </div>
    </PageFrame>
  );
}

function CaseFile({ incident, live }: { readonly incident: IncidentStatus; readonly live: ReactNode }) {
  return (
    <>
      <header className="case-head">
        <div className="card-heading">
          <p className="case-label">
            {say("case.reference", { reference: incident.reference })} · {showExact(incident.openedAt)}
          </p>
          {live}
        </div>
        <h1>{incident.reason}</h1>
        <StateSteps state={incident.state} />
      </header>
      <section className="card next-step" aria-labelledby="next">
        <div>
          <h2 id="next">{say("case.next")}</h2>
          <p className="lead">{say(stepOf(incident))}</p>
        </div>
        <div className="buttons">
          <NextStep incident={incident} />
          {incident.containedAt !== null && (
            <a className="button-quiet" href={`/api/incidents/${incident.id}/report`} target="_blank" rel="noreferrer">
              {say("case.report")}
            </a>
          )}
        </div>
        {incident.state !== "open" && incident.state !== "closed" && incident.missing.length > 0 && (
          <div className="missing">
            <p className="small">
              <strong>{say("case.missing")}</strong>
            </p>
            <Missing lines={incident.missing} waiting={incident.letters?.waiting ?? 0} />
          </div>
        )}
      </section>
      <div className="console-parts is-case">
        <Part id="known" heading={say("case.known")}>
          <Known incident={incident} />
        </Part>
        <Part id="deadlines" heading={say("case.deadlines")}>
          <Deadlines deadlines={incident.deadlines} />
        </Part>
        <Part id="letters" heading={say("case.letters")} wide>
          <p className="soft small">{say("case.letters.what")}</p>
          <Letters incident={incident} />
        </Part>
        <Part id="renewals" heading={say("case.renewals")}>
          <Renewals incident={incident} />
        </Part>
        <Part id="refusals" heading={say("case.refusals")}>
          <Refusals refusals={incident.refusedByKind} />
        </Part>
        {incident.state !== "open" && (
          <>
            <Part id="way-in" heading={say("case.wayin")}>
              <WayIn incident={incident} />
            </Part>
            <Part id="review" heading={say("case.review")}>
              <ReviewList incident={incident} />
            </Part>
          </>
        )}
        {incident.state !== "closed" && <OperatorList />}
        <Part id="timeline" heading={say("case.timeline")} wide>
          <Timeline entries={incident.timeline} />
        </Part>
      </div>
    </>
  );
}

/** What is missing: a line each, and the review, whose card says the rest, in one with its number. */
function Missing({ lines, waiting }: { readonly lines: readonly string[]; readonly waiting: number }) {
  const reviews = lines.filter((line) => line.startsWith("review ("));
  return (
    <ul>
      {lines
        .filter((line) => !reviews.includes(line))
        .map((line) =>
          line.startsWith("the way in:") ? (
            <li key={line}>
              <a href="#way-in">{say("case.wayin")}</a>
            </li>
          ) : (
            <MissingLine key={line} line={line} waiting={waiting} />
          ),
        )}
      {reviews.length > 0 && (
        <li>
          <a href="#review">{`${say("case.review")} (${showNumber(reviews.length)})`}</a>
        </li>
      )}
    </ul>
  );
}

function MissingLine({ line, waiting }: { readonly line: string; readonly waiting: number }) {
  if (/^(\S+ )?letters? (is|are) waiting$/.test(line)) return <li>{sayCount("case.missing.waiting", waiting)}</li>;
  const { text, language } = saidText(line);
  return <li lang={language}>{text}</li>;
}

interface PartProps {
  readonly id: string;
  readonly heading: string;
  readonly children: ReactNode;
  readonly wide?: boolean;
}

function Part({ id, heading, children, wide = false }: PartProps) {
  return (
    <section className={`card${wide ? " is-wide" : ""}`} aria-labelledby={id}>
      <h2 id={id}>{heading}</h2>
      {children}
    </section>
  );
}

/** When the copy was made, as far as the case knows. */
function copiedText({ copiedAt, copiedAfter }: IncidentStatus): string {
  if (copiedAt !== null) return showExact(copiedAt);
  return copiedAfter === null ? say("case.copied.unknown") : say("case.copied.after", { at: showExact(copiedAfter) });
}

/** How it is contained, and since when, if that is not when it was first. */
function modeText({ containment, containedAt, containmentAt }: IncidentStatus): string {
  const mode = say(`case.mode.${containment ?? "account"}`);
  return containmentAt === null || containmentAt === containedAt
    ? mode
    : say("case.mode.since", { mode, at: showExact(containmentAt) });
}

/** An operator by name, or what was written of somebody else. */
function finderText({ foundBy }: IncidentStatus, known: Operators | undefined): string {
  if (foundBy === "host" || foundBy === "alarm") return say(`case.found.${foundBy}`);
  const finder = known?.operators.find(({ accountId }) => accountId === foundBy);
  return finder === undefined ? foundBy : nameOf(finder);
}

function Known({ incident }: { readonly incident: IncidentStatus }) {
  const [changing, setChanging] = useState(false);
  const operators = useQuery(operatorsQuery);
  const facts: readonly (readonly [string, string])[] = [
    [say("case.found"), showExact(incident.foundAt)],
    [say("case.found.by"), finderText(incident, operators.data)],
    [say("case.found.how"), incident.foundHow],
    [say("case.copied"), copiedText(incident)],
    [
      say("case.classes"),
      showList(incident.dataClasses.map((one) => sayOf("data", one))) || say("case.classes.unknown"),
    ],
    [say("case.keys"), sayOf("console.keys", incident.keysReachable)],
    [
      say("case.contained"),
      incident.containedAt === null ? say("case.contained.not") : showExact(incident.containedAt),
    ],
    ...(incident.containment === null
      ? []
      : [
          [say("case.mode"), modeText(incident)] as const,
          // Where sessions are spared, so are those of tools.
          ...(incident.containment === "with-renewal"
            ? []
            : [[say("case.tools"), say(incident.keptTools ? "case.tools.kept" : "case.tools.out")] as const]),
        ]),
    ...(incident.epoch === null ? [] : [[say("case.epoch"), showNumber(incident.epoch)] as const]),
  ];
  return (
    <>
      <dl className="facts-list">
        {facts
          .filter(([, value]) => value !== "")
          .map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
      </dl>
      {(incident.state === "open" || incident.state === "contained") && (
        <div className="buttons">
          <button className="button-quiet" type="button" onClick={() => setChanging(true)}>
            {say("case.wayin.change")}
          </button>
        </div>
      )}
      {changing && <ChangeFacts incident={incident} onClose={() => setChanging(false)} />}
    </>
  );
}

function ChangeFacts({ incident, onClose }: { readonly incident: IncidentStatus; readonly onClose: () => void }) {
  const proved = useProved();
  const queries = useQueryClient();
  // As it was when the fields were filled: the case goes on being read, and others may say something of it.
  const [known] = useState(incident);

  async function change(filled: Filled, data: FormData) {
    const body = readChangedFields(filled, data, known);
    await proved(() => send("PUT", `/api/incidents/${incident.id}/facts`, { body }));
    await queries.invalidateQueries({ queryKey: ["incident", incident.id] });
    onClose();
  }

  return (
    <Dialog title={say("case.known")} onClose={onClose}>
      <p className="soft">{say("case.known.what")}</p>
      <Form action={change} submit={say("case.wayin.save")} onCancel={onClose}>
        <CaseFields known={known} />
      </Form>
    </Dialog>
  );
}

function sayLeft(seconds: number | null): string {
  if (seconds === null) return say("case.due.none");
  return seconds < 0
    ? say("case.due.over", { time: showSpan(-seconds) })
    : say("case.due.in", { time: showSpan(seconds) });
}

type DeadlineState = IncidentStatus["deadlines"][number]["state"];
const isMet = (state: DeadlineState): state is "met" | "told" => state === "met" || state === "told";

function Deadlines({ deadlines }: { readonly deadlines: IncidentStatus["deadlines"] }) {
  const now = useNow();
  if (deadlines.length === 0) return <p className="soft">{say("case.deadlines.none")}</p>;
  // What still runs first: without delay, then the nearest.
  const inOrder = deadlines.toSorted(
    (one, other) =>
      Number(isMet(one.state)) - Number(isMet(other.state)) || (one.dueAt ?? "").localeCompare(other.dueAt ?? ""),
  );
  return (
    <ul className="plain-list deadlines">
      {inOrder.map((deadline) => {
        const { dueAt, state } = deadline;
        const left = dueAt === null ? null : (Date.parse(dueAt) - now) / 1_000;
        const isDone = isMet(state);
        return (
          <li key={deadline.rule} className={isDone ? "is-met" : left !== null && left < 0 ? "is-over" : undefined}>
            <strong>{isDone ? say(`case.deadline.${state}`) : sayLeft(left)}</strong>
            <span>{sayOf("deadline", deadline.rule, deadline.title)}</span>
            {dueAt !== null && <span className="soft small">{showExact(dueAt)}</span>}
          </li>
        );
      })}
    </ul>
  );
}

function Letters({ incident }: { readonly incident: IncidentStatus }) {
  const { letters, lettersFinishedAt, letterPace, lettersOut } = incident;
  const handedOver = letters?.handedOver ?? 0;
  const now = useNow();
  if (letters === null) return <p className="soft">{say("case.letters.none")}</p>;
  const counted = countedAgo(incident.countedAt, now);
  return (
    <>
      <SumOfLetters sum={letters} />
      {counted !== undefined && <p className="small soft">{counted}</p>}
      {lettersFinishedAt !== null && <p>{say("case.letters.finished", { date: showExact(lettersFinishedAt) })}</p>}
      {letterPace !== null && <LettersGoingOut id={incident.id} pace={letterPace} />}
      {lettersOut !== null && <LettersWentOut out={lettersOut} />}
      {handedOver > 0 && <ReceiptForm id={incident.id} />}
    </>
  );
}

function Refusals({ refusals }: { readonly refusals: IncidentStatus["refusedByKind"] }) {
  const most = Math.max(1, ...refusals.map(({ refused }) => refused));
  if (refusals.length === 0) return <p className="soft">{say("case.refusals.none")}</p>;
  return (
    <ul className="bars">
      {refusals.map(({ kind, refused }) => (
        <li key={kind}>
          <span>{sayOf("floor", kind)}</span>
          <meter value={refused} max={most} aria-label={sayOf("floor", kind)} />
          <span className="number">{showNumber(refused)}</span>
        </li>
      ))}
    </ul>
  );
}

function WayIn({ incident }: { readonly incident: IncidentStatus }) {
  const proved = useProved();
  const queries = useQueryClient();
  const [changing, setChanging] = useState(false);
  const { wayIn } = incident;

  async function record(filled: Filled) {
    const body = {
      what: filled("what"),
      closedAt: new Date(filled("closedAt")).toISOString(),
      evidence: filled("evidence"),
    };
    await proved(() => send("PUT", `/api/incidents/${incident.id}/way-in`, { body }));
    setChanging(false);
    await queries.invalidateQueries({ queryKey: ["incident", incident.id] });
  }

  if (wayIn !== null && !changing) {
    return (
      <>
        <dl className="facts-list">
          <div>
            <dt>{say("case.wayin.what")}</dt>
            <dd>{wayIn.what}</dd>
          </div>
          <div>
            <dt>{say("case.wayin.closed")}</dt>
            <dd>{showExact(wayIn.closedAt)}</dd>
          </div>
          <div>
            <dt>{say("case.wayin.evidence")}</dt>
            <dd>{wayIn.evidence}</dd>
          </div>
        </dl>
        {incident.state !== "closed" && (
          <div className="buttons">
            <button className="button-quiet" type="button" onClick={() => setChanging(true)}>
              {say("case.wayin.change")}
            </button>
          </div>
        )}
      </>
    );
  }
  if (incident.state === "closed") return null;
  return (
    <Form action={record} submit={say("case.wayin.save")} {...(changing ? { onCancel: () => setChanging(false) } : {})}>
      <Field label={say("case.wayin.what")} name="what" rows={2} maxLength={1_000} defaultValue={wayIn?.what ?? ""} />
      <Field label={say("case.wayin.closed")} name="closedAt" type="datetime-local" />
      <Field
        label={say("case.wayin.evidence")}
        name="evidence"
        rows={2}
        maxLength={2_000}
        defaultValue={wayIn?.evidence ?? ""}
      />
    </Form>
  );
}

function Timeline({ entries }: { readonly entries: IncidentStatus["timeline"] }) {
  const operators = useQuery(operatorsQuery);
  const people = new Map(operators.data?.operators.map((one) => [one.accountId, nameOf(one)]));
  if (entries.length === 0) return <p className="soft">{say("case.timeline.none")}</p>;
  return (
    <ol className="timeline">
      {entries
        .toSorted((one, other) => other.at.localeCompare(one.at))
        .map((entry, place) => (
          <li key={`${entry.at} ${place}`}>
            <time dateTime={entry.at}>{showExact(entry.at)}</time>
            <strong>{sayOf("record", entry.kind)}</strong>
            <span className="soft small" lang={detailLanguage(entry.detail)}>
              {detailText(entry.detail, people)}
            </span>
          </li>
        ))}
    </ol>
  );
}
