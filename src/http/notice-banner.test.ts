import { expect, test } from "vitest";
import { letterAsSent } from "./notice-banner.ts";

test("a letter on a page: underlined lines are headings, dashes a list, and every other word stands as it was sent", () => {
  const text =
    "Notice\n\nWhat Happened\n-------------\n\nA copy <b>was</b> taken.\nWe are sorry.\n\n- names\n- addresses\n\n1. Renew.\n2. Link.\n";
  const page = String(letterAsSent({ locale: "en", subject: "Notice (HL-1)", text }));
  expect(page).toContain('<div class="letter" lang="en">');
  expect(page).toContain("<h3>What Happened</h3>");
  expect(page).toContain("<p>A copy &lt;b&gt;was&lt;/b&gt; taken.\nWe are sorry.</p>");
  expect(page).toMatch(/<ul class="points">\s*<li>names<\/li><li>addresses<\/li>\s*<\/ul>/);
  expect(page).toContain("<p>1. Renew.\n2. Link.</p>");
  const words = (one: string) => one.match(/[A-Za-z]{2,}/g);
  const shown = page.replaceAll(/<[^>]*>/g, " ").replaceAll(/&lt;|&gt;/g, " ");
  expect(words(shown)).toEqual(words(`Notice (HL-1) ${text}`));
});
