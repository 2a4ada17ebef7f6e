import { every, sleep, systemClock } from "../src/kernel/clock.ts";
import { systemRandom } from "../src/kernel/random.ts";
import { populate } from "../test/population.ts";
import { prepareRenewals, type PreparedRenewal } from "../test/prepared-renewals.ts";
import type { Bench, Measured } from "./bench.ts";
import { openConnections, type Connections } from "./crowd.ts";
import { benchFilm } from "./film.ts";
import { libraryWith, pictureFolder } from "./library.ts";
import { formBytes, requestBytes } from "./load.ts";
import { quantile } from "./report.ts";
import { openServiceDatabase, startDurablePostgres, startKeyProcess, startWeb } from "./surroundings.ts";

const sizes = {
  full: { devices: 100, warmMs: 4_000, capacityMs: 15_000, quietMs: 10_000, stormMs: 60_000, renewals: 5_500 },
  small: { devices: 10, warmMs: 1_000, capacityMs: 3_000, quietMs: 4_000, stormMs: 8_000, renewals: 3_000 },
} as const;
const times = 10;
/** What a player has in hand before it starts, and what one segment lasts. */
const bufferSeconds = 18;
const segmentSeconds = 6;

/**
 * Ten times more people come back than can be served, for a minute, while devices play. Everybody behaves as the pages
 * tell them: asks for the page, waits in line as long as it says, asks for a code when called, and sets a new password. What
 * came of it is compared with the same service just before, when it was quiet.
 */
export async function measureStorm(bench: Bench): Promise<Measured> {
  const { scale, say, onEnd } = bench;
  const size = sizes[scale];
  const postgres = await startDurablePostgres(bench);
  const keyholder = await startKeyProcess(bench);
  const db = await openServiceDatabase(bench, postgres, "ours");
  const libraryDir = await libraryWith(bench, db, await benchFilm(120, "mp4"));
  const web = await keyholder.connect("web");
  say(`making ${size.renewals.toLocaleString("en")} accounts with a code each, and ${size.devices} that watch`);
  const people = await populate(db, web, { accounts: size.renewals });
  const prepared = await prepareRenewals({ db, keyholder: web, random: systemRandom, now: systemClock.now() }, people);
  const watchers = await populate(db, web, { accounts: size.devices, sessionsEach: 1, prefix: "watcher" });
  await db.pool.query("vacuum (analyze)");
  const { port } = await startWeb(
    bench,
    { postgres, database: "ours", keyholder },
    { HASH_THREADS: "", TRUST_PROXY: "1", LIBRARY_DIR: libraryDir },
  );
  const connections = openConnections(port, 256);
  onEnd(async () => connections.close());
  const renewals = prepared.values();
  const take = (): PreparedRenewal => {
    const next = renewals.next();
    if (next.done === true) throw new Error("more was renewed than was made");
    return next.value;
  };

  const devices = await startDevices(
    connections,
    watchers.map(({ sessions }) => sessions[0]?.token.revealText() ?? ""),
  );
  onEnd(() => devices.stop());
  say("what can be served, while they play");
  const complete = async (
    number: number,
  ): Promise<{ readonly ok: boolean; readonly tookMs: number; readonly status: number }> => {
    const body = JSON.stringify(take().body);
    const answer = await connections.ask(requestBytes("POST", "/api/renewals/complete", from(number), body));
    return { ok: answer.status === 200, tookMs: answer.tookMs, status: answer.status };
  };
  await closedLoop(size.warmMs, 16, complete);
  const capacity = await closedLoop(size.capacityMs, 16, complete);
  say(`${capacity.toFixed(1)} renewals a second; quiet: a quarter of that`);
  await sleep(2_000);
  devices.reset();
  const quiet = await openLoop(size.quietMs, capacity / 4, complete);
  const quietSegments = devices.take();
  say(`storm: ${Math.round(capacity * times)} people a second for ${size.stormMs / 1_000} s`);
  const addressOf = (number: number): string => people[number % people.length]?.address ?? "";
  const storm = await runStorm(connections, size.stormMs, capacity * times, { addressOf, complete });
  const stormSegments = devices.take();

  const p99 = (values: readonly number[]): number => quantile(values, 0.99);
  const quietP99 = p99(quiet);
  const stormP99 = p99(storm.tookMs);
  const quietSegmentP99 = p99(quietSegments);
  const stormSegmentP99 = p99(stormSegments);
  const perSecond = (storm.renewed * 1_000) / size.stormMs;
  return {
    figures: {
      capacityPerSecond: capacity,
      arrivedPerSecond: (storm.arrived * 1_000) / size.stormMs,
      renewedPerSecond: perSecond,
      goodput: perSecond / capacity,
      serverErrors: storm.serverErrors,
      turnedAway: storm.turnedAway,
      refusedConnections: connections.broken(),
      pagesPerSecond: (storm.pages * 1_000) / size.stormMs,
      quietP99Ms: quietP99,
      stormP99Ms: stormP99,
      admittedP99OverAllowed: stormP99 / Math.max(2 * quietP99, quietP99 + 100),
      segmentQuietP99Ms: quietSegmentP99,
      segmentStormP99Ms: stormSegmentP99,
      segmentP99OverAllowed: stormSegmentP99 / Math.max(2 * quietSegmentP99, quietSegmentP99 + 100),
      rebuffered: devices.rebuffered(),
      stillInLine: storm.inLine,
    },
    what: {
      capacityPerSecond: "renewals with 16 under way and nobody else, while the devices play",
      arrivedPerSecond: "people who came",
      renewedPerSecond: "people who left with a new password",
      goodput: "of the capacity",
      serverErrors: "answers of 500 and above",
      turnedAway: "people whose address got another answer than a place in line or the page for the code",
      refusedConnections: "connections that were refused or broke",
      pagesPerSecond: "pages of the line and its forms, which the load generator takes from the same processors",
      quietP99Ms: "from code and password sent to the answer, at a quarter of the capacity",
      stormP99Ms: "the same for those who were called",
      admittedP99OverAllowed: "of twice the quiet one or 100 ms above it, whichever is larger",
      segmentQuietP99Ms: "a segment of 1080p, cut while it is asked for",
      segmentStormP99Ms: "the same in the storm",
      segmentP99OverAllowed: "of twice the quiet one or 100 ms above it, whichever is larger",
      rebuffered: `times that a device had played its ${bufferSeconds} s out`,
      stillInLine: "people whose turn had not come when the minute was over",
    },
  };
}

