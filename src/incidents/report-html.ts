import { dayMs, hourMs, parseInstant, plus, toIso, type EpochMs } from "../kernel/clock.ts";
import { numbered } from "../kernel/numbered.ts";
import type { Report } from "../wire/report.ts";
import { copySection } from "./report-copy.ts";
import { keyUseSection } from "./report-key-use.ts";
import { cell, head, number, page, section, text } from "./report-markup.ts";
import { spanWords } from "./span-words.ts";

/**
 * The report as one self-contained page: no script, nothing fetched, charts as inline SVG, readable on A4 and on a
 * screen (`page`).
 */
export function reportHtml(report: Report): string {
  const { incident } = report;
  return page(
    `Incident ${incident.reference}`,
    `<header><p class="kind">Incident report</p><h1>${text(incident.reference)}</h1>` +
      `<p>${text(incident.reason)}</p><p class="made">Made ${instant(report.madeAt)}. All times are UTC.</p></header>` +
      summary(report) +
      times(report) +
      containment(report) +
      letters(report) +
      renewals(report) +
      signals(report) +
      refused(report) +
      deadlines(report) +
      keyUseSection(report.keyUse) +
      wayIn(report) +
      timeline(report) +
      limits(report) +
      drafts(report) +
      // Much the longest, and to look things up in.
      copySection(report.copy),
  );
}

/** To the second: the milliseconds are in the JSON. */
const instant = (iso: string | null): string => (iso === null ? "\u2014" : text(iso.slice(0, 19).replace("T", " ")));

const row = (name: string, value: string, className = ""): string =>
  `<tr${className === "" ? "" : ` class="${className}"`}><th scope="row">${text(name)}</th>${value}</tr>`;
const timeCell = (iso: string): string => `<td class="time">${instant(iso)}</td>`;
const longCell = (html: string): string => `<td class="long">${html}</td>`;
const figure = (value: number): string => `<td class="n">${number(value)}</td>`;
const facts = (rows: readonly string[]): string => `<table class="facts"><tbody>${rows.join("")}</tbody></table>`;
const bad = (html: string): string => `<span class="bad">${html}</span>`;

function summary({ letters: sent, refused: old, timeline: record, incident, accountsRenewed }: Report): string {
  const served = old.servedOld === null ? undefined : old.servedOld.seenAfter + old.servedOld.madeAfter;
  const lines = [
    incident.containedAt === null
      ? bad("The theft is not contained.")
      : `Contained ${instant(incident.containedAt)}, ${sinceFound(incident.foundAt, incident.containedAt)}.`,
    sent === null
      ? "Nobody has been told by letter yet."
      : `${number(sent.sum.handedOver)} of ${numbered(sent.sum.scope, "letter")} handed over; ${sent.sum.waiting === 0 ? "none waits" : `waiting: ${number(sent.sum.waiting)}`}. ` +
        (sent.addsUp ? "Every account in scope has one outcome." : bad("The outcomes do not add up to the scope.")),
    `${numbered(incident.renewed, "password has been renewed", "passwords have been renewed")}.${byAccounts({ incident, accountsRenewed })}`,
    served === undefined
      ? ""
      : served === 0
        ? `No session from before was served after containment.`
        : bad(
            `${numbered(served, "session from before was", "sessions from before were")} served after their floor was raised.`,
          ),
    record.verdict === "intact" ? "The timeline is what was signed." : bad("The timeline is not what was signed."),
  ];
  return `<section>${lines
    .filter((line) => line !== "")
    .map((line) => `<p>${line}</p>`)
    .join("")}</section>`;
}

/** Nothing where each has renewed once. */
const byAccounts = ({ incident, accountsRenewed }: Pick<Report, "incident" | "accountsRenewed">): string =>
  accountsRenewed === null || accountsRenewed === incident.renewed
    ? ""
    : ` That was done by ${numbered(accountsRenewed, "account")}: some renewed more than once.`;

function sinceFound(foundAt: string, containedAt: string): string {
  const ms = parseInstant(containedAt) - parseInstant(foundAt);
  return `${spanWords(Math.abs(ms))} ${ms < 0 ? "before" : "after"} it was found`;
}

/** When the copy was made, as far as the case knows. */
const copyMade = ({ copiedAt, copiedAfter }: Report["incident"]): string => {
  if (copiedAt !== null) return instant(copiedAt);
  return copiedAfter === null ? "not known" : `${instant(copiedAfter)} or later`;
};

