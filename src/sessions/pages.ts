import { Type } from "typebox";
import { secondsUntil } from "../kernel/clock.ts";
import { Secret } from "../kernel/secret.ts";
import { Closed, limits } from "../wire/common.ts";
import {
  forgetSession,
  clearStepCookie,
  replacedBy,
  setSessionCookie,
  setStepCookie,
  stepOf,
} from "../http/cookies.ts";
import { addressField, factorField, passwordField } from "../http/form.ts";
import { html, type Markup } from "../http/markup.ts";
import { nextPath } from "../http/next-path.ts";
import {
  noticeBanner,
  noticeLetter,
  refusedSignIn,
  type CurrentLetter,
  type CurrentNotice,
  type ReadCurrentLetter,
  type ReadCurrentNotice,
} from "../http/notice-banner.ts";
import { goTo, sendPage, wordsOf, type PageContent, type PageFrame } from "../http/page.ts";
import { refuse } from "../http/problem.ts";
import type { App } from "../http/server.ts";
import type { Words } from "../http/words.ts";
import { hasPasskey } from "../credentials/passkeys.ts";
import type { RelyingParty } from "../credentials/relying-party.ts";
import { describeDevice } from "./describe-device.ts";
import { signOut } from "./devices.ts";
import { completeStep } from "./second-factor.ts";
import { signIn } from "./sign-in.ts";

export type SessionPageNeeds = Parameters<typeof signIn>[0] & {
  readonly frame: PageFrame;
  readonly currentNotice: ReadCurrentNotice;
  readonly currentLetter: ReadCurrentLetter;
  /** `null` where browsers refuse passkeys. */
  readonly party: RelyingParty | null;
};

const done = Type.Union([
  Type.Literal("signed-out"),
  Type.Literal("account-created"),
  Type.Literal("renewed"),
  Type.Literal("step-over"),
]);
const next = Type.Optional(Type.String({ maxLength: 2_000 }));
const SignInQuery = Type.Object({ next, done: Type.Optional(done) });
/** Looser than the interface for programs: a slip in a form is answered beside its field. */
const SignInForm = Closed({
  address: Type.String({ maxLength: limits.addressLength * 2 }),
  password: Type.String({ format: "password", maxLength: limits.passwordLength }),
  next,
  /** What may be offered afterwards, if the account has none. */
  offer: Type.Optional(Type.Union([Type.Literal("passkey"), Type.Literal("")])),
});
const PasskeyQuery = Type.Object({ next });

const CodeQuery = Type.Object({ next });
const CodeForm = Closed({ code: Type.String({ maxLength: 100 }), next });

