import { Type } from "typebox";
import { Secret } from "../kernel/secret.ts";
import { Closed, limits } from "../wire/common.ts";
import { browserBindingsOf, newBrowserBinding, placeOf } from "../http/cookies.ts";
import {
  addressField,
  checkRow,
  codeField,
  factorField,
  passwordField,
  passwordRefusal,
  rememberedAddress,
} from "../http/form.ts";
import { html } from "../http/markup.ts";
import { preferredLocale } from "../http/locale.ts";
import { noticeBanner, type CurrentNotice, type ReadCurrentNotice } from "../http/notice-banner.ts";
import { goTo, sendPage, wordsOf, type PageContent, type PageFrame } from "../http/page.ts";
import { refuse } from "../http/problem.ts";
import type { App } from "../http/server.ts";
import { withinLimit } from "../http/throttle.ts";
import type { Words } from "../http/words.ts";
import { codesPerNetwork } from "../credentials/routes.ts";
import { codeLifetimeMs } from "../credentials/sign-up.ts";
import { askLobby } from "./lobby/admission.ts";
import type { Lobby } from "./lobby/lobby.ts";
import { linePage } from "./lobby/page.ts";
import { askRenewal, completeRenewal, proveMailbox } from "./renewal.ts";

export type RenewalPageNeeds = Parameters<typeof completeRenewal>[0] & {
  readonly frame: PageFrame;
  readonly currentNotice: ReadCurrentNotice;
  readonly lobby: Lobby;
};

const AskForm = Closed({ address: Type.String({ maxLength: limits.addressLength * 4 }) });
/** A box that is not ticked is not sent at all (WHATWG HTML section 4.10.22.4). */
const CompleteForm = Closed({
  code: Type.String({ maxLength: 100 }),
  password: Type.String({ format: "password", maxLength: limits.bodyBytes }),
  signOutDevices: Type.Optional(Type.Literal("yes")),
  secondFactor: Type.Optional(Type.String({ maxLength: 100 })),
});
const DoneQuery = Type.Object({ devices: Type.Optional(Type.Literal("kept")) });

/**
 * The way back in: ask for a code, then code, new password and the box, then done. The same operations as
 * `/api/renewals`, and like them the same answer for every address.
 */
export function renewalPages(app: App, needs: RenewalPageNeeds): void {
  const { frame, random, currentNotice, lobby } = needs;
  const config = { access: "anyone", page: true } as const;

  app.get("/renew", { config, schema: { hide: true } }, async (request, reply) => {
    const admission = await askLobby(lobby, "look", request, reply);
    if (admission.kind === "answered") return admission.answer;
    const words = wordsOf(reply);
    if (admission.kind === "waiting")
      return sendPage(reply, frame, linePage(words, admission.standing, { path: "/renew" }));
    return sendPage(reply, frame, askPage(words, await currentNotice()));
  });

  app.post("/renew", { config, schema: { hide: true, body: AskForm } }, async (request, reply) => {
    const admission = await askLobby(lobby, "ask", request, reply);
    if (admission.kind === "answered") return admission.answer;
    // By GET, so that asking again later sends no form twice.
    if (admission.kind === "waiting") return goTo(reply, "/renew");
    if (!(await withinLimit(needs, request.ip, codesPerNetwork))) {
      return refuse(reply, "too-many", { retryAfterSeconds: 600 });
    }
    await askRenewal(needs, {
      address: request.body.address,
      locale: preferredLocale(request.headers["accept-language"]),
      network: request.ip,
      browser: newBrowserBinding(request, reply, random, codeLifetimeMs / 1_000),
    });
    return goTo(reply, "/renew/code");
  });

  app.get("/renew/code", { config, schema: { hide: true } }, async (request, reply) => {
    // A code answers only to the browser that asked for one.
    if (browserBindingsOf(request).length === 0) return goTo(reply, "/renew");
    if (placeOf(request) !== undefined) {
      const admission = await askLobby(lobby, "complete", request, reply);
      if (admission.kind === "answered") return admission.answer;
      if (admission.kind === "waiting") {
        return sendPage(reply, frame, linePage(wordsOf(reply), admission.standing, { path: "/renew/code" }));
      }
    }
    return sendPage(reply, frame, codePage(wordsOf(reply), { signOutDevices: true }));
  });

  app.post("/renew/code", { config, schema: { hide: true, body: CompleteForm } }, async (request, reply) => {
    const browsers = browserBindingsOf(request);
    if (browsers.length === 0) return goTo(reply, "/renew");
    const { code, password, secondFactor } = request.body;
    const signOutDevices = request.body.signOutDevices === "yes";
    const words = wordsOf(reply);
    const withFactor = secondFactor !== undefined;
    const again = (errors: Partial<CodeState>) =>
      sendPage(reply, frame, codePage(words, { code, signOutDevices, withFactor, ...errors }), 400);
    const admission = await askLobby(lobby, "complete", request, reply);
    if (admission.kind === "answered") return admission.answer;
    if (admission.kind === "waiting") {
      if (!(await proveMailbox(needs, { typedCode: code, browsers }))) {
        return again({ codeError: words.say("refused.code") });
      }
      const line = linePage(words, admission.standing, { path: "/renew/code", codeWasRight: true });
      return sendPage(reply, frame, line);
    }
    const outcome = await lobby.complete(() =>
      completeRenewal(needs, {
        typedCode: code,
        browsers,
        password: Secret.fromText(password),
        secondFactor,
        signOutDevices,
      }),
    );
    switch (outcome.kind) {
      case "renewed":
        return goTo(reply, outcome.signedOutDevices ? "/renew/done" : "/renew/done?devices=kept");
      case "refused":
        return again({ codeError: words.say("refused.code") });
      case "password-is-old":
        return again({ passwordError: words.say("refused.password-is-old") });
      case "password-refused":
        return again({ passwordError: passwordRefusal(words, outcome.rule, outcome.detail) });
      case "second-factor-needed":
        return again({ withFactor: true });
      case "second-factor-refused":
        return again({ withFactor: true, factorError: words.say("refused.factor") });
      case "wait": {
        const minutes = Math.ceil(outcome.seconds / 60);
        return again({ withFactor: true, factorError: words.say("refused.factor.wait", { minutes }) });
      }
    }
  });

  app.get("/renew/done", { config, schema: { hide: true, querystring: DoneQuery } }, (request, reply) =>
    sendPage(reply, frame, donePage(wordsOf(reply), request.query.devices === "kept")),
  );
}

