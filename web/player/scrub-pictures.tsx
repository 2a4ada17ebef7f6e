import { useEffect, useRef, type RefObject } from "react";
import type { Grant } from "../../src/wire/titles.ts";
import type { Player } from "./player-store.ts";
import { openScrubSheets, type ScrubSheets } from "./scrub-sheets.ts";

/** How long the picture of a place stays that was reached by a key. */
const staysMs = 1_500;

interface ScrubPictures {
  /** Stands in the box that follows the pointer along the time line. */
  readonly pointed: RefObject<HTMLCanvasElement | null>;
  /** Stands in the box at the place that is played. */
  readonly reached: RefObject<HTMLCanvasElement | null>;
  readonly range: RefObject<HTMLElement | null>;
  /** Keys or a remote have moved the film. */
  readonly sought: RefObject<(seconds: number) => void>;
}

/**
 * Draws the picture of the place that somebody points at, drags to or reaches by keys. Without pictures, and until they are there,
 * the time stands alone. media-chrome's own preview is not used: it moves to the new part of the sheet before a new sheet is
 * there, and so shows a wrong place, and it follows the pointer alone.
 */
export function useScrubPictures(player: Player, grant: Promise<Grant>): ScrubPictures {
  const pointed = useRef<HTMLCanvasElement>(null);
  const reached = useRef<HTMLCanvasElement>(null);
  const range = useRef<HTMLElement>(null);
  const sought = useRef<(seconds: number) => void>(() => undefined);

  useEffect(() => {
    const ending = new AbortController();
    let sheets: ScrubSheets | undefined;
    let fading: ReturnType<typeof setTimeout> | undefined;

    async function open(): Promise<void> {
      const { pictures } = await grant;
      const [onPointer, onKeys, line] = [pointed.current, reached.current, range.current];
      if (pictures === null || ending.signal.aborted || onPointer === null || onKeys === null || line === null) return;
      const opened = openScrubSheets(pictures, player.refused);
      sheets = opened;
      const drawPointed = newDrawing(onPointer, opened);
      const drawReached = newDrawing(onKeys, opened);
      const hasPointed = (event: Event) => {
        if (event instanceof CustomEvent && typeof event.detail === "number") drawPointed(event.detail);
      };
      line.addEventListener("mediapreviewrequest", hasPointed, { signal: ending.signal });
      sought.current = (seconds) => {
        drawReached(seconds);
        // By itself the time line moves once the video has arrived at the new place; whoever presses on is further by then.
        line.setAttribute("mediacurrenttime", String(seconds));
        line.dataset["reached"] = "";
        clearTimeout(fading);
        fading = setTimeout(() => delete line.dataset["reached"], staysMs);
      };
    }
    // Without a grant nothing is played, which the player says.
    open().catch(() => undefined);
    return () => {
      ending.abort();
      clearTimeout(fading);
      sought.current = () => undefined;
      sheets?.close();
    };
  }, [player, grant]);
  return { pointed, reached, range, sought };
}

/** Draws places on a canvas, the last one that was wanted; an empty one until it is there. */
function newDrawing(canvas: HTMLCanvasElement, sheets: ScrubSheets): (seconds: number) => void {
  let wanted = 0;
  const draw = async (seconds: number): Promise<void> => {
    const own = ++wanted;
    const size = await sheets.size();
    if (size === undefined || own !== wanted) return;
    if (canvas.hidden) {
      // Setting a canvas's size empties it.
      Object.assign(canvas, { width: size.width, height: size.height, hidden: false });
    }
    const picture = await sheets.pictureAt(seconds);
    if (own === wanted) {
      const surface = canvas.getContext("2d");
      if (picture === undefined) surface?.clearRect(0, 0, canvas.width, canvas.height);
      else surface?.drawImage(picture, 0, 0);
    }
    picture?.close();
  };
  return (seconds) => void draw(seconds);
}
