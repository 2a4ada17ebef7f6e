import { Type } from "typebox";
import { minuteMs } from "../kernel/clock.ts";
import { Secret } from "../kernel/secret.ts";
import { Closed } from "../wire/common.ts";
import { secretField } from "../http/form.ts";
import { html } from "../http/markup.ts";
import { goTo, sendPage, wordsOf, type PageContent, type PageFrame } from "../http/page.ts";
import { refuse } from "../http/problem.ts";
import type { App } from "../http/server.ts";
import { withinLimit } from "../http/throttle.ts";
import type { Words } from "../http/words.ts";
import { takeBack } from "./not-me.ts";

export type NotMePageNeeds = Parameters<typeof takeBack>[0] & { readonly frame: PageFrame };

const NotMeForm = Closed({ token: Type.String({ maxLength: 200 }) });
const DoneQuery = Type.Object({ rest: Type.Optional(Type.Literal("gone")) });

/** Tries by one network; a token has 256 random bits, so this only spares the database. */
const triesPerNetwork = { purpose: "not me", limit: 60, windowMs: 10 * minuteMs, perNetwork: true } as const;

/**
 * "It was not me": one page with one button. What opens the page changes nothing, since mail scanners follow every link;
 * the secret stands in the fragment, which no scanner's request, log or referrer carries.
 */
export function notMePages(app: App, needs: NotMePageNeeds): void {
  const { frame } = needs;
  const config = { access: "anyone", page: true } as const;

  app.get("/not-me", { config, schema: { hide: true } }, (_request, reply) =>
    sendPage(reply, frame, notMePage(wordsOf(reply), false)),
  );

  app.post("/not-me", { config, schema: { hide: true, body: NotMeForm } }, async (request, reply) => {
    if (!(await withinLimit(needs, request.ip, triesPerNetwork))) {
      return refuse(reply, "too-many", { retryAfterSeconds: 600 });
    }
    const outcome = await takeBack(needs, Secret.fromText(request.body.token));
    switch (outcome.kind) {
      case "taken-back":
        return goTo(reply, outcome.complete ? "/not-me/done" : "/not-me/done?rest=gone");
      case "refused":
        return sendPage(reply, frame, notMePage(wordsOf(reply), true), 400);
    }
  });

  app.get("/not-me/done", { config, schema: { hide: true, querystring: DoneQuery } }, (request, reply) =>
    sendPage(reply, frame, donePage(wordsOf(reply), request.query.rest === "gone")),
  );
}

function notMePage(words: Words, refused: boolean): PageContent {
  const title = words.say("not-me.title");
  return {
    title,
    failed: refused,
    body: html`<div class="card">
        <h1>${title}</h1>
        <p class="lead">${words.say("not-me.lead")}</p>
        <ul class="points">
          <li>${words.say("not-me.change")}</li>
          <li>${words.say("not-me.devices")}</li>
          <li>${words.say("not-me.password")}</li>
        </ul>
        <form class="form" method="post" action="/not-me">
          ${secretField({
            name: "token",
            label: words.say("not-me.secret"),
            hint: words.say("not-me.secret.hint"),
            error: refused ? words.say("not-me.refused") : undefined,
          })}
          <button class="button" type="submit">${words.say("not-me.do")}</button>
        </form>
      </div>
      <div class="below"><a href="/">${words.say("not-me.was-me")}</a></div>`,
  };
}

function donePage(words: Words, restIsGone: boolean): PageContent {
  const title = words.say("not-me.done.title");
  return {
    title,
    body: html`<div class="card">
      <span class="lamp"></span>
      <h1>${title}</h1>
      <p class="lead">${words.say("not-me.done.lead")}</p>
      ${restIsGone && html`<div class="notice"><span>${words.say("not-me.done.rest")}</span></div>`}
      <ol class="steps">
        <li>${words.say("not-me.done.mailbox")}</li>
        <li>${words.say("not-me.done.renew")}</li>
        <li>${words.say("not-me.done.look")}</li>
      </ol>
      <a class="button" href="/renew">${words.say("not-me.done.do")}</a>
    </div>`,
  };
}