function askPage(words: Words, notice: CurrentNotice | null): PageContent {
  const title = words.say("renew.title");
  return {
    title,
    notice: noticeBanner(words, notice, { renewHere: true }),
    body: html`<div class="card">
        <p class="step">${words.say("step", { step: 1, steps: 2 })}</p>
        <h1>${title}</h1>
        <p class="lead">${words.say("renew.lead")}</p>
        <form class="form" method="post" action="/renew">
          ${addressField(words, { remember: true })}
          <button class="button" type="submit">${words.say("renew.do")}</button>
        </form>
      </div>
      <div class="below"><a href="/sign-in">${words.say("renew.sign-in")}</a></div>`,
  };
}

interface CodeState {
  readonly code?: string;
  readonly signOutDevices: boolean;
  /** The mailbox is proved, and the account has a second factor. */
  readonly withFactor?: boolean;
  readonly codeError?: string;
  readonly factorError?: string;
  readonly passwordError?: string;
}

const lengths = { alone: limits.passwordLengthAlone, withFactor: limits.passwordLengthWithFactor };

function codePage(words: Words, state: CodeState): PageContent {
  const { code, signOutDevices, withFactor = false, codeError, factorError, passwordError } = state;
  const title = words.say(withFactor ? "renew.factor.title" : "renew.code.title");
  return {
    title,
    failed: codeError !== undefined || factorError !== undefined || passwordError !== undefined,
    body: html`<div class="card">
        <p class="step">${words.say("step", { step: 2, steps: 2 })}</p>
        <h1>${title}</h1>
        <p class="lead">${words.say(withFactor ? "renew.factor.lead" : "renew.code.lead")}</p>
        <form class="form" method="post" action="/renew/code">
          ${rememberedAddress(words)}
          ${codeField(words, { label: words.say("field.code"), value: code, error: codeError })}
          ${withFactor && factorField(words, { name: "secondFactor", error: factorError, first: true })}
          ${passwordField(words, {
            chosen: "new",
            error: passwordError,
            // Before the mailbox is proved the page is the same for every address; the service judges what was typed.
            leastLength: limits.passwordLengthWithFactor,
            ...(withFactor ? {} : { hint: words.say("renew.password.hint", lengths) }),
          })}
          ${checkRow({
            name: "signOutDevices",
            label: words.say("field.sign-out-devices"),
            hint: words.say("field.sign-out-devices.hint"),
            checked: signOutDevices,
          })}
          <button class="button" type="submit">${words.say("renew.code.do")}</button>
        </form>
      </div>
      <div class="below"><a href="/renew">${words.say("renew.code.again")}</a></div>`,
  };
}

function donePage(words: Words, devicesKept: boolean): PageContent {
  const title = words.say("renew.done.title");
  return {
    title,
    body: html`<div class="card">
      <span class="lamp"></span>
      <h1>${title}</h1>
      <p class="lead">${words.say(devicesKept ? "renew.done.kept" : "renew.done.signed-out")}</p>
      <ul class="points">
        <li>${words.say("renew.done.tv")}</li>
        <li>${words.say("renew.done.elsewhere")}</li>
        <li>${words.say("renew.done.letter")}</li>
      </ul>
      <a class="button" href="/sign-in?done=renewed">${words.say("renew.done.do")}</a>
    </div>`,
  };
}
