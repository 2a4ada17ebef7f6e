import { cell, head, number, page, section, text } from "../report-markup.ts";
import { duration } from "./projection.ts";
import { providers } from "./providers.ts";
import { middle, type DrillResult } from "./result.ts";

/** The first cell of a row names it, the last may hold a hash, which has no place to break. */
const table = (heads: readonly string[], rows: readonly (readonly string[])[]): string => {
  const row = ([name = "", ...cells]: readonly string[]): string =>
    `<tr><th scope="row">${name}</th>${cells.slice(0, -1).map(cell).join("")}<td class="long">${cells.at(-1) ?? ""}</td></tr>`;
  return `<table>${head(...heads)}<tbody>${rows.map(row).join("")}</tbody></table>`;
};
const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;

/** What a drill found, as one self-contained page that prints: the verdict first, then what it rests on. */
export function drillHtml(result: DrillResult): string {
  const { order, measured, promises, projection, moments } = result;
  const { killed, sum } = measured;
  const broken = promises.filter(({ held }) => !held);
  const midway = killed.filter(({ isMidway }) => isMidway).length;
  const verdict =
    broken.length === 0
      ? "Every promise was held."
      : `<span class="bad">${broken.length} of ${promises.length} promises were broken.</span>`;
  return page(
    `Drill, seed ${order.seed}`,
    `<header><p class="kind">Drill</p><h1>${verdict}</h1>` +
      `<p class="made">${number(order.accounts)} made-up accounts, ${number(measured.devices)} watching, ` +
      `${number(killed.length)} processes killed, seed ${order.seed}. Nothing real was touched, and nobody was written to. ` +
      `What an operator would hand to an authority is beside this page, for the made-up case: <a href="report.html">report.html</a>.</p></header>` +
      section(
        "Promises",
        table(
          ["Promise", "", "What was counted"],
          promises.map(({ promise, held, how }) => [
            text(promise),
            held ? "held" : `<span class="bad">broken</span>`,
            text(how),
          ]),
        ),
      ) +
      section(
        `What ${number(order.real)} accounts would take`,
        `<p>Multiplied and divided from the figures of this drill, and no promise. Each term says where it is from.</p>` +
          table(
            ["Term", "Value", "Source"],
            projection.map(({ term, value, source }) => [text(term), text(value), text(source)]),
          ),
      ) +
      section(
        "Letters",
        sum === undefined
          ? "<p>None were sent.</p>"
          : table(
              ["Outcome", "Accounts"],
              [
                ["handed over", number(sum.handedOver)],
                ["bounced: taken by the provider, and sent back later", number(sum.bounced)],
                ["refused by the relay", number(sum.refused)],
                ["suppressed", number(sum.suppressed)],
                ["no address", number(sum.noAddress)],
                ["waiting", number(sum.waiting)],
                ["accounts in scope", number(sum.scope)],
              ],
            ) + `<p>${number(sum.possiblyTwice)} may have gone twice; ${number(measured.duplicates)} did.</p>`,
      ) +
      section(
        "Providers",
        table(
          ["At", "Of 100 addresses", "Which"],
          providers.map(({ share, domain, says }) => [text(domain), String(share), text(says)]),
        ) +
          table(
            ["The relay's answer", "Times"],
            Object.entries(measured.answers).map(([answer, times]) => [text(answer), number(times)]),
          ),
      ) +
      section(
        "Kills",
        `<p>${number(killed.length)} of ${number(measured.schedule.length)} by SIGKILL, ${number(midway)} of them while letters went out; ` +
          `whole again after ${duration(middle(killed.map(({ backMs }) => backMs)) / 1_000)} in the middle. ` +
          `The same seed kills the same processes after the same letters.</p>` +
          table(
            ["Process", "Kills", "Longest until whole again"],
            [...Map.groupBy(killed, ({ victim }) => victim)].map(([victim, each]) => [
              text(victim),
              number(each.length),
              seconds(Math.max(...each.map(({ backMs }) => backMs))),
            ]),
          ),
      ) +
      section(
        "What happened when",
        table(
          ["After", "What"],
          moments.map(({ atMs, what }) => [seconds(atMs), text(what)]),
        ),
      ),
  );
}
