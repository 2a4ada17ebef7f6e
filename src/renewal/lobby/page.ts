import { hourMs, minuteMs, secondMs } from "../../kernel/clock.ts";
import { html } from "../../http/markup.ts";
import type { PageContent } from "../../http/page.ts";
import type { Words } from "../../http/words.ts";
import type { Standing } from "./lobby.ts";

/** How long it will take, as people say it; rounded up, so that nobody is told less than they wait. */
function expectedWords(words: Words, seconds: number | null): string {
  if (seconds === null) return words.say("line.expected.unknown");
  const minutes = Math.ceil((seconds * secondMs) / minuteMs);
  if (seconds < 60) return words.say("line.expected.now");
  if (minutes === 1) return words.say("line.expected.minute");
  if (minutes < 100) return words.say("line.expected.minutes", { minutes });
  return words.say("line.expected.hours", { hours: Math.ceil((seconds * secondMs) / hourMs) });
}

function beforeWords(words: Words, before: number): string {
  if (before === 0) return words.say("line.before.nobody");
  return before === 1 ? words.say("line.before.one") : words.say("line.before.people", { count: before });
}

/**
 * A place in line, for the page that somebody wanted: whole without a script, which asks again by itself. With one, only
 * the figures change (`data-line`), and are read out as they do.
 */
export function linePage(
  words: Words,
  standing: Standing,
  { path, codeWasRight = false }: { readonly path: string; readonly codeWasRight?: boolean },
): PageContent {
  const title = words.say("line.title");
  const { number, before, expectedSeconds, comeBackSeconds } = standing;
  return {
    title,
    comeBack: { seconds: comeBackSeconds, path },
    body: html`<div class="card" data-line="${path}" data-come-back="${comeBackSeconds}">
        <h1>${title}</h1>
        <p class="lead">${words.say("line.lead")}</p>
        <div role="status">
          <dl class="line">
            <div class="line-number">
              <dt>${words.say("line.number")}</dt>
              <dd data-line-number>${number}</dd>
            </div>
            <div>
              <dt>${words.say("line.before")}</dt>
              <dd data-line-before>${beforeWords(words, before)}</dd>
            </div>
            <div>
              <dt>${words.say("line.expected")}</dt>
              <dd data-line-expected>${expectedWords(words, expectedSeconds)}</dd>
            </div>
          </dl>
        </div>
        ${codeWasRight && html`<p>${words.say("line.code")}</p>`}
        <p>${words.say("line.moves")}</p>
        <a class="button-quiet" href="${path}">${words.say("line.ask")}</a>
      </div>
      <div class="below">
        <span
          >${words.mark("line.passkey", {
            link: html`<a href="/sign-in">${words.say("line.passkey.link")}</a>`,
          })}</span
        >
        <span>${words.say("line.playing")}</span>
      </div>`,
  };
}
