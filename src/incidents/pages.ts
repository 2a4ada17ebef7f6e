import { Type } from "typebox";
import type { Tx } from "../db/db.ts";
import { html } from "../http/markup.ts";
import { preferredLocale } from "../http/locale.ts";
import { letterAsSent } from "../http/notice-banner.ts";
import { goTo, sendPage, wordsOf, type PageContent, type PageFrame } from "../http/page.ts";
import type { App } from "../http/server.ts";
import type { Words } from "../http/words.ts";
import type { Locale } from "../wire/common.ts";
import { noticeIn, readNotice, type PublicNotice } from "./notice.ts";

interface Needs {
  readonly db: Tx;
  readonly frame: PageFrame;
}

const reference = Type.String({ maxLength: 200 });

/** Where anybody checks whether a letter is from us: by its reference, against its text as it was sent. */
export function noticePages(app: App, { db, frame }: Needs): void {
  const config = { access: "anyone", page: true } as const;

  app.get(
    "/notice",
    { config, schema: { hide: true, querystring: Type.Object({ reference: Type.Optional(reference) }) } },
    (request, reply) => {
      const asked = (request.query.reference ?? "").trim();
      if (asked === "") return sendPage(reply, frame, checkPage(wordsOf(reply)));
      return goTo(reply, `/notice/${encodeURIComponent(asked.toWellFormed())}`);
    },
  );

  app.get(
    "/notice/:reference",
    { config, schema: { hide: true, params: Type.Object({ reference }) } },
    async (request, reply) => {
      const words = wordsOf(reply);
      const notice = await readNotice(db, request.params.reference);
      if (notice.kind === "not found") {
        return sendPage(reply, frame, unknownPage(words, request.params.reference), 404);
      }
      const locale = preferredLocale(request.headers["accept-language"]);
      return sendPage(reply, frame, genuinePage(words, notice, locale));
    },
  );
}

function checkPage(words: Words): PageContent {
  const title = words.say("letter.check.title");
  return {
    title,
    body: html`<div class="card">
      <h1>${title}</h1>
      <p class="lead">${words.say("letter.check.lead")}</p>
      <form class="form" method="get" action="/notice">
        <div class="field code-field">
          <label for="reference">${words.say("letter.check.reference")}</label>
          <span class="hint" id="reference-hint">${words.say("letter.check.hint", { example: "HL-7K2M-9QXT" })}</span>
          <input
            id="reference"
            name="reference"
            required
            aria-describedby="reference-hint"
            autocomplete="off"
            autocapitalize="characters"
            spellcheck="false"
            maxlength="60"
          />
        </div>
        <button class="button" type="submit">${words.say("letter.check.do")}</button>
      </form>
    </div>`,
  };
}

function unknownPage(words: Words, asked: string): PageContent {
  const title = words.say("letter.unknown.title");
  return {
    title,
    body: html`<div class="card">
      <h1>${title}</h1>
      <p class="lead">
        ${words.mark("letter.unknown.what", {
          reference: html`<span class="reference">${asked.slice(0, 60)}</span>`,
        })}
      </p>
      <p>${words.say("letter.unknown.do")}</p>
      <p class="soft">${words.say("letter.unknown.mistyped")}</p>
      <a class="button" href="/notice">${words.say("letter.again")}</a>
    </div>`,
  };
}

function genuinePage(words: Words, notice: Extract<PublicNotice, { kind: "genuine" }>, locale: Locale): PageContent {
  const { containedAt, notifiedAt, wayInClosedAt, closedAt, letters } = notice;
  const title = words.say("letter.title", { reference: notice.reference });
  const letter = letters.length === 0 ? undefined : noticeIn(letters, locale);
  return {
    title,
    wide: true,
    notice: html`<div class="notice is-good">
      <strong>${words.say("letter.genuine")}</strong>
      <span>${words.say("letter.genuine.what")}</span>
    </div>`,
    body: html`<div class="card">
        <h1>${words.mark("letter.title", { reference: html`<span class="whole">${notice.reference}</span>` })}</h1>
        <dl class="facts">
          <dt>${words.say("letter.contained")}</dt>
          <dd>${words.instant(containedAt)}</dd>
          ${
            notifiedAt !== null &&
            html`<dt>${words.say("letter.sent")}</dt>
              <dd>${words.instant(notifiedAt)}</dd>`
          }
          <dt>${words.say("letter.way-in")}</dt>
          <dd>
            ${
              wayInClosedAt === null
                ? words.say("letter.way-in.open")
                : words.mark("letter.way-in.closed", { date: words.instant(wayInClosedAt) })
            }
          </dd>
          ${
            closedAt !== null &&
            html`<dt>${words.say("letter.closed")}</dt>
              <dd>${words.instant(closedAt)}</dd>`
          }
        </dl>
        <h2>${words.say("letter.do.title")}</h2>
        <ol class="steps">
          <li>${words.say("letter.do.1")}</li>
          <li>${words.say("letter.do.2")}</li>
          <li>${words.say("letter.do.3")}</li>
        </ol>
        <div class="buttons"><a class="button" href="/renew">${words.say("letter.do.renew")}</a></div>
      </div>
      <article class="card">
        <h2>${words.say("letter.text")}</h2>
        ${letter === undefined ? html`<p class="lead">${words.say("letter.none-yet")}</p>` : letterAsSent(letter)}
      </article>`,
  };
}
