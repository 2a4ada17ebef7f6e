import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useEffect, type ReactNode } from "react";
import { say } from "../text/say.ts";
import { goSignIn, Refused, send } from "./api.ts";
import { sessionQuery } from "./queries.ts";

interface PageFrameProps {
  readonly title: string;
  readonly children: ReactNode;
  /** Stands in the header between the navigation and the account. */
  readonly tools?: ReactNode;
  readonly className?: string;
}

/** Header, landmarks and the document's title for every page but the player and the TV. */
export function PageFrame({ title, children, tools, className = "" }: PageFrameProps) {
  const session = useQuery(sessionQuery);
  useDocumentTitle(title);
  return (
    <div className={`frame ${className}`}>
      <a className="skip-link" href="#main">
        {say("app.skip")}
      </a>
      <header className="frame-header">
        <Link to="/" className="wordmark">
          {say("app.name")}
        </Link>
        <nav aria-label={say("nav.main")}>
          <Link to="/" activeOptions={{ exact: true, includeSearch: false }}>
            {say("nav.library")}
          </Link>
          {session.data?.role === "operator" && <Link to="/console">{say("nav.console")}</Link>}
          <Link to="/account">{say("nav.account")}</Link>
        </nav>
        {tools}
      </header>
      <main id="main" tabIndex={-1}>
        {children}
      </main>
    </div>
  );
}

export function useDocumentTitle(title: string) {
  useEffect(() => {
    document.title = title === "" ? say("app.name") : `${title} · ${say("app.name")}`;
  }, [title]);
}

/**
 * Ends this session, then shows the sign-in page.
 *
 * @throws Unreachable, or Refused by a fault: whoever leaves a machine to others must know that it is signed in still. Any
 * other refusal means that the session had ended already.
 */
export async function signOut(sessionId: string): Promise<void> {
  await send("DELETE", `/api/sessions/${sessionId}`).catch((error: unknown) => {
    if (!(error instanceof Refused) || error.status >= 500) throw error;
  });
  goSignIn("/");
}
