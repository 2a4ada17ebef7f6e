import { useEffect, useState } from "react";
import type { TitleDetail } from "../../src/wire/titles.ts";
import { Poster } from "../library/poster.tsx";
import { say } from "../text/say.ts";

interface TheEndProps {
  readonly title: TitleDetail | undefined;
  readonly onNext: (titleId: string) => void;
  readonly onLeave: () => void;
  readonly onAgain: () => void;
}

const countFromSeconds = 10;

/** What comes after the last frame: the next episode by itself after some seconds, or the way out. */
export function TheEnd({ title, onNext, onLeave, onAgain }: TheEndProps) {
  const nextId = title?.nextEpisodeId ?? null;
  const next = title?.episodes.find(({ id }) => id === nextId);
  const [left, setLeft] = useState(countFromSeconds);
  const [staying, setStaying] = useState(false);
  useEffect(() => {
    if (nextId === null || staying) return undefined;
    if (left === 0) {
      onNext(nextId);
      return undefined;
    }
    const timer = setTimeout(() => setLeft(left - 1), 1_000);
    return () => clearTimeout(timer);
  }, [left, nextId, staying, onNext]);

  return (
    <section className="the-end" aria-label={say("player.over")}>
      {nextId === null ? (
        <>
          <h2>{say("player.over")}</h2>
          <div className="buttons">
            <button className="button" type="button" autoFocus onClick={onLeave}>
              {say("nav.back")}
            </button>
            <button className="button-quiet" type="button" onClick={onAgain}>
              {say("player.again")}
            </button>
          </div>
        </>
      ) : (
        <div className="next-card">
          {next !== undefined && <Poster title={next} wide eager />}
          <div>
            <p className="soft">{say("player.next")}</p>
            <h2>{next?.name ?? ""}</h2>
            {!staying && <p role="status">{say("player.next.in", { count: left })}</p>}
            <div className="buttons">
              <button className="button" type="button" autoFocus onClick={() => onNext(nextId)}>
                {say("player.next.now")}
              </button>
              {!staying && (
                <button className="button-quiet" type="button" onClick={() => setStaying(true)}>
                  {say("player.next.stay")}
                </button>
              )}
            </div>
          </div>
        </div>
      )}
    </section>
  );
}
