import type { Grant } from "../../src/wire/titles.ts";
import { send } from "../app/api.ts";

/** Asks for the right to play a title. The promise may be awaited late: a refusal is kept for whoever asks. */
export function askGrant(titleId: string): Promise<Grant> {
  const grant = send<Grant>("POST", `/api/titles/${encodeURIComponent(titleId)}/grants`, { body: {} });
  grant.catch(() => undefined);
  return grant;
}
