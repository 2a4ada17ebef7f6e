import { createHash } from "node:crypto";
import { escapeHtml } from "../http/markup.ts";

/** The parts that the pages of a report are made of. */

/** Text, fit for element content and for quoted attributes. */
export const text = escapeHtml;
export const number = (value: number): string => value.toLocaleString("en");
export const section = (title: string, body: string): string => `<section><h2>${text(title)}</h2>${body}</section>`;
export const cell = (html: string): string => `<td>${html}</td>`;
export const head = (...names: readonly string[]): string =>
  `<thead><tr>${names.map((name) => `<th scope="col">${text(name)}</th>`).join("")}</tr></thead>`;

/** A whole page of its own: no script, nothing fetched. Where it is served, `pagePolicy` lets in its one style element. */
export const page = (title: string, body: string): string =>
  `<!doctype html><html lang="en"><head><meta charset="utf-8">` +
  `<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light">` +
  `<title>${text(title)}</title><style>${css}</style></head><body><main>${body}</main></body></html>`;

const css =
  `@page{size:A4;margin:16mm 16mm 20mm;@bottom-right{content:counter(page) " / " counter(pages);font:9pt system-ui,sans-serif;color:#57534e}}*{box-sizing:border-box}` +
  `body{margin:0;background:#fff;color:#1c1917;font:11pt/1.5 system-ui,"Segoe UI",Roboto,Helvetica,Arial,sans-serif}` +
  `main{max-width:46rem;margin:0 auto;padding:2rem 1.25rem}h1{font-size:24pt;line-height:1.15;margin:0 0 .5rem}` +
  `h2{font-size:14pt;margin:2rem 0 .5rem;padding-top:.75rem;border-top:2px solid #b45309;break-after:avoid}` +
  `h3{font-size:11pt;margin:1rem 0 .25rem;break-after:avoid}p{margin:0 0 .6rem}` +
  `.kind{text-transform:uppercase;letter-spacing:.08em;font-size:9pt;color:#57534e;margin:0}` +
  `.made,figcaption,.small{color:#57534e;font-size:9pt}.bad{color:#b91c1c;font-weight:600}` +
  `table{width:100%;border-collapse:collapse;margin:.25rem 0 1rem;font-variant-numeric:tabular-nums}` +
  `th,td{text-align:left;vertical-align:top;padding:.25rem .75rem .25rem 0;border-bottom:1px solid #e7e5e4;overflow-wrap:break-word}` +
  `th{font-weight:600}th[scope=row]{width:13rem}td.time{white-space:nowrap}td.long{overflow-wrap:anywhere}thead{display:table-header-group}tr{break-inside:avoid}td.n,th.n{text-align:right}` +
  `table.facts{break-inside:avoid}table.facts th[scope=row]{width:16rem}table.review th:first-child{width:45%}table.review td:nth-child(2){white-space:nowrap}` +
  `table.timeline code{white-space:nowrap}table.copy{table-layout:fixed;font-size:9pt;line-height:1.4}table.copy th:first-child{width:24%}table.copy th:nth-child(2){width:8%}` +
  `table.copy th:nth-child(3){width:32%}table.copy td>div+div{margin-top:.15rem}table.copy code{font-size:7.5pt;white-space:normal}table.copy i{color:#57534e}` +
  `p:has(+figure),p:has(+table){break-after:avoid}p,li{orphans:3;widows:3}a{color:#92400e}` +
  `tr.sum td,tr.sum th{border-top:2px solid #1c1917}` +
  `code,pre{font:8.5pt/1.45 ui-monospace,Menlo,Consolas,monospace;overflow-wrap:anywhere;white-space:pre-wrap}` +
  `pre{background:#fafaf9;border:1px solid #e7e5e4;padding:.6rem;margin:.25rem 0 1rem}` +
  `figure{margin:.5rem 0 1rem;break-inside:avoid}svg{display:block;width:100%;height:auto}` +
  `@media print{main{max-width:none;padding:0}h2{border-top-width:1px}}` +
  // A telephone: what has a name beside it gets the room, and what has four columns goes one below the other.
  `@media screen and (max-width:40rem){main{padding:1.25rem 1rem}th[scope=row],table.facts th[scope=row]{width:auto;min-width:6.5rem}td.time{white-space:normal}` +
  `:is(table.timeline,table.copy){display:block;font-size:11pt}:is(table.timeline,table.copy) thead{position:absolute;clip-path:inset(50%);width:1px;height:1px;overflow:hidden}` +
  `:is(table.timeline,table.copy) :is(tbody,tr,td,th){display:block}table.copy th[scope=row],table.copy :is(th,td):nth-child(n){width:auto}` +
  `:is(table.timeline,table.copy) tr{padding:.5rem 0;border-bottom:1px solid #e7e5e4}:is(table.timeline,table.copy) :is(td,th){padding:.1rem 0;border:0}` +
  `table.timeline code{white-space:normal}.n:not(:last-child){padding-right:.5rem}thead th{overflow-wrap:anywhere;hyphens:auto}}`;

/** The content security policy of such a page: its own style, named by its hash, and nothing else. */
export const pagePolicy =
  `default-src 'none'; style-src 'sha256-${createHash("sha256").update(css).digest("base64")}'; ` +
  `object-src 'none'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'`;
