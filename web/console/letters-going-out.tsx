import { useQueryClient } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import type { LetterPace } from "../../src/wire/campaign.ts";
import { send } from "../app/api.ts";
import { refusalText } from "../app/failed.tsx";
import { Cancelled, useProved } from "../app/proof.tsx";
import { say, sayCount, showExact } from "../text/say.ts";
import { Chart } from "./chart.tsx";
import { everyStep } from "./every-step.ts";
import { saidText } from "./said.ts";

const minuteMs = 60_000;

/** While letters leave: how fast, until when if it stays so, by minute; and the way to stop and to go on. */
export function LettersGoingOut({ id, pace }: { readonly id: string; readonly pace: LetterPace }) {
  const proved = useProved();
  const queries = useQueryClient();
  const [refusal, setRefusal] = useState<string | null>(null);
  const points = useMemo(
    () =>
      everyStep(
        pace.byMinute.map(({ minute, handedOver }) => [minute, handedOver]),
        minuteMs,
      ),
    [pace.byMinute],
  );
  const isPaused = pace.pausedAt !== null;
  const action = isPaused ? "resume" : "pause";

  async function change() {
    setRefusal(null);
    try {
      await proved(() => send("POST", `/api/incidents/${id}/notify`, { body: { action } }));
      await queries.invalidateQueries({ queryKey: ["incident", id] });
    } catch (thrown) {
      if (!(thrown instanceof Cancelled)) setRefusal(refusalText(thrown));
    }
  }

  return (
    <>
      <p role="status">{paceText(pace)}</p>
      {pace.pausedWhy !== null && <p>{say("letters.paused-why", { why: saidText(pace.pausedWhy).text })}</p>}
      {pace.heldBack !== null && (
        <p>
          {pace.heldBack.percent === 100
            ? sayCount("letters.stopped-by-line", pace.heldBack.waiting)
            : sayCount("letters.slowed-by-line", pace.heldBack.waiting, { percent: pace.heldBack.percent })}
        </p>
      )}
      <div className="buttons">
        <button className="button-quiet" type="button" onClick={() => void change()}>
          {say(isPaused ? "letters.resume" : "letters.pause")}
        </button>
        {refusal !== null && <span role="alert">{refusal}</span>}
      </div>
      {points.length > 0 && (
        <>
          <p className="small soft">{say("letters.by-minute")}</p>
          <Chart label={say("letters.by-minute")} points={points} bars="minute" />
        </>
      )}
    </>
  );
}

/** Whether letters go out, how fast, and until when. */
export const paceText = ({ pausedAt, endsAt, perHour }: LetterPace): string =>
  pausedAt !== null
    ? say("letters.paused", { since: showExact(pausedAt) })
    : endsAt === null
      ? say("letters.none-lately")
      : say("letters.rate", { rate: perHour, end: showExact(endsAt) });
