import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import type { IncidentStatus, Notified } from "../../src/wire/incidents.ts";
import { send } from "../app/api.ts";
import { Dialog } from "../app/dialog.tsx";
import { Failed } from "../app/failed.tsx";
import { Form } from "../app/form.tsx";
import { Cancelled, useProved } from "../app/proof.tsx";
import { refusedBy, Told, went, type Outcome } from "../app/told.tsx";
import { say, sayCount } from "../text/say.ts";
import { LetterPreview } from "./letter-preview.tsx";
import { PlanView } from "./plan-view.tsx";

/** How often a plan is asked for again while the worker is still looking. */
const lookAgainMs = 3_000;

/** Preview, a test to oneself, the plan, and only then the letters. */
export function NotifyDialog({
  incident,
  onClose,
}: {
  readonly incident: IncidentStatus;
  readonly onClose: () => void;
}) {
  const proved = useProved();
  const queries = useQueryClient();
  const [told, setTold] = useState<Outcome | null>(null);
  const [isTesting, setTesting] = useState(false);
  const notify = (action: "preview" | "test" | "plan" | "start") =>
    proved(() => send<Notified>("POST", `/api/incidents/${incident.id}/notify`, { body: { action } }));
  const preview = useQuery({ queryKey: ["preview", incident.id], queryFn: () => notify("preview"), gcTime: 0 });
  const plan = useQuery({
    queryKey: ["plan", incident.id],
    queryFn: () => notify("plan"),
    enabled: preview.data !== undefined,
    refetchInterval: ({ state }) => (state.data !== undefined && isWhole(state.data) ? false : lookAgainMs),
    gcTime: 0,
  });
  const planned = plan.data?.plan;
  const isLacking = planned?.lacks.some(({ stops }) => stops) === true;
  const isLeft = preview.error instanceof Cancelled;
  useEffect(() => {
    if (isLeft) onClose();
  }, [isLeft, onClose]);

  async function test() {
    setTesting(true);
    setTold(null);
    try {
      await notify("test");
      setTold(went(say("notify.test.sent")));
    } catch (thrown) {
      if (!(thrown instanceof Cancelled)) setTold(refusedBy(thrown));
    }
    setTesting(false);
  }

  return (
    <Dialog wide title={say("notify.title")} onClose={onClose}>
      {preview.isLoadingError ? (
        <Failed error={preview.error} retry={() => preview.refetch()} />
      ) : preview.data === undefined ? (
        <p role="status">{say("notify.loading")}</p>
      ) : (
        <>
          <p>{say("notify.preview")}</p>
          <LetterPreview letters={preview.data.letters ?? []} first={preview.data.subject ?? ""} />
          <div className="buttons">
            <button className="button-quiet" type="button" disabled={isTesting} onClick={() => void test()}>
              {say(isTesting ? "working" : "notify.test")}
            </button>
          </div>
          <Told outcome={told} />
          <h3>{say("notify.plan")}</h3>
          {planned !== undefined ? (
            <PlanView plan={planned} />
          ) : plan.isError ? (
            <Failed error={plan.error} retry={() => plan.refetch()} />
          ) : (
            <p role="status">{say("plan.counting")}</p>
          )}
          {isLacking && <p className="error-text">{say("notify.lacking")}</p>}
          {/* Nothing can be sent before it is known to how many: browsers do not ask for a box that is disabled. */}
          {planned === undefined || isLacking ? (
            <div className="buttons">
              <button className="button-quiet" type="button" onClick={onClose}>
                {say("cancel")}
              </button>
            </div>
          ) : (
            <Form
              submit={say("notify.start")}
              onCancel={onClose}
              action={async () => {
                await notify("start");
                await queries.invalidateQueries({ queryKey: ["incident", incident.id] });
                onClose();
              }}
            >
              <label className="check">
                <input type="checkbox" required />
                <span>{sayCount("notify.second-look", planned.withAddress)}</span>
              </label>
            </Form>
          )}
        </>
      )}
    </Dialog>
  );
}

const isWhole = ({ plan }: Notified): boolean => typeof plan?.survey?.doneAt === "string";
