import { html } from "./markup.ts";
import { nextPath } from "./next-path.ts";
import type { PageContent } from "./page.ts";
import type { Words } from "./words.ts";
import type { WordKey } from "./catalogue/en.ts";

interface ShownProblem {
  readonly code: string;
  readonly status: number;
  readonly reference?: string | undefined;
  readonly retryAfterSeconds?: number | undefined;
  /** What was asked for; offered again if it was only to be read. */
  readonly method: string;
  readonly url: string;
}

interface Explained {
  readonly title: WordKey;
  readonly what: WordKey;
}

const explained: Readonly<Record<string, Explained>> = {
  busy: { title: "problem.busy.title", what: "problem.busy.what" },
  crowded: { title: "problem.crowded.title", what: "problem.crowded.what" },
  "too-many": { title: "problem.too-many.title", what: "problem.too-many.what" },
  "not-found": { title: "problem.not-found.title", what: "problem.not-found.what" },
  "malformed-request": { title: "problem.malformed-request.title", what: "problem.malformed-request.what" },
  "card-number": { title: "problem.card-number.title", what: "problem.card-number.what" },
  "text-refused": { title: "problem.text-refused.title", what: "problem.text-refused.what" },
  "too-large": { title: "problem.too-large.title", what: "problem.too-large.what" },
  "foreign-origin": { title: "problem.foreign-origin.title", what: "problem.foreign-origin.what" },
  "operators-only": { title: "problem.operators-only.title", what: "problem.operators-only.what" },
  broken: { title: "problem.broken.title", what: "problem.broken.what" },
  "disk-full": { title: "problem.broken.title", what: "problem.broken.what" },
};
const other: Explained = { title: "problem.other.title", what: "problem.other.what" };

/** What a person reads where a program would read application/problem+json: what happened, what was lost, what to do. */
export function problemPage(words: Words, problem: ShownProblem): PageContent {
  const { code, reference, retryAfterSeconds, method, url } = problem;
  const { title, what } = explained[code] ?? other;
  const minutes = Math.max(1, Math.ceil((retryAfterSeconds ?? 60) / 60));
  const [path = ""] = url.split("?");
  // Somebody else's tries slow a password's entry down, and must not keep its owner out.
  const otherWays = code === "too-many" && path === "/sign-in";
  const again = code === "not-found" || code === "operators-only" ? undefined : nextPath(method === "GET" ? url : path);
  return {
    title: words.say(title),
    body: html`<div class="card">
      <h1>${words.say(title)}</h1>
      <p class="lead">${words.say(what, { minutes: words.minutes(minutes) })}</p>
      ${
        otherWays &&
        html`<p>
          ${words.mark("problem.too-many.sign-in", {
            link: html`<a href="/renew">${words.say("sign-in.refused.renew.link")}</a>`,
          })}
        </p>`
      }
      ${reference !== undefined && html`<p class="soft small">${words.say("problem.reference", { reference })}</p>`}
      <div class="buttons">
        ${again !== undefined && html`<a class="button" href="${again}">${words.say("problem.again")}</a>`}
        <a class="button-quiet" href="/">${words.say("problem.home")}</a>
      </div>
    </div>`,
  };
}
