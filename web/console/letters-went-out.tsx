import { useMemo } from "react";
import type { LettersOut } from "../../src/wire/campaign.ts";
import { say } from "../text/say.ts";
import { Chart } from "./chart.tsx";
import { everyStep } from "./every-step.ts";

const stepMs = { minute: 60_000, hour: 3_600_000 } as const;

/** When the letters went, once none does any more. */
export function LettersWentOut({ out: { step, counts } }: { readonly out: LettersOut }) {
  const points = useMemo(
    () =>
      everyStep(
        counts.map(({ at, handedOver }) => [at, handedOver]),
        stepMs[step],
      ),
    [counts, step],
  );
  const label = say(`letters.by-${step}`);
  return (
    <>
      <p className="small soft">{label}</p>
      <Chart label={label} points={points} bars={step} />
    </>
  );
}
