import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import type { Plan } from "../../src/wire/campaign.ts";
import type { Contained, ContainmentMode, Counts, IncidentStatus } from "../../src/wire/incidents.ts";
import type { Static } from "typebox";
import { goSignIn, send } from "../app/api.ts";
import { Command } from "../app/command.tsx";
import { Dialog } from "../app/dialog.tsx";
import { Failed } from "../app/failed.tsx";
import { Field, Form, type Filled } from "../app/form.tsx";
import { Cancelled, useProved } from "../app/proof.tsx";
import { incidentQuery } from "../app/queries.ts";
import { say, showDecimal, showExact, showList, showNumber } from "../text/say.ts";
import { roomText } from "./disk-notice.tsx";
import { costText, endText } from "./plan-view.tsx";

type Done = Static<typeof Contained>;
type Mode = Static<typeof ContainmentMode>;
const modes = ["everyone-out", "with-renewal"] as const satisfies readonly Mode[];
const counted = ["passwords", "sessions", "links", "tickets"] as const satisfies readonly (keyof Counts)[];

interface ContainDialogProps {
  /** `null`: containing is the first act, and opens the case by itself. */
  readonly incident: Pick<IncidentStatus, "id" | "state"> | null;
  readonly onClose: () => void;
}

/** The one command, with what it would refuse before it and a second look. */
export function ContainDialog({ incident, onClose }: ContainDialogProps) {
  const proved = useProved();
  const queries = useQueryClient();
  const [mode, setMode] = useState<Mode>("everyone-out");
  const [keepTools, setKeepTools] = useState(false);
  const [openedId, setOpenedId] = useState(incident?.id ?? null);
  const [done, setDone] = useState<Done | null>(null);
  // Somebody else may contain it while this is being read.
  const incidentNow = useQuery({ ...incidentQuery(openedId ?? ""), enabled: openedId !== null && done === null });
  const containedAt = incidentNow.data?.containedAt ?? null;
  const counts = useQuery({
    queryKey: ["contain-counts", openedId, mode, keepTools, containedAt],
    queryFn: () =>
      proved(() =>
        send<Done>("POST", `/api/incidents/${openedId ?? ""}/contain`, { body: { mode, keepTools, dryRun: true } }),
      ),
    enabled: openedId !== null && done === null,
    gcTime: 0,
    placeholderData: (before) => before,
  });

  const isLeft = counts.error instanceof Cancelled;
  useEffect(() => {
    if (isLeft) onClose();
  }, [isLeft, onClose]);

  async function openFirst(filled: Filled) {
    const opened = await proved(() =>
      send<IncidentStatus>("POST", "/api/incidents", { body: { reason: filled("reason") } }),
    );
    setOpenedId(opened.id);
  }

  async function contain() {
    const answer = await proved(() =>
      send<Done>("POST", `/api/incidents/${openedId ?? ""}/contain`, { body: { mode, keepTools } }),
    );
    setDone(answer);
  }

  if (done !== null) {
    return (
      <ContainedDialog
        done={done}
        onClose={() => {
          if (done.mode === "everyone-out") return goSignIn();
          void queries.invalidateQueries();
          onClose();
        }}
      />
    );
  }
  if (openedId === null) {
    return (
      <Dialog alarm title={say("contain.title")} onClose={onClose}>
        <p className="soft">{say("contain.first")}</p>
        <Form action={openFirst} submit={say("proof.go")} onCancel={onClose}>
          <Field
            label={say("console.start.reason")}
            name="reason"
            hint={say("console.start.reason.hint")}
            maxLength={500}
            autoFocus
          />
        </Form>
      </Dialog>
    );
  }
  return (
    <Dialog alarm wide title={say("contain.title")} onClose={onClose}>
      <p className="lead">{say("contain.what")}</p>
      {containedAt !== null && (
        <div className="notice is-alarm" role="status">
          <strong>{say("contain.already", { at: showExact(containedAt) })}</strong>
        </div>
      )}
      <Form action={contain} submit={say("contain.go")} onCancel={onClose} danger>
        <fieldset className="choice is-columns">
          <legend className="visually-hidden">{say("case.mode")}</legend>
          {modes.map((one) => (
            <label key={one} className="check choice-card">
              <input type="radio" name="mode" value={one} checked={mode === one} onChange={() => setMode(one)} />
              <strong>{say(`contain.${one}`)}</strong>
              <span className="hint">{say(`contain.${one}.hint`)}</span>
            </label>
          ))}
        </fieldset>
        <label className="check">
          <input type="checkbox" checked={keepTools} onChange={(event) => setKeepTools(event.target.checked)} />
          <span>{say("contain.keep-tools")}</span>
          <span className="hint">{say("contain.keep-tools.hint")}</span>
        </label>
        {counts.isError ? (
          <Failed error={counts.error} retry={() => counts.refetch()} />
        ) : (
          <>
            <CountList counts={counts.data?.counted} isOld={counts.isPlaceholderData} />
            {counts.data?.letters !== undefined && <ToTell plan={counts.data.letters} />}
            <WhoCounts operators={counts.data?.operators} text="contain.operators" />
          </>
        )}
        <label className="check">
          <input type="checkbox" required />
          <span>{say("contain.second-look")}</span>
        </label>
      </Form>
    </Dialog>
  );
}

