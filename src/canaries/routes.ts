import { parseId } from "../kernel/brand.ts";
import type { Clock } from "../kernel/clock.ts";
import type { Random } from "../kernel/random.ts";
import type { Db } from "../db/db.ts";
import { refuse } from "../http/problem.ts";
import type { App } from "../http/server.ts";
import { viewerOf } from "../http/viewer.ts";
import { Alarm, AlarmList, OpenedCase } from "../wire/alarms.ts";
import { IdParams } from "../wire/common.ts";
import { acknowledgeAlarm, listAlarms, openCaseFromAlarm, readAlarm } from "./alarms.ts";
import type { AlarmId } from "./raise-alarm.ts";

export interface AlarmNeeds {
  readonly db: Db;
  readonly clock: Clock;
  readonly random: Random;
}

/** Alarms over HTTP: the same operations as the command line. */
export function alarmRoutes(app: App, needs: AlarmNeeds): void {
  const { db } = needs;
  const idOf = (params: { id: string }): AlarmId => parseId<AlarmId>(params.id) as AlarmId;

  app.get("/api/alarms", { config: { access: "operator" }, schema: { response: { 200: AlarmList } } }, async () => ({
    alarms: await listAlarms(db),
  }));

  app.post(
    "/api/alarms/:id/acknowledge",
    { config: { access: "operator act" }, schema: { params: IdParams, response: { 200: Alarm } } },
    async (request, reply) => {
      const id = idOf(request.params);
      // Twice is once: whoever comes second sees who was first.
      await acknowledgeAlarm(needs, id, viewerOf(request).accountId);
      const alarm = await readAlarm(db, id);
      return alarm === undefined ? refuse(reply, "not-found") : reply.send(alarm);
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
