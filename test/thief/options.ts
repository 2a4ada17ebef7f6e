import { parseArgs } from "node:util";
import { messageOf } from "../../src/kernel/fault.ts";
import { weaknesses, type Weakness } from "./weaknesses.ts";

const limits = {
  // Below 48 a column has too few values to tell whether they have a pattern; made-up networks end at 20,000.
  accounts: { usual: 10_000, least: 48, most: 20_000 },
  busy: { usual: 100, least: 48, most: 1_000 },
  rows: { usual: 1, least: 1, most: 100 },
  words: { usual: 1_000, least: 1, most: 1_000 },
} as const;

export type Options = Readonly<Record<keyof typeof limits, number>> & {
  readonly isQuick: boolean;
  readonly planted: Weakness | undefined;
};

export type ReadOptions =
  | { readonly kind: "options"; readonly options: Options }
  | { readonly kind: "wrong"; readonly error: string; readonly hint: string };

const help = "npm run thief -- --help";

/** Reads and judges every argument before anything is started. */
export function readOptions(args: readonly string[]): ReadOptions {
  const wrong = (error: string, hint = help): ReadOptions => ({ kind: "wrong", error, hint });
  let values: Readonly<Record<string, string | boolean | undefined>>;
  let positionals: readonly string[];
  try {
    ({ values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        accounts: { type: "string" },
        busy: { type: "string" },
        rows: { type: "string" },
        words: { type: "string" },
        quick: { type: "boolean" },
        plant: { type: "string" },
      },
    }));
  } catch (thrown) {
    // Node's message quotes the option's name, never its value.
    return wrong(messageOf(thrown).split(".")[0]?.toLowerCase() ?? "bad option");
  }
  if (positionals.length > 0) return wrong("there are too many words");
  const numbers: Record<keyof typeof limits, number> = { accounts: 0, busy: 0, rows: 0, words: 0 };
  for (const name of ["accounts", "busy", "rows", "words"] as const) {
    const { usual, least, most } = limits[name];
    const text = values[name];
    const value = text === undefined ? usual : /^\d{1,6}$/.test(String(text)) ? Number(text) : Number.NaN;
    if (!(value >= least && value <= most)) {
      return wrong(`--${name} must be a whole number from ${least} to ${most.toLocaleString("en")}`);
    }
    numbers[name] = value;
  }
  if (values["busy"] !== undefined && numbers.busy > numbers.accounts)
    return wrong("--busy must not be more than --accounts: they are some of them");
  const planted = weaknesses.find(({ name }) => name === values["plant"]);
  if (values["plant"] !== undefined && planted === undefined) {
    return wrong(
      "--plant: there is no such weakness",
      `one of: ${weaknesses.map(({ name }) => `"${name}"`).join(", ")}`,
    );
  }
  return {
    kind: "options",
    options: {
      ...numbers,
      busy: Math.min(numbers.busy, numbers.accounts),
      isQuick: values["quick"] === true,
      planted,
    },
  };
}
