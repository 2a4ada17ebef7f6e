import type { StolenCopy } from "../wire/stolen-copy.ts";
import { cell, head, number, section, text } from "./report-markup.ts";

const how: Readonly<Record<string, string>> = {
  sealed: "sealed",
  wrapped: "a sealed key",
  keyed: "keyed",
  digest: "a digest of 256 random bits",
  random: "random bytes",
};

/** What the copy shows, table by table: what can be read, with the reason, and what cannot, with what stands in its place. */
export function copySection({ tables }: StolenCopy): string {
  const rows = tables.map(({ name, holds, rowsAbout, columns }) => {
    const readable = columns.filter(({ kind }) => kind === "shown" || kind === "unknown");
    const closed = columns.filter(({ kind }) => kind !== "shown" && kind !== "unknown");
    const unknown = columns.some(({ kind }) => kind === "unknown");
    return (
      `<tr><th scope="row">${text(holds ?? "not known to this version")}<br><code>${text(name)}</code></th>` +
      `<td class="n">${number(rowsAbout)}</td>` +
      cell(closed.map(({ says, kind }) => `<div>${text(says)}: <i>${how[kind] ?? ""}</i></div>`).join("")) +
      cell((unknown ? `<span class="bad">columns that nobody has declared</span><br>` : "") + text(sayings(readable))) +
      `</tr>`
    );
  });
  return section(
    "What the copy shows",
    `<p>Whoever has a copy of the database, and not the keys, can read the last column. What stands before it is bytes: ` +
      `sealed under keys that are not in the database, keyed hashes, and digests of random secrets. There is no payment data.</p>` +
      `<table class="copy">${head("Table", "Rows, about", "Cannot be read", "Can be read")}<tbody>${rows.join("")}</tbody></table>` +
      `<p class="small">Tables and columns are those of the database when this report was made. Why each may be read stands in the JSON.</p>`,
  );
}

const sayings = (columns: readonly { readonly says: string }[]): string =>
  [...new Set(columns.map(({ says }) => says))].join(", ");
