import type { IncidentId } from "../kernel/brand.ts";
import type { Ground } from "../app.ts";
import { listIncidents } from "../incidents/status.ts";
import { longestTexts } from "../wire/incidents.ts";
import { textOf, type Call, type Outcome } from "./command.ts";
import { withGround, withReadingGround } from "./ground.ts";

/** Why a text is none for the case file: it would be longer than one that comes over HTTP may be. */
export const refuseTooLong = (
  text: string | undefined,
  name: keyof typeof longestTexts,
): Extract<Outcome, { readonly kind: "usage" }> | undefined =>
  (text ?? "").length > longestTexts[name]
    ? { kind: "usage", error: `--${name} is at most ${longestTexts[name]} characters` }
    : undefined;

export const idOption = { incident: { type: "string" } } as const;
export const idHelp = ["--incident ID", "this case; the one in hand unless given"] as const;

/** The case a command means: the one named, or the one in hand, or else the newest. */
export async function caseOf(ground: Pick<Ground, "db">, call: Call): Promise<IncidentId | Outcome> {
  const asked = textOf(call.values, "incident");
  const { incidents } = await listIncidents(ground.db);
  const found =
    asked === undefined
      ? (incidents.find(({ state }) => state !== "closed") ?? incidents[0])
      : incidents.find(({ id, reference }) => id === asked || reference === asked.toUpperCase());
  if (found !== undefined) return found.id as IncidentId;
  return asked === undefined
    ? { kind: "refused", error: "there is no case", hint: "houselights incident open --reason TEXT" }
    : { kind: "refused", error: "there is no such case", hint: "houselights incident list" };
}

export const isOutcome = (value: IncidentId | Outcome): value is Outcome => typeof value !== "string";

/** Runs a command on the case that it means. */
export async function onCase(
  call: Call,
  work: (ground: Ground, id: IncidentId, signal: AbortSignal) => Promise<Outcome>,
): Promise<Outcome> {
  return withGround(call.config, call.log, async (ground, signal) => {
    const id = await caseOf(ground, call);
    return isOutcome(id) ? id : work(ground, id, signal);
  });
}

/** The same for a command that only reads: it answers while the keyholder is away, too, and says so last. */
export async function onCaseRead(
  call: Call,
  work: (ground: Pick<Ground, "db" | "clock" | "config">, id: IncidentId, signal: AbortSignal) => Promise<Outcome>,
): Promise<Outcome> {
  return withReadingGround(call.config, call.log, async (ground, away, signal) => {
    const id = await caseOf(ground, call);
    const outcome = isOutcome(id) ? id : await work(ground, id, signal);
    if (away === undefined || outcome.kind !== "done") return outcome;
    return { ...outcome, lines: [...(outcome.lines ?? []), ...awayLines(away)] };
  });
}

export const awayLines = (away: string): readonly string[] => [
  `  keyholder             away: ${away}`,
  "                        this is what the database says; letters, codes and sign-ins wait for the keyholder",
];
