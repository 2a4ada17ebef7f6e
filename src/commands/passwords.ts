import { minuteOf, plus, systemClock, toIso, type EpochMs } from "../kernel/clock.ts";
import { makeFolder } from "../kernel/make-folder.ts";
import { numbered } from "../kernel/numbered.ts";
import { breachedFileIn } from "../credentials/breached/breached.ts";
import { openFilterFile } from "../credentials/breached/file.ts";
import { loadBreached } from "../credentials/breached/load.ts";
import { figure, type Command } from "./command.ts";
import { watchEndings } from "./endings.ts";

const allRanges = 2 ** 20;
const saidEveryMs = 5_000;

const sizeLines = ({ passwords, bytes }: { readonly passwords: number; readonly bytes: number }): string[] => [
  `  size                  ${figure(bytes)} bytes, ${(bytes / passwords).toFixed(3)} a password`,
  "  never missed          any password of the list",
  "  mistaken for one      1 in 512 others",
];

/** `  12,000,000 passwords of about 24,000,000, 400,000/s, ends about 2026-11-22 21:04 UTC` */
function progressText(passwords: number, all: number | null, tookMs: number): string {
  const line = `  ${numbered(passwords, "password")}${all === null ? "" : ` of about ${figure(all)}`}, ${figure(Math.round((passwords * 1_000) / tookMs))}/s`;
  if (all === null) return line;
  const end = plus(systemClock.now(), Math.ceil(((all - passwords) / passwords) * tookMs));
  return `${line}, ends about ${minuteOf(toIso(end))}`;
}

/** The operator's list of breached passwords; the service need not run, and neither need the database. */
export const passwordCommands: readonly Command[] = [
  {
    words: ["passwords", "load"],
    summary: "build the list of breached passwords that nobody may choose",
    arguments: "FILE|FOLDER…",
    positionals: Number.POSITIVE_INFINITY,
    examples: [
      "houselights passwords load pwnedpasswords.txt",
      "houselights passwords load ranges/          (files named like 0A1B2.txt)",
      "houselights passwords load pwnedpasswords.txt.gz our-own-sorted.txt",
    ],
    run: async ({ config, positionals, say, json }) => {
      if (positionals.length === 0) {
        return { kind: "usage", error: "a file is needed", hint: "houselights passwords load FILE" };
      }
      await makeFolder(config.dataDir, 0o700);
      const begun = performance.now();
      let said = begun;
      const endings = watchEndings();
      const loading = loadBreached({
        lists: positionals,
        path: breachedFileIn(config.dataDir),
        now: systemClock.now(),
        progress: (passwords, all) => {
          const now = performance.now();
          if (json || now - said < saidEveryMs) return;
          said = now;
          say(progressText(passwords, all, now - begun));
        },
        signal: endings.signal,
      });
      const outcome = await endings.orEnded(loading).finally(() => endings.close());
      if (outcome.kind === "refused") {
        const { reason, hint = "nothing was changed" } = outcome;
        return { kind: "refused", error: reason, hint };
      }
      const { passwords, bytes, ranges, madeAtMs } = outcome;
      const isPartial = ranges > 0 && ranges < allRanges;
      return {
        kind: "done",
        json: { passwords, bytes, ranges, madeAtMs },
        lines: [
          `${numbered(passwords, "breached password")} loaded; a running service uses them from now on`,
          ...sizeLines(outcome),
          ...(isPartial
            ? [`  ranges                ${figure(ranges)} of ${figure(allRanges)}: the download is not whole`]
            : []),
        ],
      };
    },
  },
  {
    words: ["passwords", "status"],
    summary: "read the list of breached passwords through and say what it holds",
    examples: ["houselights passwords status --json"],
    run: async ({ config }) => {
      const file = openFilterFile(breachedFileIn(config.dataDir));
      if (file === undefined) {
        return {
          kind: "done",
          json: { passwords: 0, bytes: 0 },
          lines: ["no list is loaded; the built-in one of common passwords stands"],
        };
      }
      const { summary } = file;
      const damage = file.damage();
      file.close();
      if (damage !== undefined) {
        return { kind: "refused", error: `the list is damaged: ${damage}`, hint: "houselights passwords load FILE" };
      }
      return {
        kind: "done",
        json: summary,
        lines: [
          `${numbered(summary.passwords, "breached password")}, whole`,
          ...sizeLines(summary),
          `  made at               ${toIso(summary.madeAtMs as EpochMs)}`,
        ],
      };
    },
  },
];
