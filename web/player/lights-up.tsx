import { useQuery } from "@tanstack/react-query";
import { useEffect, useLayoutEffect, useRef } from "react";
import { useDocumentTitle } from "../app/page-frame.tsx";
import { lightsOf, setLights } from "../app/lights.ts";
import { noticeQuery } from "../app/queries.ts";
import { say } from "../text/say.ts";
import type { EndReason } from "./session-watch.ts";

interface LightsUpProps {
  readonly reason: EndReason;
  /** On a TV: shows the connecting code again. */
  readonly onLinkAgain?: () => void;
}

/** The house lights come up: the show has stopped, this is why, this is the way out and back in. */
export function LightsUp({ reason, onLinkAgain }: LightsUpProps) {
  const title = say(`dark.${reason}.title`);
  const page = useRef<HTMLElement>(null);
  const notice = useQuery({ ...noticeQuery, enabled: reason === "contained", retry: false });
  useDocumentTitle(title);
  useLayoutEffect(() => {
    setLights("up");
    return () => setLights(lightsOf(location.pathname));
  }, []);
  // On a TV the one button has the focus: OK on the remote presses it.
  useEffect(() => {
    if (onLinkAgain === undefined) page.current?.focus();
  }, [onLinkAgain]);
  useEffect(() => {
    if (onLinkAgain === undefined) return undefined;
    const timer = setTimeout(onLinkAgain, 12_000);
    return () => clearTimeout(timer);
  }, [onLinkAgain]);

  const next = encodeURIComponent(location.pathname);
  return (
    <main ref={page} id="main" className={onLinkAgain === undefined ? "lights-up" : "lights-up is-far"} tabIndex={-1}>
      <span className="lamp" aria-hidden="true" />
      <div className="lights-up-words" role="alert">
        <h1>{title}</h1>
        <p className="lead">{say(`dark.${reason}.what`)}</p>
        <p>{say(reason === "contained" ? "dark.contained.kept" : "dark.kept")}</p>
        {onLinkAgain !== undefined ? (
          <>
            <div className="buttons">
              <button className="button" type="button" autoFocus onClick={onLinkAgain}>
                {say("dark.tv.do")}
              </button>
            </div>
            <p className="soft">{say("dark.tv")}</p>
          </>
        ) : (
          <div className="buttons">
            {reason === "lapsed" ? (
              <button className="button" type="button" onClick={() => location.reload()}>
                {say("dark.lapsed.do")}
              </button>
            ) : reason === "contained" ? (
              <a className="button" href="/renew">
                {say("dark.contained.do")}
              </a>
            ) : (
              <a className="button" href={`/sign-in?next=${next}`}>
                {say("dark.sign-in")}
              </a>
            )}
            {reason === "signed-out" && (
              <a className="button-quiet" href="/renew">
                {say("dark.renew")}
              </a>
            )}
            {notice.data != null && (
              <a className="button-quiet" href={`/notice/${encodeURIComponent(notice.data.reference)}`}>
                {say("dark.notice")}
              </a>
            )}
          </div>
        )}
      </div>
    </main>
  );
}
