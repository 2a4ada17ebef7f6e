import { useState } from "react";
import type { Notified } from "../../src/wire/incidents.ts";
import { say } from "../text/say.ts";

type Letter = NonNullable<Notified["letters"]>[number];

const nameOf = (locale: string): string => new Intl.DisplayNames([locale], { type: "language" }).of(locale) ?? locale;

/** The letter in every language, one at a time. */
export function LetterPreview({ letters, first }: { readonly letters: readonly Letter[]; readonly first: string }) {
  const [locale, setLocale] = useState(letters.find(({ subject }) => subject === first)?.locale ?? "en");
  const letter = letters.find((one) => one.locale === locale) ?? letters[0];
  if (letter === undefined) return null;
  return (
    <>
      <fieldset className="languages">
        <legend className="visually-hidden">{say("notify.language")}</legend>
        {letters.map((one) => (
          <label key={one.locale} lang={one.locale}>
            <input
              type="radio"
              name="language"
              checked={one.locale === letter.locale}
              onChange={() => setLocale(one.locale)}
            />
            <span>{nameOf(one.locale)}</span>
          </label>
        ))}
      </fieldset>
      <div
        className="letter-preview"
        lang={letter.locale}
        tabIndex={0}
        role="region"
        aria-label={say("mailbox.letter")}
      >
        <strong>{letter.subject}</strong>
        {"\n\n"}
        {letter.text}
      </div>
    </>
  );
}
