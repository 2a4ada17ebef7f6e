import { useMemo } from "react";
import type { IncidentStatus } from "../../src/wire/incidents.ts";
import { say } from "../text/say.ts";
import { Chart } from "./chart.tsx";
import { everyStep } from "./every-step.ts";

const hourMs = 3_600_000;

/** How many have come back, and when. */
export function Renewals({ incident }: { readonly incident: IncidentStatus }) {
  const points = useMemo(
    () =>
      everyStep(
        incident.renewalsByHour.map(({ hour, renewed }) => [hour, renewed]),
        hourMs,
      ),
    [incident.renewalsByHour],
  );
  const label = say("case.renewed", { count: incident.renewed, scope: incident.letters?.scope ?? incident.renewed });
  return (
    <>
      {/* Before the letters there is no scope to be a part of. */}
      {(incident.letters !== null || incident.renewed > 0) && <p>{label}</p>}
      {points.length === 0 ? (
        <p className="soft">{say("case.renewals.none")}</p>
      ) : (
        <Chart label={`${say("case.renewals")}: ${label}`} points={points} bars="hour" />
      )}
    </>
  );
}
