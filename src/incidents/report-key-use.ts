import { numbered } from "../kernel/numbered.ts";
import type { KeyUse } from "../wire/key-use.ts";
import { head, number, section, text } from "./report-markup.ts";

/** What the keys were used for, beside what was announced: nothing else shows that somebody asks behind the service's back. */
export function keyUseSection(use: KeyUse | null): string {
  if (use === null) return section("Uses of keys", `<p>They have not been compared yet.</p>`);
  const surplus = use.purposes.reduce((sum, one) => sum + one.surplus, 0);
  const rows = use.purposes.map(
    (one) =>
      `<tr><th scope="row">${text(one.purpose)}</th>` +
      [one.announced, one.served].map((count) => `<td class="n">${number(count)}</td>`).join("") +
      `<td class="n">${one.surplus === 0 ? "0" : `<span class="bad">${number(one.surplus)}</span>`}</td></tr>`,
  );
  const verdict =
    surplus === 0
      ? "Every use of a key had been announced by a process of the service before it."
      : `<span class="bad">${numbered(surplus, "use of a key had", "uses of keys had")} been announced by nobody.</span>`;
  return section(
    "Uses of keys",
    `<p>${verdict} Compared last at ${text(use.comparedAt.replace("T", " ").replace("Z", " UTC"))}.</p>` +
      (rows.length === 0
        ? ""
        : `<table>${head("Purpose", "Announced", "Served", "Announced by nobody")}<tbody>${rows.join("")}</tbody></table>`) +
      `<p class="small">Whole hours since ${text(use.since.replace("T", " ").replace("Z", " UTC"))}. A captured process of the service announces what it asks, and is not seen here.</p>`,
  );
}
