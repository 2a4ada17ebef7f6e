import { useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import type { IncidentStatus } from "../../src/wire/incidents.ts";
import { send } from "../app/api.ts";
import { Dialog } from "../app/dialog.tsx";
import { Form } from "../app/form.tsx";
import { useProved } from "../app/proof.tsx";
import { say } from "../text/say.ts";
import { ContainDialog } from "./contain-dialog.tsx";
import { NotifyDialog } from "./notify-dialog.tsx";

type State = IncidentStatus["state"];
const states = ["open", "contained", "notifying", "readmitting", "closed"] as const satisfies readonly State[];

/** Where the case stands, as a line of lamps. */
export function StateSteps({ state }: { readonly state: State }) {
  const here = states.indexOf(state);
  return (
    <ol className="state-steps">
      {states.map((one, place) => (
        <li
          key={one}
          className={place < here ? "is-past" : place === here ? "is-here" : undefined}
          aria-current={place === here ? "step" : undefined}
        >
          {say(`state.${one}`)}
        </li>
      ))}
    </ol>
  );
}

/** What the case is about now: letters that somebody has paused do not go out. */
export const stepOf = ({ state, letterPace }: IncidentStatus) =>
  state === "notifying" && letterPace !== null && letterPace.pausedAt !== null
    ? ("step.paused" as const)
    : (`step.${state}` as const);

/** The next step of a case as one button. */
export function NextStep({ incident }: { readonly incident: IncidentStatus }) {
  const [open, setOpen] = useState<"contain" | "notify" | "close" | null>(null);
  const close = () => setOpen(null);
  const closable = incident.missing.length === 0;
  return (
    <>
      {incident.state === "open" && (
        <button className="button-danger" type="button" onClick={() => setOpen("contain")}>
          {say("contain.button")}
        </button>
      )}
      {incident.state === "contained" && incident.copiedSinceContained && (
        <button className="button-danger" type="button" onClick={() => setOpen("contain")}>
          {say("contain.again")}
        </button>
      )}
      {incident.state === "contained" && !incident.copiedSinceContained && (
        <button className="button" type="button" onClick={() => setOpen("notify")}>
          {say("notify.button")}
        </button>
      )}
      {(incident.state === "notifying" || incident.state === "readmitting") &&
        (incident.wayIn === null ? (
          <Link to="/console/incident/$id" params={{ id: incident.id }} hash="way-in" className="button">
            {say("case.next.way-in")}
          </Link>
        ) : incident.review.some(({ state }) => state === "todo") ? (
          <Link to="/console/incident/$id" params={{ id: incident.id }} hash="review" className="button">
            {say("case.next.review")}
          </Link>
        ) : (
          <button className="button" type="button" disabled={!closable} onClick={() => setOpen("close")}>
            {say("case.close")}
          </button>
        ))}
      {open === "contain" && <ContainDialog incident={incident} onClose={close} />}
      {open === "notify" && <NotifyDialog incident={incident} onClose={close} />}
      {open === "close" && <CloseDialog id={incident.id} onClose={close} />}
    </>
  );
}

function CloseDialog({ id, onClose }: { readonly id: string; readonly onClose: () => void }) {
  const proved = useProved();
  const queries = useQueryClient();
  return (
    <Dialog title={say("case.close.title")} onClose={onClose}>
      <p>{say("case.close.what")}</p>
      <Form
        submit={say("case.close")}
        onCancel={onClose}
        action={async () => {
          await proved(() => send("POST", `/api/incidents/${id}/close`, { body: {} }));
          await queries.invalidateQueries();
          onClose();
        }}
      >
        {null}
      </Form>
    </Dialog>
  );
}
