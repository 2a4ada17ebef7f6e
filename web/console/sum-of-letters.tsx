import type { LetterSum } from "../../src/wire/incidents.ts";
import type { Static } from "typebox";
import { say, sayCount, showNumber } from "../text/say.ts";

const parts = [
  "handedOver",
  "bounced",
  "refused",
  "suppressed",
  "noAddress",
  "waiting",
] as const satisfies readonly (keyof Static<typeof LetterSum>)[];

/** Every account in scope in exactly one place, as one bar and as figures; says so when the sum does not hold. */
export function SumOfLetters({ sum }: { readonly sum: Static<typeof LetterSum> }) {
  const total = parts.reduce((all, part) => all + sum[part], 0);
  const holds = total === sum.scope;
  const shown = parts.filter((part) => sum[part] > 0);
  return (
    <div className="sum">
      <div className="sum-bar" aria-hidden="true">
        {shown.map((part) => (
          <span key={part} data-part={part} style={{ flexGrow: sum[part] }} />
        ))}
      </div>
      <dl className="sum-figures">
        {parts.map((part) => (
          <div key={part}>
            <dt data-part={part}>{say(`case.${part}`)}</dt>
            <dd>{showNumber(sum[part])}</dd>
          </div>
        ))}
      </dl>
      <p className={holds ? "soft small" : "error-text"} role={holds ? undefined : "alert"}>
        {say(holds ? "case.sum.holds" : "case.sum.broken", { sum: total, scope: sum.scope })}
        {sum.possiblyTwice > 0 && ` · ${sayCount("case.possiblyTwice", sum.possiblyTwice)}`}
      </p>
    </div>
  );
}
