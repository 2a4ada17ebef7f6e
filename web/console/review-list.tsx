import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import type { IncidentStatus } from "../../src/wire/incidents.ts";
import { send } from "../app/api.ts";
import { refusalText } from "../app/failed.tsx";
import { Cancelled, useProved } from "../app/proof.tsx";
import { say, sayOf } from "../text/say.ts";

type Item = IncidentStatus["review"][number];
const states = ["todo", "done", "explained"] as const satisfies readonly Item["state"][];

/** The review list: each item done, or explained in a note. A choice is recorded at once. */
export function ReviewList({ incident }: { readonly incident: IncidentStatus }) {
  return (
    <ul className="plain-list review">
      {incident.review.map((item) => (
        <Review key={item.item} incidentId={incident.id} item={item} closed={incident.state === "closed"} />
      ))}
    </ul>
  );
}

interface ReviewProps {
  readonly incidentId: string;
  readonly item: Item;
  readonly closed: boolean;
}

function Review({ incidentId, item, closed }: ReviewProps) {
  const proved = useProved();
  const queries = useQueryClient();
  const [note, setNote] = useState(item.note);
  const [error, setError] = useState<string | null>(null);

  async function record(state: Item["state"]) {
    setError(null);
    try {
      const body = { item: item.item, state, ...(note.trim() === "" ? {} : { note: note.trim() }) };
      await proved(() => send("PUT", `/api/incidents/${incidentId}/review`, { body }));
      await queries.invalidateQueries({ queryKey: ["incident", incidentId] });
    } catch (thrown) {
      if (!(thrown instanceof Cancelled)) setError(refusalText(thrown));
    }
  }

  const title = sayOf("review", item.item, item.title);
  if (closed) {
    return (
      <li>
        <strong>{title}</strong>
        <span className="soft small">
          {say(`case.review.${item.state}`)} {item.note}
        </span>
      </li>
    );
  }
  return (
    <li>
      <strong>{title}</strong>
      <div className="review-row">
        <span className="review-states" role="group" aria-label={title}>
          {states.map((state) => (
            <button key={state} type="button" aria-pressed={item.state === state} onClick={() => void record(state)}>
              {say(`case.review.${state}`)}
            </button>
          ))}
        </span>
        <input
          className="input"
          aria-label={`${say("case.review.note")}: ${title}`}
          placeholder={say("case.review.note")}
          value={note}
          maxLength={1_000}
          onChange={(event) => setNote(event.target.value)}
          onBlur={() => {
            if (note.trim() !== item.note && item.state !== "todo") void record(item.state);
          }}
        />
      </div>
      {error !== null && (
        <p className="error-text" role="alert">
          {error}
        </p>
      )}
    </li>
  );
}