/** Sign-in and sign-out for people, complete without a script. The same operations as `/api/sessions`. */
export function sessionPages(app: App, needs: SessionPageNeeds): void {
  const { db, clock, frame, currentNotice, currentLetter, party } = needs;
  const config = { access: "anyone", page: true } as const;

  app.get("/sign-in", { config, schema: { hide: true, querystring: SignInQuery } }, async (request, reply) => {
    const target = nextPath(request.query.next);
    if (request.viewer !== null) return goTo(reply, target ?? "/");
    const words = wordsOf(reply);
    const notice = await currentNotice();
    const letter = notice === null ? null : await currentLetter(request.headers["accept-language"]);
    return sendPage(reply, frame, signInPage(words, { notice, letter, target, done: request.query.done, party }));
  });

  app.post("/sign-in", { config, schema: { hide: true, body: SignInForm } }, async (request, reply) => {
    const { address, password } = request.body;
    const target = nextPath(request.body.next);
    const outcome = await signIn(needs, {
      address,
      password: Secret.fromText(password),
      class: "browser",
      label: describeDevice(request.headers["user-agent"], "browser"),
      network: request.ip,
      replaces: replacedBy(request, "cookie"),
    });
    if (outcome.kind === "too-many") return refuse(reply, "too-many", { retryAfterSeconds: 600 });
    if (outcome.kind === "refused") {
      // One answer for every reason: same words, same status, same shape (ASVS 5.0 6.3.8).
      const notice = await currentNotice();
      return sendPage(
        reply,
        frame,
        signInPage(wordsOf(reply), {
          notice,
          target,
          refused: { address, offer: request.body.offer !== undefined },
          party,
        }),
        401,
      );
    }
    const maxAgeSeconds = secondsUntil(clock, outcome.expiresAt);
    if (outcome.kind === "second-factor") {
      setStepCookie(reply, outcome.step.revealText(), maxAgeSeconds);
      return goTo(reply, target === undefined ? "/sign-in/code" : `/sign-in/code?next=${encodeURIComponent(target)}`);
    }
    setSessionCookie(reply, outcome.token.revealText(), maxAgeSeconds);
    const offers = request.body.offer === "passkey" && party !== null && !(await hasPasskey(db, outcome.accountId));
    if (!offers) return goTo(reply, target ?? "/");
    return goTo(reply, target === undefined ? "/passkey" : `/passkey?next=${encodeURIComponent(target)}`);
  });

  const signedIn = { access: "viewer", page: true } as const;
  app.get("/passkey", { config: signedIn, schema: { hide: true, querystring: PasskeyQuery } }, (request, reply) => {
    const target = nextPath(request.query.next) ?? "/";
    if (party === null) return goTo(reply, target);
    const name = describeDevice(request.headers["user-agent"], "browser");
    return sendPage(reply, frame, offerPage(wordsOf(reply), party, { target, name }));
  });

  app.get("/sign-in/code", { config, schema: { hide: true, querystring: CodeQuery } }, (request, reply) => {
    const target = nextPath(request.query.next);
    if (request.viewer !== null) return goTo(reply, target ?? "/");
    if (stepOf(request) === undefined) return goTo(reply, "/sign-in");
    return sendPage(reply, frame, codePage(wordsOf(reply), { target }));
  });

  app.post("/sign-in/code", { config, schema: { hide: true, body: CodeForm } }, async (request, reply) => {
    const { code } = request.body;
    const target = nextPath(request.body.next);
    const step = stepOf(request);
    if (step === undefined) return goTo(reply, "/sign-in?done=step-over");
    const words = wordsOf(reply);
    const outcome = await completeStep(needs, {
      step,
      typed: code,
      network: request.ip,
      replaces: replacedBy(request, "cookie"),
    });
    switch (outcome.kind) {
      case "refused":
        return sendPage(reply, frame, codePage(words, { target, error: words.say("refused.factor") }), 401);
      case "wait": {
        const minutes = Math.ceil(outcome.seconds / 60);
        void reply.header("retry-after", String(outcome.seconds));
        return sendPage(
          reply,
          frame,
          codePage(words, { target, error: words.say("refused.factor.wait", { minutes }) }),
          429,
        );
      }
      case "step-over":
        clearStepCookie(reply);
        return goTo(reply, "/sign-in?done=step-over");
      case "signed-in":
        clearStepCookie(reply);
        setSessionCookie(reply, outcome.token.revealText(), secondsUntil(clock, outcome.expiresAt));
        return goTo(reply, target ?? "/");
    }
  });

  app.get("/sign-out", { config, schema: { hide: true } }, (request, reply) => {
    if (request.viewer === null) return goTo(reply, "/sign-in");
    return sendPage(reply, frame, signOutPage(wordsOf(reply)));
  });

  app.post("/sign-out", { config, schema: { hide: true } }, async (request, reply) => {
    if (request.viewer !== null) await signOut(needs, request.viewer, request.viewer.sessionId);
    forgetSession(reply);
    return goTo(reply, "/sign-in?done=signed-out");
  });
}

interface SignInState {
  readonly notice: CurrentNotice | null;
  readonly letter?: CurrentLetter | null;
  readonly target: string | undefined;
  readonly done?: "signed-out" | "account-created" | "renewed" | "step-over" | undefined;
  readonly refused?: { readonly address: string; readonly offer: boolean };
  readonly party: RelyingParty | null;
}

/** The button of a passkey, which the script shows where it can work, or where it can work instead. */
function passkeyPart(
  words: Words,
  party: RelyingParty,
  {
    act,
    target,
    label,
    name,
    path,
  }: {
    readonly act: "sign-in" | "add";
    readonly target: string;
    readonly label: string;
    readonly name?: string;
    readonly path: string;
  },
): Markup {
  return html`<div
    class="passkey"
    hidden
    data-passkey="${act}"
    data-rp="${party.id}"
    data-next="${target}"
    data-name="${name}"
    data-refused="${words.say(`passkey.${act}.refused`)}"
    data-failed="${words.say("passkey.failed")}"
    data-cancelled="${words.say(`passkey.${act}.cancelled`)}"
  >
    <button class="button" type="button" data-here="yes">${label}</button>
    <p class="error-text" role="alert" hidden></p>
    ${act === "sign-in" && html`<p class="or" data-here="yes">${words.say("passkey.or")}</p>`}
    <p class="soft" data-here="no">
      ${words.mark("passkey.elsewhere", { link: html`<a href="${party.origin}${path}">${party.origin}</a>` })}
    </p>
  </div>`;
}

