import { secondMs } from "../../src/kernel/clock.ts";

/** How far a step is. */
export interface Count {
  /** So many there are of what is counted: `expect(10_000, "accounts")`. */
  readonly expect: (total: number, what: string) => void;
  /** So many more are done. */
  readonly did: (more?: number) => void;
}

/** What is done one after the other, and said while it is done. */
export interface Steps {
  step<Result>(name: string, work: (count: Count) => Result | Promise<Result>): Promise<Result>;
}

export const silentCount: Count = { expect: () => undefined, did: () => undefined };
export const silentSteps: Steps = { step: async (_name, work) => work(silentCount) };

export interface Terminal {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

const figure = (value: number): string => value.toLocaleString("en");
const seconds = (ms: number): string => `${(ms / secondMs).toFixed(1)} s`;

/** A terminal's line is drawn so often, and elsewhere there is a line so often while a step lasts. */
const drawnEveryMs = 250;
const saidEveryMs = 5 * secondMs;

/**
 * Says each step: its number, counts, rate and when it ends if it goes on so. On a terminal one line is drawn over
 * until the step is done; elsewhere a step that lasts says a line every five seconds.
 */
export function openSteps(
  terminal: Terminal,
  total: number,
  // When it ends is the machine's time, and how long it took is not.
  { now = () => performance.now(), instant = () => Date.now() } = {},
): Steps {
  let number = 0;
  return {
    step: async (name, work) => {
      number++;
      const title = `[${number}/${total}] ${name}`;
      const begun = now();
      const used = process.cpuUsage();
      const isDrawn = terminal.isTTY === true;
      const everyMs = isDrawn ? drawnEveryMs : saidEveryMs;
      let of = 0;
      let done = 0;
      let unit = "";
      let said = begun;
      const rate = (): number => (done * secondMs) / Math.max(1, now() - begun);
      const soFar = (): string => {
        if (unit === "" || done === 0) return title;
        const left = of > done ? ((of - done) / rate()) * secondMs : 0;
        const end = new Date(instant() + left).toISOString().slice(11, 19);
        return `${title}: ${figure(done)} of ${figure(Math.max(of, done))} ${unit} · ${figure(Math.round(rate()))}/s · ends about ${end} UTC`;
      };
      const draw = (line: string): void => void terminal.write(isDrawn ? `\r\u001b[K${line}` : `${line}\n`);
      if (isDrawn) draw(title);
      try {
        const result = await work({
          expect: (all, what) => {
            of = all;
            unit = what;
          },
          did: (more = 1) => {
            done += more;
            if (now() - said < everyMs) return;
            said = now();
            draw(soFar());
          },
        });
        const { user, system } = process.cpuUsage(used);
        const counted = unit === "" ? "" : `${figure(done)} ${unit}, ${figure(Math.round(rate()))}/s, `;
        draw(`${title}: ${counted}${seconds(now() - begun)}, processor ${seconds((user + system) / 1_000)}`);
        return result;
      } finally {
        if (isDrawn) terminal.write("\n");
      }
    },
  };
}
