import { expect, test } from "vitest";
import { redrawnLine } from "./redrawn-line.ts";

/** A terminal that knows what the line needs: letters, a new row after the last column, `\r`, up, and erasing to the end. */
function terminal(columns: number) {
  const rows = ["$ backup".split(""), []] as string[][];
  let [row, column] = [1, 0];
  return {
    columns: () => columns,
    write: (text: string) => {
      // oxlint-disable-next-line no-control-regex
      for (const [piece, up] of text.matchAll(/\u001b\[(\d+)A|\u001b\[[JK]|[^]/g)) {
        if (up !== undefined) row -= Number(up);
        else if (piece === "\r") column = 0;
        else if (piece.startsWith("\u001b")) {
          rows[row]!.splice(column);
          if (piece.endsWith("J")) rows.splice(row + 1);
        } else {
          if (column === columns) [row, column] = [row + 1, 0];
          (rows[row] ??= [])[column++] = piece;
        }
      }
    },
    shown: () => rows.map((cells) => cells.join("")),
  };
}

test.each([
  [80, "wide"],
  [40, "narrow"],
  [37, "of half the line"],
  [10, "of a watch"],
])("at %i columns each line takes the place of the one before, and nothing is left of the last", (columns) => {
  const screen = terminal(columns);
  const line = redrawnLine(screen);
  for (const done of ["100,000", "1,200,000", "90"]) {
    const text = `${done} of 1,200,000 entries · 6,667/s · ends about 2026-11-22 20:03 UTC`;
    line.draw(text);
    expect([columns, screen.shown().slice(1).join(""), screen.shown()[0]]).toEqual([columns, text, "$ backup"]);
  }
  line.erase();
  expect(screen.shown()).toEqual(["$ backup", ""]);
  line.erase();
  expect(screen.shown()).toEqual(["$ backup", ""]);
});