function offerPage(
  words: Words,
  party: RelyingParty,
  { target, name }: { readonly target: string; readonly name: string },
): PageContent {
  const title = words.say("passkey.offer.title");
  return {
    title,
    body: html`<div class="card">
      <h1>${title}</h1>
      <p class="lead">${words.say("passkey.offer.lead")}</p>
      <p class="soft">${words.say("passkey.offer.what")}</p>
      ${passkeyPart(words, party, {
        act: "add",
        target,
        label: words.say("passkey.offer.do"),
        name,
        path: "/account",
      })}
      <a class="button-quiet" href="${target}">${words.say("passkey.offer.later")}</a>
    </div>`,
  };
}

function signInPage(
  words: Words,
  { notice, letter = null, target, done: before, refused, party }: SignInState,
): PageContent {
  const title = words.say("sign-in.title");
  // After setting a password is the moment to be done with passwords.
  const offers = party !== null && (before === "account-created" || before === "renewed" || refused?.offer === true);
  const error: string | Markup | undefined = refused === undefined ? undefined : refusedSignIn(words, notice);
  return {
    title,
    failed: refused !== undefined,
    // Who has just set a new password has done what the notice asks for.
    notice: before === "renewed" ? undefined : noticeBanner(words, notice),
    body: html`<div class="card">
        <h1>${title}</h1>
        <p class="lead" ${before !== undefined && html` role="status"`}>
          ${words.say(before === undefined ? "sign-in.lead" : `sign-in.done.${before}`)}
        </p>
        ${
          party !== null &&
          passkeyPart(words, party, {
            act: "sign-in",
            target: target ?? "/",
            label: words.say("sign-in.passkey"),
            path: "/sign-in",
          })
        }
        <form class="form" method="post" action="/sign-in" data-keep-fragment>
          ${offers && html`<input type="hidden" name="offer" value="" data-offer-passkey />`}
          ${target !== undefined && html`<input type="hidden" name="next" value="${target}" />`}
          ${addressField(words, { value: refused?.address, passkey: party !== null })}
          ${passwordField(words, { chosen: "current", error })}
          <button class="button" type="submit">${words.say("sign-in.do")}</button>
        </form>
      </div>
      <div class="below">
        <a href="/renew">${words.say("sign-in.forgot")}</a>
        <a href="/sign-up">${words.say("sign-in.sign-up")}</a>
      </div>
      ${noticeLetter(words, letter)}`,
  };
}

interface CodeState {
  readonly target: string | undefined;
  readonly error?: string;
}

function codePage(words: Words, { target, error }: CodeState): PageContent {
  const title = words.say("sign-in.code.title");
  return {
    title,
    failed: error !== undefined,
    body: html`<div class="card">
        <h1>${title}</h1>
        <p class="lead">${words.say("sign-in.code.lead")}</p>
        <form class="form" method="post" action="/sign-in/code" data-keep-fragment>
          ${target !== undefined && html`<input type="hidden" name="next" value="${target}" />`}
          ${factorField(words, { name: "code", error, first: true })}
          <button class="button" type="submit">${words.say("sign-in.code.do")}</button>
        </form>
      </div>
      <div class="below"><a href="/sign-in">${words.say("sign-in.code.again")}</a></div>`,
  };
}

function signOutPage(words: Words): PageContent {
  const title = words.say("sign-out.title");
  return {
    title,
    body: html`<div class="card">
        <h1>${title}</h1>
        <p class="lead">${words.say("sign-out.lead")}</p>
        <form class="form" method="post" action="/sign-out">
          <button class="button" type="submit">${words.say("sign-out.do")}</button>
        </form>
      </div>
      <div class="below">
        <a href="/">${words.say("sign-out.stay")}</a>
        <a href="/account">${words.say("sign-out.others")}</a>
      </div>`,
  };
}
