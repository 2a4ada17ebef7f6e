import type { Plan } from "../../src/wire/campaign.ts";
import { locale, say, sayOf, showExact, showLanguage, showNumber } from "../text/say.ts";

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
      <div className={`plan-end${plan.end.isLikely ? "" : " is-open"}`}>
        <strong>{say(plan.end.isLikely ? "plan.end.likely" : "plan.end.open")}</strong>
        <span lang="en">{plan.end.says}</span>
      </div>
      <dl className="facts-list">
        {plan.terms.map(({ term, reason }) => (
          <div key={term} lang="en">
            <dt>{term}</dt>
            <dd>{reason}</dd>
          </div>
        ))}
        <div>
          <dt>{say("plan.cost")}</dt>
          <dd lang="en">{plan.cost.says}</dd>
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
            {survey.findings.map(({ about, verdict, found, advice }) => (
              <li key={about + found} data-verdict={verdict} lang="en">
                <span aria-hidden="true" className="finding-mark">
                  {marks[verdict]}
                </span>
                <strong>
                  {about}{" "}
                  <span className="visually-hidden" lang={locale}>
                    {say(`plan.verdict.${verdict}`)}
                  </span>
                </strong>
                <span>
                  {found}
                  {advice !== undefined && <span className="soft small"> {advice}</span>}
                </span>
              </li>
            ))}
          </ul>
          <h4>{say("plan.providers")}</h4>
          <Providers survey={survey} />
        </>
      )}
      <h4>{say("plan.deadlines")}</h4>
      <ul className="outlooks">
        {plan.deadlines.map(({ rule, title, dueAt, outlook, says }) => (
          <li key={rule} data-outlook={outlook}>
            <strong>{say(`plan.outlook.${outlook}`)}</strong>
            <span>
              {sayOf("deadline", rule, title)}{" "}
              <span className="soft small">
                {`${showExact(dueAt)}: `}
                <span lang="en">{says}</span>
              </span>
            </span>
          </li>
        ))}
      </ul>
    </div>
  );
}

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
