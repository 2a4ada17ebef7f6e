import { isDumbTerminal } from "../config/terminal.ts";

/** Where a line is drawn again and again. */
export interface LineScreen {
  readonly write: (text: string) => void;
  /** How wide it is now; it may be made narrower between two drawings. */
  readonly columns?: (() => number) | undefined;
}

const usualColumns = 80;

/** A screen that can draw over what stands there, which a file, a pipe and a terminal that only prints cannot. */
export const lineScreenOf = (stream: NodeJS.WriteStream) => ({
  write: (text: string): void => void stream.write(text),
  isTTY: stream.isTTY && !isDumbTerminal(),
  columns: (): number => stream.columns,
});

/** A line at the end of a screen that takes the place of the one before, also where it is wider than the screen. */
export function redrawnLine({ write, columns }: LineScreen) {
  let length = 0;
  const overLast = (): string => {
    // A terminal that was given no size says that it has none.
    const above = Math.ceil(length / (columns?.() || usualColumns)) - 1;
    return above > 0 ? `\u001b[${above}A\r\u001b[J` : "\r\u001b[K";
  };
  return {
    draw: (line: string): void => {
      write(`${overLast()}${line}`);
      ({ length } = line);
    },
    erase: (): void => {
      if (length > 0) write(overLast());
      length = 0;
    },
    /** Whether something stands there. */
    isDrawn: (): boolean => length > 0,
  };
}
