import type { Plan } from "../../src/wire/campaign.ts";
import { findingText } from "./finding-text.ts";
import { say, sayOf, showExact, showLanguage, showNumber, showSpan } from "../text/say.ts";

const marks = { good: "✓", weak: "!", bad: "×", unknown: "?" } as const;

/** What the letters would take, and what can and cannot be promised of them. */
export function PlanView({ plan }: { readonly plan: Plan }) {
  const { inScope, withAddress, withoutAddress, survey } = plan;
  return (
    <div className="plan">
      <p>
        {say("plan.scope", {
          scope: inScope,
          with: withAddress,
          without: withoutAddress,
        })}{" "}
        <span className="soft">
          {plan.byLocale.map(({ locale: one, accounts }) => `${showLanguage(one)} ${showNumber(accounts)}`).join(" · ")}
        </span>
      </p>
      {plan.lacks.length > 0 && (
        <>
          <h4>{say("plan.lacks")}</h4>
          <ul className="findings">
            {plan.lacks.map(({ kind, stops }) => (
              <li key={kind} data-verdict={stops ? "bad" : "weak"}>
                <span aria-hidden="true" className="finding-mark">
                  {marks[stops ? "bad" : "weak"]}
                </span>
                <strong>
                  {say(`plan.lacks.${kind}`)}{" "}
                  <span className="visually-hidden">{say(`plan.verdict.${stops ? "bad" : "weak"}`)}</span>
                </strong>
                <span>
                  {say(`plan.lacks.${kind}.why`)}{" "}
                  <span className="soft small">{say(`plan.lacks.${kind}.${stops ? "stops" : "advice"}`)}</span>
                </span>
              </li>
            ))}
          </ul>
        </>
      )}
      <div className={`plan-end${plan.end.isLikely ? "" : " is-open"}`}>
        <strong>{say(plan.end.isLikely ? "plan.end.likely" : "plan.end.open")}</strong>
        <span>{endText(plan)}</span>
      </div>
      <dl className="facts-list">
        {plan.terms.map((term) => (
          <div key={term.kind}>
            <dt>{say(`plan.term.${term.kind}`)}</dt>
            <dd>{reasonText(plan, term)}</dd>
          </div>
        ))}
        <div>
          <dt>{say("plan.cost")}</dt>
          <dd>{costText(plan)}</dd>
        </div>
      </dl>
      {survey === null || survey.doneAt === null ? (
        <p role="status" className="soft">
          {say("plan.looking", { count: survey?.counted ?? 0 })}
        </p>
      ) : (
        <>
          <h4>{say("plan.sender")}</h4>
          <ul className="findings">
            {survey.findings.map((finding) => {
              const { about, verdict } = finding;
              const { language, found, advice } = findingText(finding);
              return (
                <li key={about + finding.found} data-verdict={verdict}>
                  <span aria-hidden="true" className="finding-mark">
                    {marks[verdict]}
                  </span>
                  <strong>
                    {say(`finding.about.${about}`)}{" "}
                    <span className="visually-hidden">{say(`plan.verdict.${verdict}`)}</span>
                  </strong>
                  <span lang={language}>
                    {found}
                    {advice !== undefined && <span className="soft small"> {advice}</span>}
                  </span>
                </li>
              );
            })}
          </ul>
          <h4>{say("plan.providers")}</h4>
          <Providers survey={survey} />
        </>
      )}
      <h4>{say("plan.deadlines")}</h4>
      <ul className="outlooks">
        {plan.deadlines.map(({ rule, title, dueAt, outlook, kind }) => (
          <li key={rule} data-outlook={outlook}>
            <strong>{say(`plan.outlook.${outlook}`)}</strong>
            <span>
              {sayOf("deadline", rule, title)}{" "}
              <span className="soft small">
                {`${dueAt === null ? say("case.due.none") : showExact(dueAt)}: `}
                {say(`plan.why.${kind}`, { time: showSpan(apart(dueAt, plan.end.notBefore)) })}
              </span>
            </span>
          </li>
        ))}
      </ul>
    </div>
  );
}

/** When the letters end, and what is promised of it. */
export const endText = ({ end }: Plan): string =>
  say(`plan.says.${end.kind}`, { at: end.notBefore === null ? "" : showExact(end.notBefore) });

/** What the letters cost. */
export const costText = ({ cost, price, withAddress }: Plan): string =>
  say(`plan.cost.${cost.kind}`, { amount: cost.amount ?? "", letters: withAddress, price: price ?? "" });

function reasonText(plan: Plan, { kind, hours }: Plan["terms"][number]): string {
  const { allowance, measured, withAddress: letters } = plan;
  const time = showSpan((hours ?? 0) * 3_600);
  if (kind === "allowance" && allowance !== null) {
    const { letters: allowed, per, campaignPercent: percent } = allowance;
    return say(`plan.reason.allowance.${per}`, { letters, allowed, percent, time });
  }
  if (kind === "speed" && measured !== null) {
    return say("plan.reason.speed.measured", { perHour: measured.lettersPerHour, time });
  }
  return say(`plan.reason.${kind}`);
}

/** Seconds between two instants, whichever is first. */
const apart = (one: string | null, other: string | null): number =>
  one === null || other === null ? 0 : Math.abs(Date.parse(one) - Date.parse(other)) / 1_000;

function Providers({ survey }: { readonly survey: NonNullable<Plan["survey"]> }) {
  const most = Math.max(1, ...survey.providers.map(({ accounts }) => accounts));
  if (survey.providers.length === 0) return <p className="soft">{say("plan.providers.none")}</p>;
  return (
    <ul className="bars">
      {survey.providers.map(({ provider, accounts }) => {
        const name = provider === "other" ? say("plan.providers.other") : provider;
        return (
          <li key={provider}>
            <span>{name}</span>
            <meter value={accounts} max={most} aria-label={name} />
            <span className="number">{showNumber(accounts)}</span>
          </li>
        );
      })}
    </ul>
  );
}
