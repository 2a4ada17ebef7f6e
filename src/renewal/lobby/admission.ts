import type { FastifyReply, FastifyRequest } from "fastify";
import { bodyPlace, browserBindingsOf, placeOf, setPlaceCookies } from "../../http/cookies.ts";
import { refuse } from "../../http/problem.ts";
import type { InLine } from "../../wire/accounts.ts";
import { passLivesMs, type Admission, type Lobby, type LobbyAct } from "./lobby.ts";

/** What a request was let in with, or how it stands in line; anything else has been answered. */
export type Outcome =
  Exclude<Admission, { kind: "too-many" }> | { readonly kind: "answered"; readonly answer: FastifyReply };

/**
 * Asks the lobby about a request, and keeps in the browser's cookies what it says. `fromBody` is a place that came in
 * the body. Whoever `keepsIt` by itself is given no cookie, and no place that a cookie holds: its answer's body has the place.
 */
export async function askLobby(
  lobby: Lobby,
  act: LobbyAct,
  request: FastifyRequest,
  reply: FastifyReply,
  {
    fromBody,
    ticketFromBody,
    keepsIt = false,
  }: {
    readonly fromBody?: string | undefined;
    readonly ticketFromBody?: string | undefined;
    readonly keepsIt?: boolean;
  } = {},
): Promise<Outcome> {
  const admission = await lobby.admit(act, {
    presented: keepsIt && fromBody === undefined ? undefined : placeOf(request, fromBody),
    network: request.ip,
    ticketBrowsers: browserBindingsOf(request, ticketFromBody),
  });
  if (admission.kind === "too-many") {
    const { retryAfterSeconds } = admission;
    return { kind: "answered", answer: refuse(reply, "too-many", { retryAfterSeconds }) };
  }
  const kept = admission.kind === "in" ? admission.pass : admission.place;
  if (kept !== null && !keepsIt) {
    setPlaceCookies(reply, kept, admission.kind === "in" ? passLivesMs / 1_000 : 24 * 3_600);
  }
  return admission;
}

/** The same place as a program reads it; `withPlace` for one that keeps no cookies. */
export function inLine(
  reply: FastifyReply,
  { place, standing }: Extract<Admission, { kind: "waiting" }>,
  withPlace: boolean,
): InLine {
  void reply.header("retry-after", String(standing.comeBackSeconds));
  return { kind: "in-line", ...standing, ...(withPlace ? { place: bodyPlace(place) } : {}) };
}