/** What telling everybody would take, before anything is done. */
function ToTell({ plan }: { readonly plan: Plan }) {
  return (
    <div className="to-tell small">
      <strong>{say("contain.letters")}</strong>
      <span>
        {say("plan.scope", { scope: plan.inScope, with: plan.withAddress, without: plan.withoutAddress })}{" "}
        {endText(plan)}
      </span>
      <span className="soft">{costText(plan)}</span>
    </div>
  );
}

interface WhoCountsProps {
  readonly operators: Done["operators"];
  readonly text: "contain.operators" | "contain.done.operators";
}

/** Says that the roles of some operators are set aside; nothing if none is. */
function WhoCounts({ operators = [], text }: WhoCountsProps) {
  const counting = operators.filter(({ counts }) => counts).length;
  if (counting === operators.length) return null;
  return (
    <div className="notice is-alarm" role="status">
      <strong>{say(text, { counting, all: operators.length })}</strong>
    </div>
  );
}

interface CountListProps {
  /** `undefined`: being counted; `null`: that takes longer than anybody waits here. Neither keeps anybody from containing. */
  readonly counts: Counts | null | undefined;
  /** They are those of another choice, until this one is counted. */
  readonly isOld?: boolean;
}

function CountList({ counts, isOld = false }: CountListProps) {
  const isCounting = counts === undefined || isOld;
  const figure = (name: keyof Counts): string => (counts == null ? "–" : showNumber(counts[name]));
  return (
    <div className="counts" aria-live="polite" aria-busy={isCounting}>
      <p className="soft small">
        {isCounting ? say("contain.counting") : counts === null ? say("contain.uncounted") : say("contain.refused")}
      </p>
      <dl>
        {counted.map((one) => (
          <div key={one}>
            <dd>{figure(one)}</dd>
            <dt>{say(`contain.${one}`)}</dt>
          </div>
        ))}
        <div>
          <dd>{figure("accounts")}</dd>
          <dt>{say("contain.accounts")}</dt>
        </div>
      </dl>
      {counts != null && (
        <p className="soft small">{say("contain.still-good", { passkeys: showNumber(counts.passkeysStillGood) })}</p>
      )}
    </div>
  );
}

function ContainedDialog({ done, onClose }: { readonly done: Done; readonly onClose: () => void }) {
  const out = done.mode === "everyone-out";
  return (
    <Dialog wide stays title={say("contain.done.title")} onClose={onClose}>
      <p className="lead">
        {say("contain.done.what", {
          at: showExact(done.at),
          ms: showDecimal(Math.round(done.commitMs * 10) / 10),
          epoch: done.epoch,
        })}
      </p>
      {done.witness === "owed" && (
        <div className="notice is-alarm" role="alert">
          <strong>{say("contain.done.owed")}</strong>
        </div>
      )}
      {done.reserve !== undefined && (
        <div className="notice is-alarm" role="alert">
          <strong>
            {say("contain.done.disk", {
              given: roomText(done.reserve.givenUpBytes),
              left: roomText(done.reserve.leftBytes),
            })}
          </strong>
        </div>
      )}
      <CountList counts={done.counted} />
      <WhoCounts operators={done.operators} text="contain.done.operators" />
      {done.receivers !== undefined && done.receivers.newOnes.length > 0 && (
        <div className="notice">
          <span>{say("contain.done.receivers", { names: showList(done.receivers.newOnes) })}</span>
          <Command>houselights signals list</Command>
        </div>
      )}
      {done.floors.includes("totp") && (
        <div className="notice">
          <span>{say("contain.done.keys")}</span>
          <Command>houselights keys rotate</Command>
        </div>
      )}
      {out && (
        <div className="notice">
          <strong>{say("contain.done.out.title")}</strong>
          <span>{say("contain.done.out.what")}</span>
          <Command>houselights operator link</Command>
        </div>
      )}
      <div className="buttons">
        <button className="button" type="button" onClick={onClose}>
          {out ? say("dark.sign-in") : say("contain.done.stay")}
        </button>
      </div>
    </Dialog>
  );
}
