import fc from "fast-check";
import { expect, test } from "vitest";
import { html } from "./markup.ts";
import { wordsFor } from "./words.ts";

test("no text leaves its place: not out of an element, not out of a quoted attribute", () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom("<", ">", '"', "'", "&", "=", " ", "a") })),
      (text) => {
        const made = html`<b title="${text}">${text}</b>`.toString();
        return (made.match(/[<>]/g) ?? []).length === 4 && (made.match(/"/g) ?? []).length === 2;
      },
    ),
  );
});

test("HTML made by the template stays HTML, lists are joined, and nothing is written for nothing", () => {
  const items = ["a", "<b>"].map((item) => html`<li>${item}</li>`);
  expect(
    html`<ul>
      ${items}${false}${null}${undefined}
    </ul>`
      .toString()
      .replaceAll("\n", ""),
  ).toBe("<ul><li>a</li><li>&lt;b&gt;</li></ul>");
});

test("values keep their white space, which a letter's lines need", () => {
  expect(html`<p>${"one\n   two"}</p>`.toString()).toBe("<p>one\n   two</p>");
});

test("what is filled into a text is escaped, and HTML in it is not", () => {
  const words = wordsFor(undefined);
  const link = html`<a href="/renew">x</a>`;
  const told = words.mark("sign-in.refused.renew", { date: "<i>", link }).toString();
  expect(told).toContain("&lt;i&gt;");
  expect(told).toContain('<a href="/renew">x</a>');
});
