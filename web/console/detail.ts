import { locale, say, sayIfAny, sayOf, showExact, showList, showNumber } from "../text/say.ts";
import { saidText } from "./said.ts";

type Detail = Readonly<Record<string, unknown>>;

/** Sets that the service names, by the fact whose values they are. */
const sets = {
  data: "data",
  item: "review",
  "keys reachable": "console.keys",
  kinds: "floor",
  mode: "case.mode",
  state: "case.review",
  way: "fact.way",
  "kind of canary": "fact.canary",
  operator: "fact.who",
  by: "fact.who",
} as const;
const isSet = (name: string): name is keyof typeof sets => Object.hasOwn(sets, name);

/**
 * The detail of a timeline entry or an alarm on one line, in the reader's words where it has a name that the service gives; of
 * a hash its beginning, the record itself has it whole. Accounts are called by their name in `people`, which is by id.
 */
export function detailText(detail: Detail, people: ReadonlyMap<unknown, string> = new Map()): string {
  const text = (name: string, value: unknown): string => people.get(value) ?? valueText(name, value);
  return Object.entries(detail)
    .map(([name, value]) => say("fact.line", { name: sayOf("fact", name), value: text(name, value) }))
    .join(" · ")
    .replace(/\b([0-9a-f]{12})[0-9a-f]{20,}\b/g, "$1…")
    .slice(0, 400);
}

/** The language of such a line: English where a name in it is the record's own. */
export const detailLanguage = (detail: Detail): string =>
  Object.keys(detail).every((name) => sayIfAny(`fact.${name}`) !== undefined) ? locale : "en";

const instantForm = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/;

function valueText(name: string, value: unknown): string {
  if (value === null) return "—";
  if (Array.isArray(value)) return showList(value.map((one) => valueText(name, one)));
  if (typeof value === "boolean") return say(value ? "console.keys.yes" : "console.keys.no");
  if (typeof value === "number") return showNumber(value);
  if (typeof value !== "string") return JSON.stringify(value);
  if (instantForm.test(value)) return showExact(value);
  if (name === "why") return saidText(value).text;
  return isSet(name) ? sayOf(sets[name], value) : value;
}
