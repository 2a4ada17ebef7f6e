import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Bench, Measured } from "./bench.ts";
import { load, requestBytes } from "./load.ts";
import { median } from "./report.ts";
import { openServiceDatabase, startDurablePostgres, startKeyProcess, startWeb } from "./surroundings.ts";

const sizes = {
  full: { waiting: 20_000, heldInMemory: 200_000, rounds: 5, runMs: 4_000 },
  small: { waiting: 500, heldInMemory: 20_000, rounds: 3, runMs: 1_000 },
} as const;
const connections = 64;

/**
 * Polls of televisions that wait: over HTTP against the service's own web process, each with a device code that it was
 * given and that nobody has approved; and the bytes that one process keeps for each.
 */
export async function measurePolls(bench: Bench): Promise<Measured> {
  const { scale, say } = bench;
  const { waiting, heldInMemory, rounds, runMs } = sizes[scale];
  const postgres = await startDurablePostgres(bench);
  const keyholder = await startKeyProcess(bench);
  const db = await openServiceDatabase(bench, postgres, "ours");
  say(`making ${waiting.toLocaleString("en")} links that wait`);
  const { rows } = await db.pool.query<{ code: Buffer }>(
    `with made as (
       insert into link (device_digest, user_code_index, class, data_key, label_account_id, sealed_label, sealed_network,
                         state, epoch, interval_seconds, created_at, expires_at)
       select sha256(sha256(int4send(n))), sha256(int4send(-n)), 'tv', '\\x00', gen_random_uuid(), '\\x00', '\\x00', 'pending',
              (select max(epoch) from floor), 5, now(), now() + interval '15 minutes'
         from generate_series(1, $1::integer) n)
     select sha256(int4send(n)) as code from generate_series(1, $1::integer) n`,
    [waiting],
  );
  await db.pool.query("vacuum (analyze)");
  const web = await startWeb(bench, { postgres, database: "ours", keyholder });
  const requests = rows.map(({ code }) =>
    requestBytes(
      "POST",
      "/oauth/token",
      {},
      JSON.stringify({
        grant_type: "urn:ietf:params:oauth:grant-type:device_code",
        client_id: "houselights-tv",
        device_code: code.toString("base64url"),
      }),
    ),
  );
  const run = (durationMs: number) =>
    // 400 is what RFC 8628 section 3.5 answers a poll that waits; nothing else is as short as these two.
    load({
      port: web.port,
      connections,
      durationMs,
      requests,
      isGood: (status, bodyBytes) => status === 400 && bodyBytes < 40,
    });
  say("each is read once, and remembered");
  await run(scale === "full" ? 10_000 : 2_000);
  say(`${rounds} rounds of ${runMs / 1_000} s over ${connections} connections`);
  const measured = [];
  for (let round = 0; round < rounds; round++) measured.push(await run(runMs));
  const bytesPerLink = await memoryPerLink(heldInMemory);
  return {
    figures: {
      pollsPerSecond: median(measured.map(({ perSecond }) => perSecond)),
      pollMedianMs: median(measured.map(({ medianMs }) => medianMs)),
      pollP99Ms: median(measured.map(({ p99Ms }) => p99Ms)),
      bytesPerLink,
    },
    what: {
      pollsPerSecond: `polls of ${waiting.toLocaleString("en")} televisions, one process; most come sooner than they may and are slowed`,
      pollMedianMs: `with ${connections} under way`,
      pollP99Ms: `with ${connections} under way`,
      bytesPerLink: `heap and buffers for each of ${heldInMemory.toLocaleString("en")}, after collection, in a process of its own`,
    },
  };
}

const memoryPerLink = (links: number): Promise<number> =>
  new Promise((resolve, reject) => {
    const path = fileURLToPath(new URL("./links-in-memory.ts", import.meta.url));
    const child = fork(path, [String(links)], {
      execArgv: ["--expose-gc"],
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    child.once("message", (bytes: number) => resolve(bytes));
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`the process that holds links ended with ${code ?? "a signal"}`)));
  });
