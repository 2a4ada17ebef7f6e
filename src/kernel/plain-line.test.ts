import { expect, test } from "vitest";
import { newLog } from "./log.ts";

function logged(isTerminal: boolean): { readonly log: ReturnType<typeof newLog>; readonly lines: string[] } {
  const lines: string[] = [];
  const destination = { write: (line: string) => void lines.push(line) };
  return { log: newLog("worker", "info", destination, isTerminal), lines };
}

test("at a terminal a line of the log is for people, and elsewhere JSON for programs", () => {
  const [shown, kept] = [logged(true), logged(false)];
  for (const { log } of [shown, kept]) {
    log.info("making the database; this happens once");
    log.warn({ files: 2, reason: "no such file" }, "the scan left something out");
    log.error({ err: new Error("it broke") }, "unexpected error");
  }
  expect(shown.lines.map((line) => line.replace(/^\d\d:\d\d:\d\d/, "hh:mm:ss"))).toEqual([
    "hh:mm:ss  worker     making the database; this happens once\n",
    "hh:mm:ss  worker     warning: the scan left something out (files 2, reason no such file)\n",
    "hh:mm:ss  worker     error: unexpected error (err it broke)\n",
  ]);
  expect(kept.lines.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual([
    "making the database; this happens once",
    "the scan left something out",
    "unexpected error",
  ]);
});

test("nothing that is logged steers a terminal, and what is left out of the one is left out of the other", () => {
  const { log, lines } = logged(true);
  log.info({ file: "a\u001b[2Jb\u202ec\nd", card: "4111 1111 1111 1111", password: "hidden" }, "looked at \u001b]0;x");
  expect(lines).toHaveLength(1);
  // oxlint-disable-next-line no-control-regex -- these are what must not be there
  expect(lines[0]?.slice(0, -1)).not.toMatch(/[\u0000-\u001f\u007f\u202e]/);
  expect(lines[0]).toContain("[redacted]");
  expect(lines[0]).not.toMatch(/hidden|4111 1111/);
});
