import { lazy, Suspense, useMemo } from "react";
import type { IncidentStatus } from "../../src/wire/incidents.ts";
import { say } from "../text/say.ts";

const TimeChart = lazy(() => import("./time-chart.tsx"));
const hourMs = 3_600_000;

/** Hours without a renewal are hours too: the chart shows them as nothing, not as a gap. */
function everyHour(byHour: IncidentStatus["renewalsByHour"]): readonly (readonly [number, number])[] {
  const counts = new Map(byHour.map(({ hour, renewed }) => [Date.parse(hour), renewed]));
  const hours = [...counts.keys()];
  if (hours.length === 0) return [];
  const first = Math.min(...hours);
  const last = Math.max(...hours, first + 5 * hourMs);
  return Array.from({ length: Math.min(24 * 60, (last - first) / hourMs + 1) }, (_, place) => {
    const hour = first + place * hourMs;
    return [hour, counts.get(hour) ?? 0] as const;
  });
}

/** How many have come back, and when. */
export function Renewals({ incident }: { readonly incident: IncidentStatus }) {
  const points = useMemo(() => everyHour(incident.renewalsByHour), [incident.renewalsByHour]);
  const label = say("case.renewed", { count: incident.renewed, scope: incident.letters?.scope ?? incident.renewed });
  return (
    <>
      {/* Before the letters there is no scope to be a part of. */}
      {(incident.letters !== null || incident.renewed > 0) && <p>{label}</p>}
      {points.length === 0 ? (
        <p className="soft">{say("case.renewals.none")}</p>
      ) : (
        <Suspense fallback={<div className="chart" />}>
          <TimeChart label={`${say("case.renewals")}: ${label}`} points={points} bars="hour" />
        </Suspense>
      )}
    </>
  );
}
