import type { IncidentId } from "../kernel/brand.ts";
import type { Ground } from "../app.ts";
import { listIncidents } from "../incidents/status.ts";
import { textOf, type Call, type Outcome } from "./command.ts";
import { withGround } from "./ground.ts";

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
export async function onCase(call: Call, work: (ground: Ground, id: IncidentId) => Promise<Outcome>): Promise<Outcome> {
  return withGround(call.config, call.log, async (ground) => {
    const id = await caseOf(ground, call);
    return isOutcome(id) ? id : work(ground, id);
  });
}
