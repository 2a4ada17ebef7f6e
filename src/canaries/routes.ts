import { parseId } from "../kernel/brand.ts";
import type { Clock } from "../kernel/clock.ts";
import type { Random } from "../kernel/random.ts";
import type { Db } from "../db/db.ts";
import { preferredLocale } from "../http/locale.ts";
import { refuse } from "../http/problem.ts";
import type { App } from "../http/server.ts";
import { viewerOf } from "../http/viewer.ts";
import type { Static } from "typebox";
import { Secret } from "../kernel/secret.ts";
import { Alarm, AlarmList, CanaryMail, OpenedCase } from "../wire/alarms.ts";
import { IdParams, Nothing } from "../wire/common.ts";
import { alarmIn } from "./alarm-in.ts";
import { acknowledgeAlarm, listAlarms, openCaseFromAlarm, readAlarm } from "./alarms.ts";
import type { AlarmId } from "./raise-alarm.ts";

export interface AlarmNeeds {
  readonly db: Db;
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * Where a mail server reports mail that arrived for an address it holds for canaries, with the token of the settings in the
 * header `canary-token`. The answer is the same for every address; it is looked at before the answer, so that a report
 * that was taken has rung.
 */
export function canaryMailRoute(
  app: App,
  { token, ring }: { readonly token: Secret; readonly ring: (mail: Static<typeof CanaryMail>) => Promise<boolean> },
): void {
  const expected = token.digest();
  app.post(
    "/api/canary-mail",
    { config: { access: "anyone" }, schema: { body: CanaryMail, response: { 204: Nothing } } },
    async (request, reply) => {
      const brought = request.headers["canary-token"];
      if (typeof brought !== "string" || !Secret.fromText(brought).matches(expected)) return refuse(reply, "not-found");
      await ring(request.body);
      return reply.code(204).send(null);
    },
  );
}

/** Alarms over HTTP: the same operations as the command line. */
export function alarmRoutes(app: App, needs: AlarmNeeds): void {
  const { db } = needs;
  const idOf = (params: { id: string }): AlarmId => parseId<AlarmId>(params.id) as AlarmId;

  app.get(
    "/api/alarms",
    { config: { access: "operator" }, schema: { response: { 200: AlarmList } } },
    async (request) => {
      const alarms = await listAlarms(db);
      const locale = preferredLocale(request.headers["accept-language"]);
      return { alarms: alarms.map((alarm) => alarmIn(alarm, locale)) };
    },
  );

  app.post(
    "/api/alarms/:id/acknowledge",
    { config: { access: "operator act" }, schema: { params: IdParams, response: { 200: Alarm } } },
    async (request, reply) => {
      const id = idOf(request.params);
      // Twice is once: whoever comes second sees who was first.
      await acknowledgeAlarm(needs, id, viewerOf(request).accountId);
      const alarm = await readAlarm(db, id);
      if (alarm === undefined) return refuse(reply, "not-found");
      return reply.send(alarmIn(alarm, preferredLocale(request.headers["accept-language"])));
    },
  );

  app.post(
    "/api/alarms/:id/case",
    { config: { access: "operator act" }, schema: { params: IdParams, response: { 201: OpenedCase } } },
    async (request, reply) => {
      const outcome = await openCaseFromAlarm(needs, idOf(request.params), viewerOf(request).accountId);
      switch (outcome.kind) {
        case "no-such-alarm":
          return refuse(reply, "not-found");
        case "in-hand":
          return refuse(reply, "incident-in-hand", { detail: outcome.incidentId });
        case "opened":
          return reply.code(201).send({ incidentId: outcome.incidentId, reference: outcome.reference });
      }
    },
  );
}
