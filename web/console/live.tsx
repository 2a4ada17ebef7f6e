import { useNow, useOnline } from "../app/clock.ts";
import { say, showAgo } from "../text/say.ts";

interface LiveProps {
  /** What is asked for again and again. */
  readonly numbers: { readonly dataUpdatedAt: number; readonly isError: boolean };
}

/** Whether the numbers of a page are those of now, or since when they have stood still. */
export function Live({ numbers }: LiveProps) {
  const now = useNow();
  // Without a network nobody asks, so nothing fails.
  const isStale = !useOnline() || numbers.isError;
  return (
    <p className={`live${isStale ? " is-stale" : ""}`}>
      {isStale
        ? say("console.stale", { ago: showAgo(new Date(numbers.dataUpdatedAt).toISOString(), now) })
        : say("console.live")}
    </p>
  );
}
