import { limits } from "../wire/common.ts";
import { html, type Markup } from "./markup.ts";
import type { WordKey } from "./catalogue/en.ts";
import type { Words } from "./words.ts";

/** What one field needs to be said about it. Values of passwords are never sent back. */
interface Field {
  /** Also its `id`: one form per page. */
  readonly name: string;
  readonly label: string;
  readonly hint?: string | Markup | undefined;
  readonly error?: string | Markup | undefined;
  readonly required?: boolean;
}

/** The first field with an error gets the focus, with the error as its description (WCAG 2.2 3.3.1). */
function field({ name, label, hint, error }: Field, input: Markup, frameClass = "field"): Markup {
  return html`<div class="${frameClass}">
    <label for="${name}">${label}</label>
    ${hint !== undefined && html`<span class="hint" id="${name}-hint">${hint}</span>`} ${input}
    ${error !== undefined && html`<span class="error" id="${name}-error">${error}</span>`}
  </div>`;
}

function state({ name, hint, error, required = true }: Field): Markup {
  const about = [hint !== undefined && `${name}-hint`, error !== undefined && `${name}-error`]
    .filter(Boolean)
    .join(" ");
  return html`id="${name}"
  name="${name}"${required && html` required`}${
    about !== "" && html` aria-describedby="${about}"`
  }${error !== undefined && html` aria-invalid="true" autofocus`}`;
}

export function nameField(words: Words, value: string | undefined): Markup {
  const about: Field = {
    name: "name",
    label: words.say("field.name"),
    hint: words.say("field.name.hint"),
    required: false,
  };
  return field(
    about,
    html`<input ${state(about)} value="${value}" autocomplete="name" maxlength="${limits.nameLength}" />`,
  );
}

/**
 * An address. Not `type=email`: browsers refuse letters outside ASCII before the `@` there, which mail allows
 * (RFC 6531).
 */
export function addressField(
  words: Words,
  {
    value,
    error,
    remember = false,
    passkey = false,
  }: {
    readonly value?: string | undefined;
    readonly error?: string | undefined;
    readonly remember?: boolean;
    /** Browsers offer passkeys in this field, beside the addresses they know. */
    readonly passkey?: boolean;
  },
): Markup {
  const about: Field = { name: "address", label: words.say("field.address"), error };
  return field(
    about,
    html`<input
      ${state(about)}
      value="${value}"
      type="text"
      inputmode="email"
      autocomplete="${passkey ? "username webauthn" : "username"}"
      autocapitalize="none"
      spellcheck="false"
      maxlength="${limits.addressLength}"
      ${remember && html` data-remember="address"`}
    />`,
  );
}

/**
 * The address typed on the page before, as the browser's own tab remembers it, for the eye and for the password
 * manager. Hidden without the script, never sent to the server.
 */
export function rememberedAddress(words: Words): Markup {
  return html`<div class="field" hidden data-recall="address">
    <label for="remembered">${words.say("field.address")}</label>
    <input id="remembered" type="text" autocomplete="username" readonly />
  </div>`;
}

/** Where an existing password is typed, or where a new one is chosen: its rule is said beforehand (NIST 63B-4 3.1.1.2). */
export function passwordField(
  words: Words,
  {
    chosen,
    error,
    leastLength = limits.passwordLengthAlone,
    hint = words.say("field.new-password.hint", { count: leastLength }),
  }: {
    readonly chosen: "current" | "new";
    readonly error?: string | Markup | undefined;
    /** Of a new one; fewer where a second factor is asked for besides. */
    readonly leastLength?: number;
    readonly hint?: string;
  },
): Markup {
  const isNew = chosen === "new";
  const about: Field = {
    name: "password",
    label: words.say(isNew ? "field.new-password" : "field.password"),
    hint: isNew ? hint : undefined,
    error,
  };
  // No maxlength: it cuts a pasted password short in silence.
  return field(
    about,
    html`<input
      ${state(about)}
      type="password"
      autocomplete="${isNew ? "new-password" : "current-password"}"
      autocapitalize="none"
      spellcheck="false"
      ${isNew && html` minlength="${leastLength}"`}
      data-reveal="${words.say("field.reveal")}|${words.say("field.conceal")}"
    />`,
  );
}

/** A code that a person types. `fromFragment` takes it out of the address where a QR code has put it. */
export function codeField(
  words: Words,
  {
    label,
    value,
    error,
    fromFragment = false,
  }: {
    readonly label: string;
    readonly value?: string | undefined;
    readonly error?: string | undefined;
    readonly fromFragment?: boolean;
  },
): Markup {
  const about: Field = { name: "code", label, error };
  return field(
    about,
    html`<input
      ${state(about)}
      value="${value}"
      autocomplete="${fromFragment ? "off" : "one-time-code"}"
      autocapitalize="characters"
      spellcheck="false"
      maxlength="40"
      ${fromFragment && html` data-from-fragment`}
    />`,
    "field code-field",
  );
}

/**
 * A secret that a letter's link carries in its fragment. The script fills it and puts it out of sight; without the
 * script the reader copies it from the letter.
 */
export function secretField(about: Field): Markup {
  return html`<div data-fragment-field>
    ${field(
      about,
      html`<input
        ${state(about)}
        type="text"
        autocomplete="off"
        autocapitalize="none"
        spellcheck="false"
        maxlength="200"
        data-from-fragment
      />`,
    )}
  </div>`;
}

/** Where the second factor is typed: an app's code, or a recovery code in its place. */
export function factorField(
  words: Words,
  {
    name,
    error,
    first = false,
  }: { readonly name: string; readonly error?: string | undefined; readonly first?: boolean },
): Markup {
  const about: Field = { name, label: words.say("field.factor"), hint: words.say("field.factor.hint"), error };
  return field(
    about,
    html`<input
      ${state(about)}
      autocomplete="one-time-code"
      autocapitalize="characters"
      spellcheck="false"
      maxlength="40"
      ${first && error === undefined && html` autofocus`}
    />`,
    "field code-field",
  );
}

export function checkRow({
  name,
  label,
  hint,
  checked,
}: {
  readonly name: string;
  readonly label: string;
  readonly hint: string;
  readonly checked: boolean;
}): Markup {
  return html`<label class="check"
    ><input type="checkbox" name="${name}" value="yes" ${checked && html` checked`} /><span>${label}</span
    ><span class="hint">${hint}</span></label
  >`;
}

/** Why a new password was refused, in the reader's words. */
export function passwordRefusal(words: Words, rule: string, detail: string): string {
  const known: Readonly<Record<string, WordKey>> = {
    "too-long": "refused.password.too-long",
    common: "refused.password.common",
    breached: "refused.password.breached",
    "about-you": "refused.password.about-you",
    repeats: "refused.password.repeats",
  };
  // The rule's own words say how many characters, which is not the same for everybody.
  if (rule === "too-short") return words.say("refused.password.too-short", { count: Number(/\d+/.exec(detail)) });
  const key = known[rule];
  return key === undefined ? detail : words.say(key);
}
