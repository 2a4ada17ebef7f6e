/** The parts that the pages of a report are made of. */

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};
/** Text, fit for element content and for quoted attributes. */
export const text = (value: string): string => value.replace(/[&<>"']/g, (character) => entities[character] ?? "");
export const number = (value: number): string => value.toLocaleString("en");
export const section = (title: string, body: string): string => `<section><h2>${text(title)}</h2>${body}</section>`;
export const cell = (html: string): string => `<td>${html}</td>`;
export const head = (...names: readonly string[]): string =>
  `<thead><tr>${names.map((name) => `<th scope="col">${text(name)}</th>`).join("")}</tr></thead>`;
