import { writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { populate } from "../test/population.ts";
import type { Bench, Measured } from "./bench.ts";
import { benchFilm } from "./film.ts";
import { libraryWith, pictureFolder } from "./library.ts";
import { startNginx } from "./nginx.ts";
import { needProgram } from "./programs.ts";
import { interleaved, median } from "./report.ts";
import {
  openServiceDatabase,
  startDurablePostgres,
  startKeyProcess,
  startWeb,
  temporaryFolder,
  type Measurable,
} from "./surroundings.ts";
import { wrk } from "./wrk.ts";

const sizes = {
  full: { seconds: 120, rounds: 7, runSeconds: 2 },
  small: { seconds: 24, rounds: 3, runSeconds: 1 },
} as const;
const devices = 100;
const connections = 32;
/** Of the picture: a segment of six seconds has 3 MB. */
const megabits = 4;

/**
 * Segments of 3 MB, each asked for under a grant of one of 100 sessions, which is verified and checked each time: kept in
 * memory, and cut for each request. Beside them nginx with sendfile, which sends the same bytes to whoever asks.
 */
export async function measureSegments(bench: Bench): Promise<Measured> {
  const { scale, say } = bench;
  const { seconds, rounds, runSeconds } = sizes[scale];
  const program = await needProgram("wrk", "wrk", say);
  const nginx = await startNginx(bench, availableParallelism());
  const nginxAlone = await startNginx(bench, 1);
  const postgres = await startDurablePostgres(bench);
  const keyholder = await startKeyProcess(bench);
  const db = await openServiceDatabase(bench, postgres, "ours");
  say("rendering the film, unless it is there");
  const LIBRARY_DIR = await libraryWith(bench, db, await benchFilm(seconds, "mp4", megabits));
  const people = await populate(db, await keyholder.connect("web"), { accounts: devices, sessionsEach: 1 });
  await db.pool.query("vacuum (analyze)");
  const at = { postgres, database: "ours", keyholder };
  const hot = await startWeb(bench, at, { LIBRARY_DIR, SEGMENT_CACHE_MIB: "128" });
  const cold = await startWeb(bench, at, { LIBRARY_DIR, SEGMENT_CACHE_MIB: "0" });

  const folders = await Promise.all(
    people.map(({ sessions }) => pictureFolder(asked(hot, sessions[0]?.token.revealText() ?? ""))),
  );
  const [first = ""] = folders;
  // The last one is as long as what is left.
  const segments = (await bodyOf(hot, `${first}playlist.m3u8`))
    .toString("utf8")
    .split("\n")
    .filter((line) => line.endsWith(".m4s"))
    .slice(0, -1);
  const sizesInBytes: number[] = [];
  for (const name of segments) {
    const bytes = await bodyOf(hot, first + name);
    sizesInBytes.push(bytes.length);
    for (const peer of [nginx, nginxAlone]) {
      await writeFile(join(peer.folder, name), bytes);
      if (!(await bodyOf(peer, `/${name}`)).equals(bytes)) throw new Error("nginx sends other bytes");
    }
  }
  const bodyBytes = { least: Math.min(...sizesInBytes), most: Math.max(...sizesInBytes) };
  // Every device asks for every segment, no two next to each other for the same.
  const ours = folders.flatMap((_folder, round) =>
    segments.map((name, index) => `${folders[(round + index) % folders.length] ?? ""}${name}`),
  );
  const plain = segments.map((name) => `/${name}`);
  const load = {
    program,
    folder: await temporaryFolder(bench),
    connections,
    threads: availableParallelism(),
  };
  const run = ({ port }: Measurable, paths: readonly string[]) => wrk(load, port, paths, bodyBytes, runSeconds);
  const contestants = {
    hot: () => run(hot, ours),
    cold: () => run(cold, ours),
    nginx: () => run(nginx, plain),
    nginxAlone: () => run(nginxAlone, plain),
  };
  say(`${rounds} rounds of ${runSeconds} s each, in turn, over ${connections} connections`);
  await contestants.hot();
  await contestants.cold();
  await contestants.nginx();
  await contestants.nginxAlone();
  const measured = await interleaved(rounds, contestants);
  const of = (who: keyof typeof contestants, key: "perSecond" | "medianMs" | "p99Ms"): number =>
    median(measured[who].map((one) => one[key]));
  const [both, alone] = [of("nginx", "perSecond"), of("nginxAlone", "perSecond")];
  const best = both >= alone ? "nginx" : "nginxAlone";
  const nginxPerSecond = of(best, "perSecond");
  return {
    figures: {
      segmentMebibytes: median(sizesInBytes) / 2 ** 20,
      hotPerSecond: of("hot", "perSecond"),
      coldPerSecond: of("cold", "perSecond"),
      nginxPerSecond,
      nginxWorkers: best === "nginx" ? availableParallelism() : 1,
      hotToNginx: of("hot", "perSecond") / nginxPerSecond,
      coldToNginx: of("cold", "perSecond") / nginxPerSecond,
      hotMedianMs: of("hot", "medianMs"),
      hotP99Ms: of("hot", "p99Ms"),
      nginxMedianMs: of(best, "medianMs"),
      nginxP99Ms: of(best, "p99Ms"),
    },
    what: {
      segmentMebibytes: "in a segment",
      hotPerSecond: "segments from memory, grant and session checked for each, one process",
      coldPerSecond: "segments cut for each request, checked likewise, one process",
      nginxPerSecond: "nginx with sendfile, nothing checked",
      nginxWorkers: `workers of nginx that served more: 1 or ${availableParallelism()}`,
      hotToNginx: "times as many as nginx",
      coldToNginx: "of nginx",
      hotMedianMs: `with ${connections} under way`,
      hotP99Ms: `with ${connections} under way`,
      nginxMedianMs: `with ${connections} under way`,
      nginxP99Ms: `with ${connections} under way`,
    },
  };
}

async function bodyOf({ port }: Measurable, path: string): Promise<Buffer> {
  const reply = await fetch(`http://127.0.0.1:${port}${path}`);
  if (reply.status !== 200) throw new Error(`${path.split("/").at(-1)}: ${reply.status}`);
  return Buffer.from(await reply.arrayBuffer());
}

const asked =
  ({ port }: Measurable, token: string) =>
  async (method: "GET" | "POST", path: string): Promise<string> => {
    const body = method === "POST" ? { body: "{}" } : {};
    const headers = {
      authorization: `Bearer ${token}`,
      ...(method === "POST" ? { "content-type": "application/json" } : {}),
    };
    return (await fetch(`http://127.0.0.1:${port}${path}`, { method, headers, ...body })).text();
  };
