import { useState } from "react";
import type { TitleSummary } from "../../src/wire/titles.ts";

interface PosterProps {
  readonly title: Pick<TitleSummary, "poster" | "name" | "id">;
  /** The first posters on a page are wanted at once, the others when they come near. */
  readonly eager?: boolean;
  readonly wide?: boolean;
}

/** A hue of its own for each title without a picture, from its id. */
const hueOf = (id: string): number => Number.parseInt(id.slice(-4), 16) % 360;

/**
 * A poster in a frame of fixed shape: its main colour stands there from the first paint and the picture fades in, so that
 * nothing moves. A title without a picture gets its name in lights.
 */
export function Poster({ title, eager = false, wide = false }: PosterProps) {
  const [state, setState] = useState<"coming" | "here" | "failed">("coming");
  const { poster } = title;
  const frame = `poster${wide ? " is-wide" : ""}`;
  if (poster === null || state === "failed") {
    const hue = hueOf(title.id);
    const lit = `linear-gradient(165deg, hsl(${hue} 32% 24%), hsl(${(hue + 40) % 360} 40% 9%))`;
    return (
      <span className={`${frame} is-drawn`} style={{ backgroundImage: lit }} aria-hidden="true">
        <span>{title.name}</span>
      </span>
    );
  }
  return (
    <span className={frame} style={{ "--glow": poster.colour }} aria-hidden="true">
      <img
        src={poster.path}
        width={poster.width}
        height={poster.height}
        alt=""
        loading={eager ? "eager" : "lazy"}
        fetchPriority={eager ? "high" : "auto"}
        decoding="async"
        data-state={state}
        ref={(image) => {
          if (image?.complete === true && image.naturalWidth > 0 && state === "coming") setState("here");
        }}
        onLoad={() => setState("here")}
        onError={() => setState("failed")}
      />
    </span>
  );
}
