import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, statfs, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { browserCookie } from "../src/http/cookies.ts";
import { eventually, runningService } from "./running-service.ts";

const run = promisify(execFile);

/** A disk of its own for the data, of so many MiB; `undefined` where this user may not have one. */
async function smallDisk(mebibytes: number): Promise<{ folder: string; remove: () => Promise<void> } | undefined> {
  const folder = await mkdtemp(join(tmpdir(), "houselights-disk-"));
  try {
    await run("mount", ["-t", "tmpfs", "-o", `size=${mebibytes}m,mode=0755`, "houselights-test", folder]);
  } catch {
    await rm(folder, { recursive: true });
    return undefined;
  }
  return {
    folder,
    remove: async () => {
      await run("umount", ["-l", folder]);
      await rm(folder, { recursive: true });
    },
  };
}

const disk = await smallDisk(220);

// Mounting asks for root; docs/decisions/2026-11-23-bad-input.md has what came of it.
test.skipIf(disk === undefined)(
  "a full disk: refusals in words, nothing acknowledged lost, and all is well once there is room",
  async () => {
    if (disk === undefined) return;
    const service = await runningService({ DATA_DIR: join(disk.folder, "data") }, async (libraryDir) => {
      // No film, and yet not empty: nothing is rendered, which is not what this is about.
      await mkdir(libraryDir, { recursive: true });
      await writeFile(join(libraryDir, "Heat (1995).mp4"), "not a film");
    });
    try {
      const secret = service.operatorLink();
      const operator = (await service.api("POST", "/api/operator-sessions", { body: { secret } })).cookie ?? "";
      const password = "seven lanterns over the harbour";
      const acknowledged: { address: string; jar: Map<string, string> }[] = [];
      let people = 0;
      const ask = async () => {
        const jar = new Map<string, string>();
        const address = `person-${++people}@example.org`;
        const answer = await service.api("POST", "/api/accounts", { body: { address, password }, jar });
        if (answer.status === 202) acknowledged.push({ address, jar });
        return answer;
      };
      for (let n = 0; n < 3; n++) expect((await ask()).status).toBe(202);

      const { bavail, bsize } = await statfs(disk.folder);
      await writeFile(join(disk.folder, "filler"), Buffer.alloc(bavail * bsize)).catch(() => undefined);
      const refused = await eventually(
        "a refusal",
        async () => {
          const answer = await ask();
          return answer.status === 202 ? undefined : answer;
        },
        60_000,
      );
      expect([503, 507]).toContain(refused.status);
      expect(["busy", "disk-full"]).toContain(refused.body["code"]);
      expect(refused.text).not.toMatch(/ENOSPC|No space|pg_wal/);

      await rm(join(disk.folder, "filler"));
      await eventually("the service to be well", async () => ((await ask()).status === 202 ? true : undefined), 60_000);
      const letters = await eventually(
        "every letter",
        async () => {
          const box = await service.api("GET", "/api/mailbox", { cookie: operator });
          const found = (box.body["letters"] ?? []) as { to: string; text: string }[];
          return acknowledged.every(({ address }) => found.some(({ to }) => to === address)) ? found : undefined;
        },
        60_000,
      );
      for (const { address, jar } of acknowledged) {
        const text = letters.find(({ to }) => to === address)?.text ?? "";
        const code = /\b[BCDFGHJKLMNPQRSTVWXZ]{5}-[BCDFGHJKLMNPQRSTVWXZ]{5}\b/.exec(text)?.[0];
        const confirmed = await service.api("POST", "/api/accounts/confirm", { body: { code }, jar });
        expect([address, confirmed.status]).toEqual([address, 201]);
        expect(jar.has(browserCookie)).toBe(true);
      }
    } finally {
      await service.remove();
      await disk.remove();
    }
  },
  240_000,
);
