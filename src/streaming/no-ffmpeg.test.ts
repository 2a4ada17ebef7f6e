import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { testStreaming } from "../../test/streaming-fixture.ts";
import type { Grant } from "../wire/titles.ts";

/** ffmpeg was there when the library was scanned, and is gone now. */
const { app, db, viewers } = await testStreaming({
  put: async (library) => {
    await library.put("Heat (1995).mp4");
    const old = join(library.folder, "..", "old.avi");
    const codecs = ["-c:v", "mpeg4", "-c:a", "mp2"];
    await promisify(execFile)("ffmpeg", ["-v", "error", "-y", "-i", library.clip, ...codecs, old]);
    await library.put("Broadcast (1998).avi", old);
  },
  environment: { PATH: "/nowhere" },
  ffmpegPath: "/nowhere/ffmpeg",
});

const read = (path: string) => app.inject({ url: path });
const linesOf = (playlist: string): string[] =>
  playlist.split("\n").flatMap((line) => /URI="([^"]+)"/.exec(line)?.[1] ?? (/^[^#\s]/.test(line) ? line : []));

async function segmentsOf(name: string): Promise<{ path: string; status: number; body: string }[]> {
  const title = await db.one<{ id: string }>(`select id from title where name = $1`, [name]);
  const { headers } = viewers.signIn();
  const granted = await app.inject({ method: "POST", url: `/api/titles/${title?.id}/grants`, headers });
  const found: { path: string; status: number; body: string }[] = [];
  const follow = async (path: string): Promise<void> => {
    const answer = await read(path);
    found.push({ path, status: answer.statusCode, body: answer.body });
    if (answer.statusCode !== 200 || !path.endsWith(".m3u8")) return;
    for (const next of linesOf(answer.body)) await follow(new URL(next, `http://x${path}`).pathname);
  };
  await follow(granted.json<Grant>().playlist);
  return found;
}

test("a film that browsers play is played to its last segment", async () => {
  const found = await segmentsOf("Heat");
  expect(found.length).toBeGreaterThanOrEqual(5);
  expect(found.filter(({ path, status }) => status !== 200 && !path.includes("/transcode/"))).toEqual([]);
});

test("a film that must be converted is refused in words, with a reference for the operator", async () => {
  const found = await segmentsOf("Broadcast");
  const refused = found.filter(({ status }) => status !== 200);
  expect(refused.length).toBeGreaterThan(0);
  for (const { status, body } of refused) {
    expect([status, body]).toEqual([501, expect.stringContaining('"code":"tool-missing"')]);
    expect(JSON.parse(body)).toMatchObject({ reference: expect.stringMatching(/./) as unknown });
    expect(body).not.toContain("nowhere");
  }
  // Nothing else of it suffers: the other film still plays.
  expect((await segmentsOf("Heat"))[0]?.status).toBe(200);
});