function times({ incident, notifiedAt }: Report): string {
  return section(
    "What happened, and when",
    facts([
      row("Copy made", cell(copyMade(incident))),
      row("Found", cell(`${instant(incident.foundAt)}, by ${text(incident.foundBy)}: ${text(incident.foundHow)}`)),
      row("Case opened", cell(`${instant(incident.openedAt)}, by ${text(incident.openedBy)}`)),
      row("First contained", cell(instant(incident.containedAt))),
      row("Letters started", cell(instant(notifiedAt))),
      row("Letters finished", cell(instant(incident.lettersFinishedAt))),
      row("Case closed", cell(instant(incident.closedAt))),
      row("Taken", cell(text(incident.dataClasses.join(", ")))),
      row("Keys reachable", cell(text(incident.keysReachable))),
    ]),
  );
}

const modes: Readonly<Record<string, string>> = {
  "everyone-out": "Everyone out: every session, password, ticket, code and link from before is refused.",
  "with-renewal":
    "With renewal: passwords, tickets, codes and links from before are refused; sessions end when their account renews.",
  account: "Single accounts were contained.",
};

function containment({ incident }: Report): string {
  if (incident.containment === null) return section("What was contained", `<p>${bad("Nothing yet.")}</p>`);
  return section(
    "What was contained",
    (incident.copiedSinceContained
      ? `<p>${bad("Nothing of what was copied: the copy was taken after the last containment.")}</p>`
      : "") +
      `<p>${text(modes[incident.containment] ?? incident.containment)}</p>` +
      facts([
        row("Epoch", cell(incident.epoch === null ? "\u2014" : String(incident.epoch))),
        row("In force since", cell(instant(incident.containmentAt))),
        ...(incident.containment === "with-renewal"
          ? []
          : [row("Tools", cell(incident.keptTools ? "kept on purpose" : "refused like everything else"))]),
      ]),
  );
}

/** What an entry says became of a letter, in words that stand alone. */
const entered = (outcome: string): string =>
  outcome === "second address" ? "refused and sent to another address of the account" : outcome;

function letters({ letters: sent }: Report): string {
  if (sent === null) return section("Letters", "<p>No campaign has been started.</p>");
  const { sum } = sent;
  const recorded = sent.inTimeline.map(({ outcome, count }) => `${text(entered(outcome))} ${number(count)}`).join(", ");
  const back = (outcome: string): number => sent.bouncesInTimeline.find((one) => one.outcome === outcome)?.count ?? 0;
  return section(
    "Letters",
    facts([
      row("Handed over to the relay", figure(sum.handedOver)),
      row("Bounced", figure(sum.bounced)),
      row("Refused by the relay", figure(sum.refused)),
      row("Suppressed", figure(sum.suppressed)),
      row("No address", figure(sum.noAddress)),
      row("Waiting", figure(sum.waiting)),
      row("Accounts in scope", figure(sum.scope), "sum"),
    ]) +
      `<p>${sent.addsUp ? "The outcomes add up to the scope." : bad("The outcomes do not add up to the scope.")} ` +
      `${numbered(sum.possiblyTwice, "letter")} may have gone twice, under the same Message-ID.</p>` +
      `<p>The timeline has: ${recorded === "" ? "none" : recorded}. ` +
      `${sent.bouncesInTimeline.length === 0 ? "" : `Of those handed over, ${number(back("bounced"))} came back later and count as bounced, and ${number(back("second address"))} came back and went to another address of the account. `}` +
      `${sent.agrees ? "The two agree." : bad("The two do not agree.")}</p>` +
      chart("Letters handed over", sent.handedOverByHour) +
      `<h3>The letter</h3><table>${head("Language", "Subject", "SHA-256")}<tbody>` +
      sent.templates
        .map(
          ({ locale, subject, sha256Hex }) =>
            `<tr>${cell(text(locale))}${cell(text(subject))}${longCell(`<code>${text(sha256Hex)}</code>`)}</tr>`,
        )
        .join("") +
      `</tbody></table>`,
  );
}

function renewals({ incident, accountsRenewed }: Report): string {
  return section(
    "Renewals",
    `<p>${numbered(incident.renewed, "new password was", "new passwords were")} set.${byAccounts({ incident, accountsRenewed })}</p>` +
      chart(
        "Passwords renewed",
        incident.renewalsByHour.map(({ hour, renewed }) => ({ hour, count: renewed })),
      ),
  );
}

