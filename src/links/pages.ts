import { Type } from "typebox";
import { dayMs } from "../kernel/clock.ts";
import { Closed } from "../wire/common.ts";
import { codeField } from "../http/form.ts";
import { html } from "../http/markup.ts";
import { goTo, sendPage, wordsOf, type PageContent, type PageFrame } from "../http/page.ts";
import { refuse } from "../http/problem.ts";
import type { App } from "../http/server.ts";
import { withinLimit } from "../http/throttle.ts";
import { viewerOf } from "../http/viewer.ts";
import type { Words } from "../http/words.ts";
import { decideLink, showLink, type ShownLink } from "./links.ts";
import { codeTries } from "./routes.ts";

export type LinkPageNeeds = Parameters<typeof decideLink>[0] & { readonly frame: PageFrame };

const LinkForm = Closed({
  code: Type.String({ maxLength: 100 }),
  decision: Type.Optional(Type.Union([Type.Literal("approve"), Type.Literal("deny")])),
});

/**
 * Linking a TV or app from a phone: type the code, see what is being linked, approve or refuse. The same operations as
 * `/api/links`.
 *
 * Source: RFC 8628 sections 3.3 and 5.4.
 */
export function linkPages(app: App, needs: LinkPageNeeds): void {
  const { frame } = needs;
  const config = { access: "viewer", page: true } as const;

  app.get("/link", { config, schema: { hide: true } }, (_request, reply) =>
    sendPage(reply, frame, codePage(wordsOf(reply))),
  );

  app.post("/link", { config, schema: { hide: true, body: LinkForm } }, async (request, reply) => {
    const viewer = viewerOf(request);
    const { code, decision } = request.body;
    const words = wordsOf(reply);
    if (!(await withinLimit(needs, viewer.accountId, codeTries))) {
      return refuse(reply, "too-many", { retryAfterSeconds: 600 });
    }
    if (decision === undefined) {
      // Shown at once and not after a redirect: the code has no business in an address.
      const link = await showLink(needs, code, request.ip);
      if (link === undefined) return sendPage(reply, frame, codePage(words, code), 400);
      return sendPage(reply, frame, decisionPage(words, link, needs.lifetimesMs[link.class] / dayMs));
    }
    const outcome = await decideLink(needs, viewer, code, decision);
    switch (outcome.kind) {
      case "approved":
        return goTo(reply, "/link/approved");
      case "denied":
        return goTo(reply, "/link/denied");
      case "proof-needed":
        return sendPage(reply, frame, proofPage(words), 403);
      case "renew-first":
        return sendPage(reply, frame, renewFirstPage(words), 403);
      case "refused":
        return sendPage(reply, frame, codePage(words, code), 400);
    }
  });

  for (const decided of ["approved", "denied"] as const) {
    app.get(`/link/${decided}`, { config, schema: { hide: true } }, (_request, reply) =>
      sendPage(reply, frame, decidedPage(wordsOf(reply), decided)),
    );
  }
}

function codePage(words: Words, refusedCode?: string): PageContent {
  const title = words.say("link.title");
  const error = refusedCode === undefined ? undefined : words.say("link.refused");
  return {
    title,
    failed: error !== undefined,
    body: html`<div class="card">
        <h1>${title}</h1>
        <p class="lead">${words.say("link.lead")}</p>
        <form class="form" method="post" action="/link">
          ${codeField(words, { label: words.say("link.code"), value: refusedCode, error, fromFragment: true })}
          <button class="button" type="submit">${words.say("link.do")}</button>
        </form>
      </div>
      <div class="below"><a href="/">${words.say("link.library")}</a></div>`,
  };
}

function decisionPage(words: Words, link: ShownLink, staysDays: number): PageContent {
  const title = words.say("link.show.title");
  // A TV that calls itself "TV" is not said twice.
  const kind = words.say(`link.show.kind.${link.class}`);
  const network = link.sameNetwork
    ? words.say("link.show.network.same")
    : words.say("link.show.network.other", { network: link.network });
  return {
    title,
    body: html`<div class="card">
        <h1>${title}</h1>
        <p class="lead">${words.say("link.show.lead")}</p>
        <dl class="facts">
          <dt>${words.say("link.show.device")}</dt>
          <dd>${link.label}</dd>
          ${
            kind !== link.label &&
            html`<dt>${words.say("link.show.kind")}</dt>
              <dd>${kind}</dd>`
          }
          <dt>${words.say("link.show.code")}</dt>
          <dd class="code">${link.userCode}</dd>
          <dt>${words.say("link.show.network")}</dt>
          <dd>${network}</dd>
          <dt>${words.say("link.show.asked")}</dt>
          <dd>${words.instant(link.askedAt)}</dd>
          <dt>${words.say("link.show.stays")}</dt>
          <dd>${words.say("link.show.stays.most", { days: words.days(staysDays) })}</dd>
        </dl>
        ${
          link.sameNetwork
            ? html`<p>${words.say("link.show.check")}</p>`
            : html`<div class="notice">
                <strong>${words.say("link.show.warning.title")}</strong>
                <span>${words.say("link.show.warning")}</span>
              </div>`
        }
        <form class="form" method="post" action="/link">
          <input type="hidden" name="code" value="${link.userCode}" />
          <div class="buttons choice">
            <button class="button" type="submit" name="decision" value="approve">${words.say("link.approve")}</button>
            <button class="button-quiet" type="submit" name="decision" value="deny">${words.say("link.deny")}</button>
          </div>
        </form>
      </div>
      <div class="below"><a href="/link">${words.say("link.another")}</a></div>`,
  };
}

function decidedPage(words: Words, decided: "approved" | "denied"): PageContent {
  const title = words.say(`link.${decided}.title`);
  return {
    title,
    body: html`<div class="card">
        ${decided === "approved" && html`<span class="lamp"></span>`}
        <h1>${title}</h1>
        <p class="lead">${words.say(`link.${decided}.lead`)}</p>
        <div class="buttons">
          <a class="button" href="/">${words.say("link.library")}</a>
          <a class="button-quiet" href="/account">${words.say("link.devices")}</a>
        </div>
      </div>
      <div class="below"><a href="/link">${words.say("link.another")}</a></div>`,
  };
}

/** A device that was linked links no other: where else it can be approved. */
function proofPage(words: Words): PageContent {
  const title = words.say("link.proof.title");
  return {
    title,
    body: html`<div class="card">
      <h1>${title}</h1>
      <p class="lead">${words.say("link.proof.lead")}</p>
      <div class="buttons">
        <a class="button-quiet" href="/sign-out">${words.say("sign-out.do")}</a>
      </div>
    </div>`,
  };
}

function renewFirstPage(words: Words): PageContent {
  const title = words.say("link.renew.title");
  return {
    title,
    body: html`<div class="card">
      <h1>${title}</h1>
      <p class="lead">${words.say("link.renew.lead")}</p>
      <a class="button" href="/renew">${words.say("notice.renew")}</a>
    </div>`,
  };
}
