import { useQuery } from "@tanstack/react-query";
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";
import { toString as drawQr } from "qrcode";
import type { DeviceAuthorization } from "../../src/wire/links.ts";
import { moveFocus } from "../app/arrow-focus.ts";
import { useNow } from "../app/clock.ts";
import { send } from "../app/api.ts";
import { Failed } from "../app/failed.tsx";
import { within } from "../app/limit.ts";
import { setLights } from "../app/lights.ts";
import { noticeQuery } from "../app/queries.ts";
import { say, sayCount } from "../text/say.ts";
import { LetterScreen } from "./letter-screen.tsx";

const clientId = "houselights-tv-web";
const grantType = "urn:ietf:params:oauth:grant-type:device_code";

const askAgainMs = 15_000;
/** A question that gets no answer is put again: else one lost connection would keep the TV from ever being linked. */
const pollMs = 15_000;

interface Asked extends DeviceAuthorization {
  readonly askedAtMs: number;
}

type Poll = "waiting" | "linked" | "denied" | "expired";

async function ask(): Promise<Asked> {
  const answer = await send<DeviceAuthorization>("POST", "/oauth/device_authorization", {
    body: { client_id: clientId, device_name: say("tv.name") },
  });
  return { ...answer, askedAtMs: Date.now() };
}

/** One poll (RFC 8628 section 3.4). The answer to `slow_down` and the interval are the caller's to keep. */
async function poll(deviceCode: string): Promise<{ readonly state: Poll; readonly slower: boolean }> {
  const { isLinked, problem } = await within(pollMs, async (signal) => {
    const response = await fetch("/oauth/token", {
      method: "POST",
      headers: { "content-type": "application/json" },
      signal,
      body: JSON.stringify({ grant_type: grantType, device_code: deviceCode, client_id: clientId, use_cookie: true }),
    });
    const answer: unknown = await response.json().catch(() => null);
    return { isLinked: response.ok, problem: answer };
  });
  if (isLinked) return { state: "linked", slower: false };
  const error = typeof problem === "object" && problem !== null && "error" in problem ? problem.error : undefined;
  if (error === "access_denied") return { state: "denied", slower: false };
  if (error === "expired_token" || error === "invalid_grant") return { state: "expired", slower: false };
  return { state: "waiting", slower: error === "slow_down" };
}

/** What a TV that is not signed in shows: three steps, a code that can be read across a room, and a QR of the same. */
export function LinkScreen({ onLinked }: { readonly onLinked: () => void }) {
  const link = useQuery({
    queryKey: ["tv-link"],
    queryFn: ask,
    staleTime: Infinity,
    gcTime: 0,
    retry: 2,
    // Nobody stands before it when the service is there again.
    refetchInterval: ({ state }) => (state.status === "error" ? askAgainMs : false),
  });
  const notice = useQuery({ ...noticeQuery, refetchInterval: 30_000, retry: false });
  const [denied, setDenied] = useState(false);
  const [reads, setReads] = useState(false);
  const stopReading = useCallback(() => setReads(false), []);
  useLayoutEffect(() => {
    setLights("up");
    return () => setLights("down");
  }, []);
  const frame = useRef<HTMLElement>(null);
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      if (frame.current !== null && moveFocus(frame.current, event.key)) event.preventDefault();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, []);
  const now = useNow();
  const asked = link.data;
  const again = link.refetch;

  useEffect(() => {
    if (asked === undefined || denied) return undefined;
    let stopped = false;
    let seconds = Math.max(1, asked.interval);
    const pause = () => new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
    const run = async () => {
      for (;;) {
        await pause();
        if (stopped) return;
        // No answer is no news: the TV goes on asking.
        const { state, slower } = await poll(asked.device_code).catch(() => ({
          state: "waiting" as Poll,
          slower: false,
        }));
        if (stopped) return;
        if (slower) seconds += 5;
        if (state === "linked") return onLinked();
        if (state === "denied") return setDenied(true);
        if (state === "expired") return void again();
      }
    };
    void run();
    return () => {
      stopped = true;
    };
  }, [asked, denied, again, onLinked]);

  const letter = notice.data?.letter ?? null;
  // The TV goes on asking meanwhile.
  if (reads && letter !== null) return <LetterScreen letter={letter} onBack={stopReading} />;
  const leftMinutes =
    asked === undefined ? 0 : Math.max(1, Math.round((asked.askedAtMs + asked.expires_in * 1_000 - now) / 60_000));
  return (
    <main ref={frame} id="main" className="tv tv-link" tabIndex={-1}>
      <span className="wordmark">{say("app.name")}</span>
      {notice.data != null && (
        <div className="notice" role="status">
          <strong>{say("tv.notice.title")}</strong>
          <span>{say("tv.notice.what")}</span>
          <span>
            {say("tv.notice.where")} <strong className="tv-address">{`${location.host}/notice`}</strong>,{" "}
            {say("tv.notice.reference")} <span className="reference">{notice.data.reference}</span>
          </span>
          {letter !== null && (
            <button className="button-quiet" type="button" autoFocus onClick={() => setReads(true)}>
              {say("tv.notice.read")}
            </button>
          )}
        </div>
      )}
      {denied ? (
        <div className="tv-message">
          <h1>{say("tv.refused.title")}</h1>
          <p className="lead">{say("tv.refused.what")}</p>
          <button
            className="button"
            type="button"
            autoFocus
            onClick={() => {
              setDenied(false);
              void again();
            }}
          >
            {say("tv.again")}
          </button>
        </div>
      ) : link.isError ? (
        <Failed error={link.error} retry={() => void again()} onTv />
      ) : (
        <div className="tv-link-parts">
          <div>
            <h1>{say("tv.title")}</h1>
            <ol className="steps">
              <li>
                {say("tv.step.open")} <strong className="tv-address">{shortAddress(asked?.verification_uri)}</strong>
              </li>
              <li>
                {say("tv.step.code")}
                <output className="tv-code" aria-live="polite">
                  {asked?.user_code ?? "\u2007\u2007\u2007\u2007"}
                </output>
              </li>
              <li>{say("tv.step.approve")}</li>
            </ol>
            <p className="soft" role="status">
              {asked === undefined ? say("tv.loading") : sayCount("tv.waiting", leftMinutes)}
            </p>
          </div>
          <figure>
            <Qr text={asked?.verification_uri_complete} />
            <figcaption className="soft">{say("tv.scan")}</figcaption>
          </figure>
        </div>
      )}
    </main>
  );
}

const shortAddress = (address: string | undefined): string => (address ?? "").replace(/^https?:\/\//, "");

/** Drawn here, so that no code ever travels to a picture service. */
function Qr({ text }: { readonly text: string | undefined }) {
  const [source, setSource] = useState<string | null>(null);
  useEffect(() => {
    if (text === undefined) return undefined;
    let gone = false;
    drawQr(text, { type: "svg", margin: 2, errorCorrectionLevel: "M" }).then(
      (svg) => {
        if (!gone) setSource(`data:image/svg+xml,${encodeURIComponent(svg)}`);
      },
      () => undefined,
    );
    return () => {
      gone = true;
    };
  }, [text]);
  return (
    <span className="tv-qr">
      {source !== null && <img src={source} alt={say("tv.scan")} width="320" height="320" />}
    </span>
  );
}
