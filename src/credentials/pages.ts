import { Type } from "typebox";
import { Secret } from "../kernel/secret.ts";
import { Closed, limits } from "../wire/common.ts";
import { browserBindingsOf, newBrowserBinding } from "../http/cookies.ts";
import { addressField, codeField, nameField, passwordField, passwordRefusal, rememberedAddress } from "../http/form.ts";
import { html } from "../http/markup.ts";
import { preferredLocale } from "../http/locale.ts";
import { goTo, sendPage, wordsOf, type PageContent, type PageFrame } from "../http/page.ts";
import { refuse } from "../http/problem.ts";
import type { App } from "../http/server.ts";
import { withinLimit } from "../http/throttle.ts";
import type { WordKey } from "../http/catalogue/en.ts";
import type { Words } from "../http/words.ts";
import type { AddressRefusal } from "../mail/address.ts";
import { codesPerNetwork } from "./routes.ts";
import { beginSignUp, codeLifetimeMs, confirmSignUp } from "./sign-up.ts";

export type SignUpPageNeeds = Parameters<typeof beginSignUp>[0] & { readonly frame: PageFrame };

const SignUpForm = Closed({
  name: Type.String({ maxLength: limits.nameLength }),
  address: Type.String({ maxLength: limits.addressLength * 4 }),
  password: Type.String({ format: "password", maxLength: limits.bodyBytes }),
});
const ConfirmForm = Closed({ code: Type.String({ maxLength: 100 }) });

/** Creating an account: address and password, then the mailed code. The same operations as `/api/accounts`. */
export function signUpPages(app: App, needs: SignUpPageNeeds): void {
  const { frame, random } = needs;
  const config = { access: "anyone", page: true } as const;

  app.get("/sign-up", { config, schema: { hide: true } }, (request, reply) =>
    request.viewer === null ? sendPage(reply, frame, signUpPage(wordsOf(reply), {})) : goTo(reply, "/"),
  );

  app.post("/sign-up", { config, schema: { hide: true, body: SignUpForm } }, async (request, reply) => {
    if (!(await withinLimit(needs, request.ip, codesPerNetwork))) {
      return refuse(reply, "too-many", { retryAfterSeconds: 600 });
    }
    const { address, password } = request.body;
    const name = request.body.name.trim();
    const words = wordsOf(reply);
    const outcome = await beginSignUp(needs, {
      address,
      password: Secret.fromText(password),
      name: name === "" ? undefined : name,
      locale: preferredLocale(request.headers["accept-language"]),
      network: request.ip,
      browser: newBrowserBinding(request, reply, random, codeLifetimeMs / 1_000),
    });
    switch (outcome.kind) {
      case "code-sent":
        return goTo(reply, "/sign-up/confirm");
      case "address-refused": {
        const again = signUpPage(words, { name, address, addressError: words.say(addressRefusals[outcome.reason]) });
        return sendPage(reply, frame, again, 400);
      }
      case "password-refused": {
        const passwordError = passwordRefusal(words, outcome.rule, outcome.detail);
        return sendPage(reply, frame, signUpPage(words, { name, address, passwordError }), 400);
      }
    }
  });

  app.get("/sign-up/confirm", { config, schema: { hide: true } }, (request, reply) => {
    // A code answers only to the browser that asked for one.
    if (browserBindingsOf(request).length === 0) return goTo(reply, "/sign-up");
    return sendPage(reply, frame, confirmPage(wordsOf(reply)));
  });

  app.post("/sign-up/confirm", { config, schema: { hide: true, body: ConfirmForm } }, async (request, reply) => {
    const browsers = browserBindingsOf(request);
    if (browsers.length === 0) return goTo(reply, "/sign-up");
    const outcome = await confirmSignUp(needs, { typedCode: request.body.code, browsers });
    if (outcome.kind === "refused") {
      return sendPage(reply, frame, confirmPage(wordsOf(reply), request.body.code), 400);
    }
    return goTo(reply, "/sign-in?done=account-created");
  });
}

/** What `parseAddress` says, by the words for it. */
const addressRefusals: Readonly<Record<AddressRefusal, WordKey>> = {
  "An address is needed.": "refused.address.missing",
  "An address has at most 254 characters.": "refused.address.too-long",
  "An address looks like name@example.org.": "refused.address.form",
  "The part after the @ is no domain of the internet.": "refused.address.domain",
};

interface SignUpState {
  readonly name?: string;
  readonly address?: string;
  readonly addressError?: string;
  readonly passwordError?: string;
}

function signUpPage(words: Words, { name, address, addressError, passwordError }: SignUpState): PageContent {
  const title = words.say("sign-up.title");
  return {
    title,
    failed: addressError !== undefined || passwordError !== undefined,
    body: html`<div class="card">
        <h1>${title}</h1>
        <p class="lead">${words.say("sign-up.lead")}</p>
        <form class="form" method="post" action="/sign-up">
          ${addressField(words, { value: address, error: addressError, remember: true })}
          ${passwordField(words, { chosen: "new", error: passwordError })} ${nameField(words, name)}
          <button class="button" type="submit">${words.say("sign-up.do")}</button>
        </form>
      </div>
      <div class="below"><a href="/sign-in">${words.say("sign-up.sign-in")}</a></div>`,
  };
}

function confirmPage(words: Words, refusedCode?: string): PageContent {
  const title = words.say("confirm.title");
  const error = refusedCode === undefined ? undefined : words.say("refused.code");
  return {
    title,
    failed: error !== undefined,
    body: html`<div class="card">
        <h1>${title}</h1>
        <p class="lead">${words.say("confirm.lead")}</p>
        <form class="form" method="post" action="/sign-up/confirm">
          ${rememberedAddress(words)} ${codeField(words, { label: words.say("field.code"), value: refusedCode, error })}
          <button class="button" type="submit">${words.say("confirm.do")}</button>
        </form>
      </div>
      <div class="below"><a href="/sign-up">${words.say("confirm.again")}</a></div>`,
  };
}
