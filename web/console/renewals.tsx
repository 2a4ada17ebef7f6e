import { useMemo } from "react";
import type { IncidentStatus } from "../../src/wire/incidents.ts";
import { say } from "../text/say.ts";
import { Chart } from "./chart.tsx";
import { everyStep } from "./every-step.ts";

const hourMs = 3_600_000;

/** How many renewals there were, and when. Somebody who renews twice counts twice. */
export function Renewals({ incident }: { readonly incident: IncidentStatus }) {
  const points = useMemo(
    () =>
      everyStep(
        incident.renewalsByHour.map(({ hour, renewed }) => [hour, renewed]),
        hourMs,
      ),
    [incident.renewalsByHour],
  );
  const { renewed, letters } = incident;
  // Before the letters there is no scope to compare with.
  const label =
    letters === null
      ? say("case.renewed.alone", { count: renewed })
      : say("case.renewed", { count: renewed, scope: letters.scope });
  return (
    <>
      {(letters !== null || renewed > 0) && <p>{label}</p>}
      {points.length === 0 ? (
        <p className="soft">{say("case.renewals.none")}</p>
      ) : (
        <Chart label={`${say("case.renewals")}: ${label}`} points={points} bars="hour" />
      )}
    </>
  );
}
