import { escapeHtml } from "../http/markup.ts";

/** The parts that the pages of a report are made of. */

/** Text, fit for element content and for quoted attributes. */
export const text = escapeHtml;
export const number = (value: number): string => value.toLocaleString("en");
export const section = (title: string, body: string): string => `<section><h2>${text(title)}</h2>${body}</section>`;
export const cell = (html: string): string => `<td>${html}</td>`;
export const head = (...names: readonly string[]): string =>
  `<thead><tr>${names.map((name) => `<th scope="col">${text(name)}</th>`).join("")}</tr></thead>`;
