import type { EpochMs } from "../kernel/clock.ts";
import { minuteOf, toIso } from "../kernel/clock.ts";
import { noticeHash, type NoticeText } from "./notice.ts";
import { text } from "./report-markup.ts";

/** What stands above the letters in a sample. */
export interface SampleFacts {
  readonly serviceName: string;
  readonly origin: string;
  readonly from: string;
  readonly reference: string;
  /** When the first letter went; null while the words are not fixed. */
  readonly sentFrom: EpochMs | null;
  readonly madeAt: EpochMs;
}

/**
 * The letter as authorities want a sample of it (Cal. Civ. Code 1798.82(f)): as it was sent, in every language, each on
 * pages of its own, with the hash that the timeline names. No person is in it. One self-contained page that prints.
 */
export function sampleHtml(facts: SampleFacts, notices: readonly NoticeText[]): string {
  const { serviceName, origin, from, reference, sentFrom, madeAt } = facts;
  const title = `Sample of the notice ${reference}`;
  const state =
    sentFrom === null
      ? "Not sent yet: these are the words as they would be sent now."
      : `Sent from ${instant(sentFrom)} on. The words were fixed then and are the same for everybody.`;
  return (
    `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">` +
    `<meta name="color-scheme" content="light"><title>${text(title)}</title><style>${css}</style></head><body><main>` +
    `<header><h1>${text(title)}</h1><p>${text(serviceName)}, ${text(origin)}. ${text(state)}</p>` +
    `<p>The same text stands at ${text(`${origin}/notice/${reference}`)}. Made ${instant(madeAt)}.</p>` +
    `<ol>${notices.map(({ locale, subject }) => `<li lang="${locale}">${text(subject)}</li>`).join("")}</ol></header>` +
    notices.map((notice) => letter(notice, from)).join("") +
    `</main></body></html>`
  );
}

const instant = (at: EpochMs): string => text(minuteOf(toIso(at)));

function letter(notice: NoticeText, from: string): string {
  const body = notice.html.slice(notice.html.indexOf("<body>") + "<body>".length, notice.html.lastIndexOf("</body>"));
  return (
    `<article lang="${notice.locale}"><dl><dt>From</dt><dd>${text(from)}</dd><dt>Subject</dt><dd>${text(notice.subject)}</dd>` +
    `<dt>SHA-256</dt><dd><code>${noticeHash(notice).toString("hex")}</code></dd></dl>` +
    `<div class="letter">${body}</div></article>`
  );
}

const css =
  `@page{size:A4;margin:16mm 18mm 20mm;@bottom-right{content:counter(page) " / " counter(pages);font:9pt system-ui,sans-serif;color:#57534e}}body{margin:0;background:#fff;color:#1c1917;font:11pt/1.5 system-ui,"Segoe UI",Roboto,Helvetica,Arial,sans-serif}` +
  `main{max-width:46rem;margin:0 auto;padding:2rem 1.25rem}header h1{font-size:20pt;line-height:1.2;margin:0 0 .5rem}` +
  `article{break-before:page;border-top:2px solid #b45309;margin-top:2rem;padding-top:1rem}` +
  `dl{display:grid;grid-template-columns:6rem 1fr;gap:.15rem .75rem;margin:0 0 1rem;color:#57534e;font-size:9pt}dd{margin:0}` +
  `code{font:8pt/1.4 ui-monospace,Menlo,Consolas,monospace;overflow-wrap:anywhere}` +
  `h1,h2,h3{break-after:avoid}li{break-inside:avoid}p{orphans:3;widows:3}` +
  `@media print{main{max-width:none;padding:0}article{border:0;margin:0;padding:0}}`;