/** Nothing where no relying service listened. */
function signals({ incident }: Report): string {
  if (incident.signals.length === 0) return "";
  const names = ["Relying service", "Accounts", "Signals", "Taken", "Refused", "Dropped", "Waiting"];
  const headings = names.map((name, n) => `<th${n === 0 ? "" : ` class="n"`} scope="col">${name}</th>`).join("");
  const rows = incident.signals.map(({ receiver, accounts, made, taken, refused: no, dropped, waiting }) =>
    row(receiver, [accounts, made, taken, no, dropped, waiting].map(figure).join("")),
  );
  return section(
    "Other services",
    `<p>Each was sent the standard security events of every account (CAEP session-revoked, RISC credential-compromise), ` +
      `one token each. Taken, refused, dropped and waiting make up the signals.</p>` +
      `<table><thead><tr>${headings}</tr></thead><tbody>${rows.join("")}</tbody></table>`,
  );
}

function refused({ refused: old }: Report): string {
  const rows = old.byKind.map(({ kind, count }) => row(kind, figure(count)));
  const { servedOld } = old;
  const served =
    servedOld === null
      ? ""
      : servedOld.seenAfter + servedOld.madeAfter === 0
        ? "<p>Served all the same: none.</p>"
        : `<p>${bad(`Served all the same: ${number(servedOld.seenAfter)} seen, ${number(servedOld.madeAfter)} made after the floor was raised.`)}</p>`;
  return section(
    "Requests refused for being older than the floors",
    (rows.length === 0 ? "<p>None was made.</p>" : facts(rows)) +
      chart("Requests refused", old.byHour) +
      served +
      `<p class="small">${text(old.how)}</p>`,
  );
}

function deadlines({ incident }: Report): string {
  const rows = incident.deadlines.map(
    ({ title, source, dueAt, state }) =>
      `<tr>${cell(`${text(title)}<br><span class="small">${text(source)}</span>`)}${dueAt === null ? cell("no fixed time") : timeCell(dueAt)}${cell(state === "missed" ? bad("missed") : text(state))}</tr>`,
  );
  return section(
    "Deadlines",
    `<table>${head("Rule", "Due", "State")}<tbody>${rows.join("")}</tbody></table>` +
      `<p class="small">Which rules apply is for the operator to say. What authorities were told is in the review, not here.</p>`,
  );
}

function wayIn({ incident }: Report): string {
  const way =
    incident.wayIn === null
      ? `<p>${bad("How the intruder got in is not recorded.")}</p>`
      : facts([
          row("What", cell(text(incident.wayIn.what))),
          row("Closed", cell(instant(incident.wayIn.closedAt))),
          row("Evidence", cell(text(incident.wayIn.evidence))),
        ]);
  const review = incident.review.map(
    ({ title, state, note }) =>
      `<tr>${cell(text(title))}${cell(state === "todo" ? bad("to do") : text(state))}${cell(text(note))}</tr>`,
  );
  return section(
    "The way in, and the review",
    `${way}<h3>Review</h3><table class="review">${head("Item", "State", "Note")}<tbody>${review.join("")}</tbody></table>`,
  );
}

function timeline({ timeline: record }: Report): string {
  const rows = record.entries.map(
    ({ at, kind, detail, leafIndex, leafHashHex }) =>
      `<tr>${timeCell(at)}${cell(text(kind))}${longCell(detailText(detail))}` +
      `${cell(leafIndex === null ? "not yet" : `${leafIndex}<br><code>${text(leafHashHex?.slice(0, 12) ?? "")}\u2026</code>`)}</tr>`,
  );
  const leftOut =
    record.entriesLeftOut > 0
      ? `<p class="small">${numbered(record.entriesLeftOut, "further entry is", "further entries are")} left out.</p>`
      : "";
  return section(
    "Timeline",
    `<p>${record.verdict === "intact" ? "Intact." : bad("Broken.")} ${text(record.explanation)} ` +
      `The keyholder's own memory of it was ${record.witness === "compared" ? "compared" : bad("not reached")}.</p>` +
      `<p>${record.unsigned === 0 ? "Everything in this report is signed." : `${numbered(record.unsigned, "newer entry was", "newer entries were")} not signed yet when it was made.`}</p>` +
      (record.checkpoint === null ? "" : `<pre>${text(record.checkpoint)}</pre>`) +
      cosigners(record.cosigners) +
      `<p class="small">To check it elsewhere: ask for the files (<code>timeline export</code>) and this report as JSON, and run ` +
      `<code>houselights timeline verify FOLDER --policy FILE --report FILE</code>. Keep the lines above: files that do not begin with them are not these.</p>` +
      `<table class="timeline">${head("When", "What", "Detail", "Leaf")}<tbody>${rows.join("")}</tbody></table>${leftOut}` +
      `<p class="small">Single letters, and those that came back, are counted above and left out here.</p>`,
  );
}

