import { useQuery } from "@tanstack/react-query";
import { useMemo, useRef, useState } from "react";
import type { Mailbox } from "../../src/wire/accounts.ts";
import { useNow } from "../app/clock.ts";
import { Failed } from "../app/failed.tsx";
import { PageFrame } from "../app/page-frame.tsx";
import { mailboxQuery } from "../app/queries.ts";
import { say, showAgo, showInstant } from "../text/say.ts";
import "./mailbox.css";

type Letter = Mailbox["letters"][number];

export function MailboxPage() {
  const mailbox = useQuery(mailboxQuery);
  const now = useNow();
  const [chosenId, setChosenId] = useState<string | null>(null);
  const letters = (mailbox.data?.letters ?? []).toSorted((one, other) => other.at.localeCompare(one.at));
  const chosen = letters.find(({ id }) => id === chosenId) ?? letters[0];
  return (
    <PageFrame title={say("mailbox.title")} className="mailbox">
      <div className="mailbox-page">
        <div className="page-heading">
          <h1>{say("mailbox.title")}</h1>
          <p className="lead">{say("mailbox.lead")}</p>
        </div>
        {mailbox.isLoadingError ? (
          <Failed error={mailbox.error} retry={() => mailbox.refetch()} />
        ) : mailbox.isPending ? (
          <div className="mailbox-parts" role="status">
            <span className="visually-hidden">{say("mailbox.loading")}</span>
            <span className="skeleton is-card" />
            <span className="skeleton is-card" />
          </div>
        ) : chosen === undefined ? (
          <div className="empty">
            <strong>{say("mailbox.empty.title")}</strong>
            <p>{say("mailbox.empty.what")}</p>
          </div>
        ) : (
          <div className="mailbox-parts">
            <nav aria-label={say("mailbox.list")}>
              <ul className="letter-list">
                {letters.map((letter) => (
                  <li key={letter.id}>
                    <button
                      type="button"
                      aria-current={letter.id === chosen.id ? "true" : undefined}
                      onClick={() => setChosenId(letter.id)}
                    >
                      <strong>{letter.subject}</strong>
                      <span className="soft small">
                        {letter.to} · {showAgo(letter.at, now)}
                      </span>
                    </button>
                  </li>
                ))}
              </ul>
            </nav>
            <Opened key={chosen.id} letter={chosen} />
          </div>
        )}
      </div>
    </PageFrame>
  );
}

function Opened({ letter }: { readonly letter: Letter }) {
  const [shown, setShown] = useState<"html" | "text">(letter.html === "" ? "text" : "html");
  return (
    <article className="card letter-open" aria-label={say("mailbox.letter")}>
      <div>
        <h2>{letter.subject}</h2>
        <p className="soft small">
          {say("mailbox.to")} {letter.to} · {showInstant(letter.at)}
        </p>
      </div>
      {letter.html !== "" && (
        <div className="letter-forms" role="group" aria-label={say("mailbox.as")}>
          {(["html", "text"] as const).map((form) => (
            <button key={form} type="button" aria-pressed={shown === form} onClick={() => setShown(form)}>
              {say(`mailbox.${form}`)}
            </button>
          ))}
        </div>
      )}
      {shown === "text" ? (
        <div className="letter-text" tabIndex={0} role="region" aria-label={say("mailbox.text")}>
          {letter.text}
        </div>
      ) : (
        <LetterFrame html={letter.html} />
      )}
    </article>
  );
}

/**
 * The letter's HTML in a frame that may not run anything. The frame inherits the page's policy, which refuses the letter's
 * own style, so this page applies it from outside: attributes and sheets through the object model, which the policy allows.
 */
function LetterFrame({ html }: { readonly html: string }) {
  const frame = useRef<HTMLIFrameElement>(null);
  const [height, setHeight] = useState(480);

  // Set aside before the frame sees it, so that the policy has nothing to refuse and nothing to report.
  const bare = useMemo(
    () =>
      html
        .replaceAll(/<style\b[^>]*>([\s\S]*?)<\/style>/gi, "<template data-style>$1</template>")
        .replaceAll(/(<[^>]*\s)style=/gi, "$1data-style="),
    [html],
  );

  function dress() {
    const inside = frame.current?.contentDocument;
    const view = frame.current?.contentWindow;
    if (inside == null || view == null) return;
    for (const element of inside.querySelectorAll<HTMLElement>("[data-style]:not(template)")) {
      element.style.cssText = element.dataset["style"] ?? "";
    }
    const { CSSStyleSheet: Sheet } = view as Window & typeof globalThis;
    inside.adoptedStyleSheets = [...inside.querySelectorAll<HTMLTemplateElement>("template[data-style]")].map(
      (style) => {
        const sheet = new Sheet();
        sheet.replaceSync(style.content.textContent);
        return sheet;
      },
    );
    for (const link of inside.querySelectorAll("a")) link.target = "_blank";
    setHeight(Math.max(240, inside.documentElement.scrollHeight + 8));
  }

  return (
    <iframe
      ref={frame}
      className="letter-frame"
      title={say("mailbox.frame")}
      sandbox="allow-same-origin allow-popups allow-popups-to-escape-sandbox"
      srcDoc={bare}
      height={height}
      onLoad={dress}
    />
  );
}
