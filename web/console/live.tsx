import { useNow, useOnline } from "../app/clock.ts";
import { say, showAgo } from "../text/say.ts";

/** Five times as long as these pages wait between two questions. */
const silentMs = 10_000;

interface LiveProps {
  /** What is asked for again and again. */
  readonly numbers: { readonly dataUpdatedAt: number; readonly isError: boolean };
}

/** Whether the numbers of a page are those of now, or since when they have stood still. */
export function Live({ numbers }: LiveProps) {
  const now = useNow();
  // Without a network nobody asks, so nothing fails; nor does what gets no answer at all.
  const isStale = !useOnline() || numbers.isError || now - numbers.dataUpdatedAt > silentMs;
  return (
    <p className={`live${isStale ? " is-stale" : ""}`}>
      {isStale
        ? say("console.stale", { ago: showAgo(new Date(numbers.dataUpdatedAt).toISOString(), now) })
        : say("console.live")}
    </p>
  );
}