function cosigners(witnesses: Report["timeline"]["cosigners"]): string {
  if (witnesses.length === 0) {
    return `<p>${bad("No witness elsewhere has cosigned it:")} whoever holds its key could have written it anew.</p>`;
  }
  const rows = witnesses.map(({ name, cosignedSize, cosignedAt, problem }) =>
    row(
      name,
      cell(
        (cosignedAt === null ? bad("never") : `${numbered(cosignedSize, "entry", "entries")}, ${instant(cosignedAt)}`) +
          (problem === null ? "" : `<br>${bad(text(problem))}`),
      ),
    ),
  );
  return `<h3>Cosigned elsewhere</h3>${facts(rows)}`;
}

const detailText = (detail: Readonly<Record<string, unknown>>): string =>
  Object.entries(detail)
    .map(([name, value]) => `${text(name)}: ${text(detailValue(value))}`)
    .join("<br>");

function detailValue(value: unknown): string {
  if (value === null) return "\u2014";
  if (Array.isArray(value)) return value.join(", ");
  return typeof value === "string" ? value : JSON.stringify(value);
}

const limits = (report: Report): string =>
  section("What this report does not know", `<ul>${report.limits.map((one) => `<li>${text(one)}</li>`).join("")}</ul>`);

const drafts = (report: Report): string =>
  section(
    "Drafts for authorities",
    report.drafts.map((draft) => `<h3>${text(draft.to)}</h3><pre>${text(draft.text)}</pre>`).join(""),
  );

/** Beyond two weeks of hours the bars would be thinner than a line of print: days then. */
const mostHours = 14 * 24;
const width = 640;
const height = 150;
const left = 48;
const bottom = 22;
const top = 8;

/** Bars over time, an hour or a day each, with the empty ones in between. */
function chart(title: string, counts: readonly { readonly hour: string; readonly count: number }[]): string {
  const first = counts[0];
  const last = counts.at(-1);
  if (first === undefined || last === undefined) return "";
  const from = parseInstant(first.hour);
  const isHourly = (parseInstant(last.hour) - from) / hourMs < mostHours;
  const stepMs = isHourly ? hourMs : dayMs;
  const start = plus(from, -(from % stepMs));
  const steps = Math.floor((parseInstant(last.hour) - start) / stepMs) + 1;
  const bars = new Map<number, number>();
  for (const { hour, count } of counts) {
    const step = Math.floor((parseInstant(hour) - start) / stepMs);
    bars.set(step, (bars.get(step) ?? 0) + count);
  }
  const most = Math.max(1, ...bars.values());
  const slot = (width - left) / steps;
  const plotted = height - top - bottom;
  const drawn = [...bars].map(([step, count]) => {
    const barHeight = (count / most) * plotted;
    const barWidth = Math.max(0.8, Math.min(slot * 0.86, 40));
    const at = label(plus(start, step * stepMs), isHourly);
    return (
      `<rect x="${fixed(left + step * slot)}" y="${fixed(top + plotted - barHeight)}" width="${fixed(barWidth)}" ` +
      `height="${fixed(barHeight)}" fill="#b45309"><title>${at}: ${number(count)}</title></rect>`
    );
  });
  const total = counts.reduce((sum, { count }) => sum + count, 0);
  const [begin, end] = [label(start, isHourly), label(plus(start, (steps - 1) * stepMs), isHourly)];
  const unit = isHourly ? "hour" : "day";
  const said =
    steps === 1
      ? `${title}: ${number(total)}, all in one ${unit}, ${begin}`
      : `${title}: ${number(total)} from ${begin} to ${end}, at most ${number(most)} in one ${unit}`;
  return (
    `<figure><svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${text(said)}" font-size="10" fill="#57534e">` +
    `<line x1="${left}" y1="${top + plotted}" x2="${width}" y2="${top + plotted}" stroke="#a8a29e"/>` +
    `<line x1="${left}" y1="${top}" x2="${width}" y2="${top}" stroke="#e7e5e4"/>` +
    `<text x="${left - 6}" y="${top + 4}" text-anchor="end">${number(most)}</text>` +
    `<text x="${left - 6}" y="${top + plotted + 3}" text-anchor="end">0</text>` +
    `${drawn.join("")}<text x="${left}" y="${height - 6}">${label(start, isHourly)}</text>` +
    (steps > 1
      ? `<text x="${width}" y="${height - 6}" text-anchor="end">${label(plus(start, (steps - 1) * stepMs), isHourly)}</text>`
      : "") +
    `</svg><figcaption>${text(said)}.</figcaption></figure>`
  );
}

const fixed = (value: number): string => String(Math.round(value * 10) / 10);
const label = (at: EpochMs, isHourly: boolean): string =>
  isHourly ? `${toIso(at).slice(0, 13).replace("T", " ")} h` : toIso(at).slice(0, 10);
