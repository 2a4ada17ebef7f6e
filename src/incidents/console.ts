import { dayMs, fromDate, plus, toIso, type Clock } from "../kernel/clock.ts";
import type { Db } from "../db/db.ts";
import { connectedNodes } from "../db/nodes.ts";
import { preferredLocale } from "../http/locale.ts";
import type { App } from "../http/server.ts";
import { countJobs } from "../jobs/queue.ts";
import { listReceivers } from "../signals/receivers.ts";
import { highest, readFloors } from "../credentials/floors.ts";
import { readKeyUse } from "../key-use/read.ts";
import { currentHead } from "../timeline/integrate.ts";
import { listWitnesses } from "../timeline/list-witnesses.ts";
import { readTimeline } from "../timeline/read.ts";
import type { Alarm } from "../wire/alarms.ts";
import type { LeavesBy } from "../wire/campaign.ts";
import type { Locale } from "../wire/common.ts";
import { Console, type Console as ConsoleAnswer } from "../wire/incidents.ts";
import { StolenCopy } from "../wire/stolen-copy.ts";
import { largeCounts } from "./large-counts.ts";
import { incidentInHand } from "./open.ts";
import { readStolenCopy, type IsDecoy } from "./stolen-copy/read-stolen-copy.ts";

export interface ConsoleNeeds {
  readonly db: Db;
  readonly clock: Clock;
  readonly monotonicMs: () => number;
  /** The library knows no console and the console no library: `app.ts` ties them. */
  readonly readLibrary: () => Promise<Pick<ConsoleAnswer, "titles"> & { readonly jobs: ConsoleAnswer["library"] }>;
  readonly mail: LeavesBy;
  /** How much web has opened of what it may; `null` while the keyholder does not answer. */
  readonly readAddressLimit: () => Promise<ConsoleAnswer["addresses"]>;
  /** Alarms stand after this room; `app-web.ts` ties them. */
  readonly listAlarms: (limit: number, locale: Locale) => Promise<Alarm[]>;
  readonly isDecoy: IsDecoy;
  /** `null` where the database is elsewhere. */
  readonly readDisk: () => Promise<ConsoleAnswer["disk"]>;
}

/**
 * The console's first page: every number read when it is asked for, but those that take a read of all accounts, which are at most
 * as old as it says (`large-counts.ts`).
 */
export function consoleRoutes(
  app: App,
  { db, clock, monotonicMs, readLibrary, mail, readAddressLimit, listAlarms, isDecoy, readDisk }: ConsoleNeeds,
): void {
  const countLarge = largeCounts({ db, clock, monotonicMs });
  app.get(
    "/api/console",
    { config: { access: "operator" }, schema: { response: { 200: Console } } },
    async (request) => {
      const at = clock.now();
      const [
        incident,
        { accounts, sessions, countedAt },
        floors,
        library,
        head,
        waiting,
        checkpoint,
        jobs,
        addresses,
        keyUse,
        alarms,
        receivers,
        timeline,
        nodes,
        owed,
        disk,
      ] = await Promise.all([
        incidentInHand(db),
        countLarge(),
        readFloors(db),
        readLibrary(),
        currentHead(db),
        db.one<{ count: number }>(`select count(*) as count from timeline_entry where leaf_index is null`),
        db.one<{ at: Date }>(`select at from timeline_checkpoint where note is not null order by size desc limit 1`),
        countJobs(db),
        readAddressLimit(),
        readKeyUse(db, plus(at, -dayMs), at),
        listAlarms(20, preferredLocale(request.headers["accept-language"])),
        listReceivers(db),
        listWitnesses(db, undefined),
        connectedNodes(db),
        readTimeline(db, { kinds: ["witness owed"], limit: 5 }),
        readDisk(),
      ]);
      return {
        incident: incident ?? null,
        accounts,
        sessions,
        countedAt: toIso(countedAt),
        epoch: highest(floors),
        floors: Object.entries(floors).map(([kind, epoch]) => ({ kind, epoch })),
        titles: library.titles,
        library: library.jobs,
        timeline: {
          size: head.size,
          waiting: waiting?.count ?? 0,
          rootHex: head.rootHex,
          checkpointAt: checkpoint === undefined ? null : toIso(fromDate(checkpoint.at)),
        },
        jobs: {
          waiting: jobs.reduce((sum, task) => sum + task.waiting, 0),
          failed: jobs.reduce((sum, task) => sum + task.givenUp, 0),
        },
        mail,
        addresses,
        keyUse,
        alarms,
        receivers: receivers.map(({ addressesBecause: _because, privateNetwork: _private, ...one }) => ({
          ...one,
          tokenExpiresAt: toIso(one.tokenExpiresAt),
          tokenMade: one.tokenMade && { at: toIso(one.tokenMade.notBefore ?? one.tokenMade.at), by: one.tokenMade.by },
          streams: one.streams.map((stream) => ({
            ...stream,
            takenAt: stream.takenAt === null ? null : toIso(stream.takenAt),
          })),
        })),
        witnesses: [...timeline.witnesses],
        nodes,
        disk,
        owed: owed.map(({ at, kind, detail }) => ({ at: toIso(at), kind, detail: { ...detail } })),
      };
    },
  );

  app.get("/api/stolen-copy", { config: { access: "operator" }, schema: { response: { 200: StolenCopy } } }, () =>
    readStolenCopy(db, isDecoy),
  );
}
