import { useEffect, useRef } from "react";
import type { Notice } from "../app/queries.ts";
import { say } from "../text/say.ts";

/** Keys of remotes that lead back, besides OK on the button. */
const backKeys = new Set(["Escape", "Backspace", "GoBack", "BrowserBack"]);

/** The letter of the case in hand, to be read across a room: up and down move it, OK or back leaves it. */
export function LetterScreen({
  letter,
  onBack,
}: {
  readonly letter: NonNullable<NonNullable<Notice>["letter"]>;
  readonly onBack: () => void;
}) {
  const text = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      const direction = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (direction !== undefined) text.current?.scrollBy({ top: direction * text.current.clientHeight * 0.6 });
      else if (backKeys.has(event.key)) onBack();
      else return;
      event.preventDefault();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, [onBack]);
  return (
    <main id="main" className="tv tv-letter" tabIndex={-1}>
      <h1 lang={letter.locale}>{letter.subject}</h1>
      <div
        ref={text}
        className="tv-letter-text"
        lang={letter.locale}
        tabIndex={0}
        role="region"
        aria-label={letter.subject}
      >
        {letter.text.split(/\n{2,}/).map((block, place) => {
          const lines = block.split("\n");
          const [first = "", rule = ""] = lines;
          if (lines.every((line) => line.startsWith("- "))) {
            return (
              <ul key={place}>
                {lines.map((line) => (
                  <li key={line}>{line.slice(2)}</li>
                ))}
              </ul>
            );
          }
          // Headings are underlined, as letters in plain text have them.
          return /^-{3,}$/.test(rule) ? <h2 key={place}>{first}</h2> : <p key={place}>{block}</p>;
        })}
      </div>
      <div className="tv-letter-end">
        <button className="button" type="button" autoFocus onClick={onBack}>
          {say("tv.notice.back")}
        </button>
        <span className="soft">{say("tv.notice.keys")}</span>
      </div>
    </main>
  );
}
