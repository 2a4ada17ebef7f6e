import { expect, test } from "vitest";
import { hourMs, manualClock, minuteMs, secondMs } from "./clock.ts";
import { newLog } from "./log.ts";
import { recurring } from "./recurring.ts";

function loop() {
  const clock = manualClock(0);
  const lines: string[] = [];
  const log = newLog("test", "info", {
    write: (line) => {
      const { msg, reason, times } = JSON.parse(line) as { msg: string; reason?: string; times?: number };
      lines.push([Math.round(clock.now() / secondMs), msg, reason, times].filter((one) => one !== undefined).join(" "));
    },
  });
  return { clock, lines, trouble: recurring(log, { says: "it is away", ends: "it is back", clock }) };
}

test("what is found every second for a day is said a few times, and that it is over once", () => {
  const { clock, lines, trouble } = loop();
  for (let second = 0; second < (24 * hourMs) / secondMs; second++) {
    trouble.found({ reason: "ECONNREFUSED" });
    clock.advance(secondMs);
  }
  trouble.over();
  trouble.over();
  const minutes = lines.slice(1, -1).map((line) => Number.parseInt(line, 10) / 60);
  expect(lines[0]).toBe("0 it is away ECONNREFUSED");
  expect(lines[1]).toBe("60 it is away ECONNREFUSED 60");
  expect(minutes.slice(0, 8)).toEqual([1, 3, 7, 15, 31, 63, 123, 183]);
  expect(lines.length).toBeLessThan(35);
  expect(lines.at(-1)).toMatch(/^86400 it is back$/);
});

test("another kind of it is said at once, and each kind once, however they alternate", () => {
  const { clock, lines, trouble } = loop();
  for (const reason of ["refused", "starting", "refused", "starting"]) {
    trouble.found({ reason });
    clock.advance(secondMs);
  }
  for (let n = 0; n < 1_000; n++) trouble.found({ reason: `of a kind of its own ${n}` });
  expect(lines.slice(0, 2)).toEqual(["0 it is away refused", "1 it is away starting"]);
  expect(lines).toHaveLength(20);
});

test("what comes again after it was over is news", () => {
  const { clock, lines, trouble } = loop();
  trouble.found({ reason: "away" });
  trouble.over();
  clock.advance(minuteMs);
  trouble.found({ reason: "away" });
  expect(lines).toEqual(["0 it is away away", "0 it is back", "60 it is away away"]);
});

test("however long a trouble lasted, the next one is said again after a minute, and counted anew", () => {
  const { clock, lines, trouble } = loop();
  for (let second = 0; second < (10 * minuteMs) / secondMs; second++) {
    trouble.found({ reason: "away" });
    clock.advance(secondMs);
  }
  trouble.over();
  lines.length = 0;
  trouble.found({ reason: "away" });
  clock.advance(minuteMs);
  trouble.found({ reason: "away" });
  expect(lines).toEqual(["600 it is away away", "660 it is away away"]);
});