/** A network of its own for each, so that nobody's share is used up by another. */
const from = (number: number): Record<string, string> => ({
  "x-forwarded-for": `10.${Math.trunc(number / 62_500) % 250}.${Math.trunc(number / 250) % 250}.${1 + (number % 250)}`,
});

type Complete = (number: number) => Promise<{ readonly ok: boolean; readonly tookMs: number; readonly status: number }>;

async function closedLoop(durationMs: number, underWay: number, complete: Complete): Promise<number> {
  const started = performance.now();
  let done = 0;
  await Promise.all(
    Array.from({ length: underWay }, async (_none, lane) => {
      for (let round = 0; performance.now() - started < durationMs; round++) {
        const { ok, status } = await complete(1_000_000 + lane * 1_000 + round);
        if (!ok) throw new Error(`a renewal answered ${status} while nobody else was there`);
        done++;
      }
    }),
  );
  return (done * 1_000) / (performance.now() - started);
}

async function openLoop(durationMs: number, perSecond: number, complete: Complete): Promise<number[]> {
  const started = performance.now();
  const under: Promise<unknown>[] = [];
  const tookMs: number[] = [];
  for (let number = 0; performance.now() - started < durationMs; number++) {
    under.push(
      complete(2_000_000 + number).then(({ ok, tookMs: ms, status }) => {
        if (!ok) throw new Error(`a renewal answered ${status} on a quiet day`);
        return tookMs.push(ms);
      }),
    );
    await sleep(Math.max(0, started + ((number + 1) * 1_000) / perSecond - performance.now()));
  }
  await Promise.all(under);
  return tookMs;
}

interface Storm {
  arrived: number;
  renewed: number;
  serverErrors: number;
  turnedAway: number;
  pages: number;
  inLine: number;
  readonly tookMs: number[];
}

/** What a person takes from a page. */
interface Seen {
  readonly status: number;
  /** Those of the answer, or those sent where it set none. */
  readonly cookies: readonly string[];
  /** How long to wait before the page is asked for again; none where it is the person's turn. */
  readonly waitSeconds: number | undefined;
}

/** The same text without the longer one that it was cut from, which would stay in memory with it. */
const ownText = (text: string): string => Buffer.from(text, "latin1").toString("latin1");

