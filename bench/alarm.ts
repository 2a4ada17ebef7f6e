import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runningService } from "../test/running-service.ts";
import { startTestRelay } from "../test/smtp-server.ts";
import type { Bench, Measured } from "./bench.ts";
import { median } from "./report.ts";

const sizes = { full: { rounds: 20 }, small: { rounds: 3 } } as const;
const pager = "pager@operators.example";
/** How often it is looked whether an alarm has come; a round is given up after a minute. */
const lookEveryMs = 20;
const givenUpAfterMs = 60_000;

/**
 * From the answer to a sign-in with a canary's address until operators are told, by each of the three ways, in the service as it is
 * installed: a relay and a webhook on this machine, and the console's own request.
 */
export async function measureAlarm({ scale, say, onEnd }: Bench): Promise<Measured> {
  const { rounds } = sizes[scale];
  const relay = await startTestRelay();
  onEnd(() => relay.stop());
  const posted: string[] = [];
  const hook = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8");
    request.on("data", (chunk: string) => (body += chunk));
    request.on("end", () => {
      posted.push(body);
      response.writeHead(204).end();
    });
  });
  await new Promise<void>((resolve) => hook.listen(0, "127.0.0.1", resolve));
  onEnd(() => new Promise((resolve) => hook.close(resolve)));
  const settings = {
    HASH_THREADS: "",
    LOG_LEVEL: "warn",
    SMTP_URL: relay.url,
    ALARM_ADDRESS: pager,
    ALARM_WEBHOOK_URL: `http://127.0.0.1:${(hook.address() as AddressInfo).port}/alarms`,
    ALARM_WEBHOOK_SECRET: "a secret of thirty-two characters",
  };
  const service = await runningService(settings, async (libraryDir) => {
    await mkdir(libraryDir);
    await writeFile(join(libraryDir, "readme.txt"), "not a film");
  });
  onEnd(() => service.remove());
  const cookie = await service.operatorCookie();

  const places = Array.from({ length: rounds }, (_none, round) => `backup-${round + 1}`);
  const canaries: string[] = [];
  for (const place of places) {
    const { code, out, err } = await service.command("canary", "plant", "--place", place, "--count", "1", "--json");
    if (code !== 0) throw new Error(`canary plant: ${err}`);
    canaries.push((JSON.parse(out) as { readonly addresses: readonly string[] }).addresses[0] ?? "");
  }
  say(`${rounds} canaries are used, one after another`);
  const times = { mail: [] as number[], webhook: [] as number[], console: [] as number[] };
  for (const [round, place] of places.entries()) {
    const body = { address: canaries[round], password: "a password from a copy" };
    const answer = await service.api("POST", "/api/sessions", { body });
    if (answer.status !== 401) throw new Error(`a canary's sign-in was answered with ${answer.status}`);
    const used = performance.now();
    const tells: Readonly<Record<keyof typeof times, () => boolean | Promise<boolean>>> = {
      mail: () => relay.letters.some(({ to, text }) => to === pager && isOf(place, text)),
      webhook: () => posted.some((text) => isOf(place, text)),
      console: async () => isOf(place, (await service.api("GET", "/api/alarms", { cookie })).text),
    };
    await Promise.all(
      (Object.keys(tells) as (keyof typeof times)[]).map(async (way) => {
        while (!(await tells[way]())) {
          if (performance.now() - used > givenUpAfterMs) throw new Error(`nobody was told by ${way}`);
          await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
        }
        times[way].push(performance.now() - used);
      }),
    );
  }
  return {
    figures: {
      mailMs: median(times.mail),
      webhookMs: median(times.webhook),
      consoleMs: median(times.console),
      slowestMs: Math.max(...Object.values(times).flat()),
    },
    what: {
      mailMs: "from the answer to a canary's sign-in to the letter in the relay's hands",
      webhookMs: "the same, to the webhook",
      consoleMs: "the same, to the console's list of alarms",
      slowestMs: `the slowest of ${rounds} by any way`,
    },
  };
}

const isOf = (place: string, text: string): boolean => new RegExp(`\\b${place}\\b`).test(text);