async function runStorm(
  connections: Connections,
  durationMs: number,
  perSecond: number,
  { addressOf, complete }: { readonly addressOf: (number: number) => string; readonly complete: Complete },
): Promise<Storm> {
  const storm: Storm = { arrived: 0, renewed: 0, serverErrors: 0, turnedAway: 0, pages: 0, inLine: 0, tookMs: [] };
  const started = performance.now();
  const isOver = (): boolean => performance.now() - started >= durationMs;
  /** What a page said, and nothing of the page itself: ten thousands wait, and each would keep a page in memory. */
  const look = async (number: number, cookies: readonly string[], form?: string): Promise<Seen> => {
    storm.pages++;
    const headers = { ...from(number), ...(cookies.length === 0 ? {} : { cookie: cookies.join("; ") }) };
    const request = form === undefined ? requestBytes("GET", "/renew", headers) : formBytes("/renew", headers, form);
    const reply = await connections.ask(request);
    if (reply.status >= 500) storm.serverErrors++;
    const wait = /data-come-back="(\d+)"/.exec(reply.text)?.[1];
    return {
      status: reply.status,
      cookies: reply.cookies.length > 0 ? reply.cookies.map(ownText) : cookies,
      waitSeconds: wait === undefined ? undefined : Number(wait),
    };
  };

  /** One person, from the first look at the page until the password is set or the minute is over. */
  const person = async (number: number): Promise<void> => {
    let cookies: readonly string[] = [];
    while (!isOver()) {
      const page = await look(number, cookies);
      cookies = page.cookies;
      if (page.waitSeconds !== undefined) {
        // People do not come in step: each a little sooner or later than the page says.
        await sleep(page.waitSeconds * 1_000 * (0.8 + 0.4 * systemRandom.below(1_000) * 0.001));
        continue;
      }
      const asked = await look(number, cookies, `address=${encodeURIComponent(addressOf(number))}`);
      if (asked.status !== 303) {
        storm.turnedAway++;
        return;
      }
      if (!asked.cookies.some((cookie) => cookie.startsWith("__Host-houselights-browser"))) continue;
      if (isOver()) return;
      const { ok, status, tookMs } = await complete(number);
      if (status >= 500) storm.serverErrors++;
      if (!ok) continue;
      storm.tookMs.push(tookMs);
      if (!isOver()) storm.renewed++;
      return;
    }
    storm.inLine++;
  };

  const crowd: Promise<void>[] = [];
  while (!isOver()) {
    const due = Math.floor(((performance.now() - started) * perSecond) / 1_000);
    for (; storm.arrived < due; storm.arrived++) crowd.push(person(storm.arrived));
    await sleep(10);
  }
  // Who waits would come back later; whoever has been let in is finished.
  await Promise.race([Promise.all(crowd), sleep(3_000)]);
  storm.inLine = Math.max(storm.inLine, storm.arrived - storm.renewed);
  return storm;
}

/** Devices that play one film from places of their own: a segment every six seconds, with three in hand. */
async function startDevices(connections: Connections, tokens: readonly string[]) {
  let tookMs: number[] = [];
  let rebuffered = 0;
  const players = await Promise.all(
    tokens.map(async (token, number) => {
      const authorization = `Bearer ${token}`;
      const folder = await pictureFolder(async (method, path) => {
        const body = method === "POST" ? "{}" : undefined;
        return (await connections.ask(requestBytes(method, path, { authorization }, body))).text;
      });
      let at = number % 15;
      let inHandUntil = performance.now() + bufferSeconds * 1_000;
      await sleep((number * segmentSeconds * 1_000) / tokens.length);
      return every(segmentSeconds * 1_000, async () => {
        const reply = await connections.ask(requestBytes("GET", `${folder}${at % 15}.m4s`, {}));
        at++;
        if (reply.status !== 200) throw new Error(`a segment answered ${reply.status}`);
        tookMs.push(reply.tookMs);
        if (performance.now() > inHandUntil) {
          rebuffered++;
          inHandUntil = performance.now();
        }
        inHandUntil += segmentSeconds * 1_000;
      });
    }),
  );
  return {
    take: (): number[] => {
      const all = tookMs;
      tookMs = [];
      return all;
    },
    reset: (): void => void (tookMs = []),
    rebuffered: () => rebuffered,
    stop: async () => {
      await Promise.all(players.map((player) => player.stop()));
    },
  };
}
