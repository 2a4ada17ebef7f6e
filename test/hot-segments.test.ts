import { rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { silentLog } from "../src/kernel/log.ts";
import { openInspector } from "../src/library/inspect-file.ts";
import { contain } from "../src/incidents/contain.ts";
import { containNeedsOf } from "./contain-needs.ts";
import { testLibrary } from "./library-fixture.ts";
import { asCookie, goodPassword, testService } from "./service.ts";

/** Segments kept in memory over HTTP: what is kept is the film's bytes, never the right to them. */
const service = await testService();
const { db } = service.ground;
const inspector = openInspector({ log: silentLog });
const library = await testLibrary(db, inspector);
afterAll(async () => {
  await inspector.close();
  await library.remove();
});
await symlink(library.folder, join(service.folder, "library"));
for (const name of ["Heat (1995)", "Ronin (1998)", "Alien (1979)"]) await library.put(`${name}.mp4`);
await library.scan();
await service.account("ada@example.org", goodPassword, "Ada");

async function pictureOf(name: string, token: string): Promise<string> {
  const title = await db.one<{ id: string }>(`select id from title where name = $1`, [name]);
  const granted = await service.call("POST", `/api/titles/${title?.id}/grants`, { cookies: asCookie(token) });
  expect(granted.status).toBe(201);
  return String(granted.body["playlist"]).replace("master.m3u8", "video/0.m4s");
}

async function counts(): Promise<{ readonly sent: number; readonly made: number; readonly bytes: number }> {
  const { text } = await service.call("GET", "/metrics");
  const read = (name: string): number =>
    Number(new RegExp(`^houselights_${name}(?:\\{[^}]*\\})? (\\d+)$`, "m").exec(text)?.[1]);
  return { sent: read("hot_segments_sent"), made: read("segments_made"), bytes: read("hot_segment_bytes") };
}

test("viewers who ask for one segment at one time have it made once; later ones get the same bytes from memory", async () => {
  const tokens = [
    await service.signIn("ada@example.org", goodPassword),
    await service.signIn("ada@example.org", goodPassword),
  ];
  const paths = await Promise.all(tokens.map((token) => pictureOf("Heat", token)));
  const statements = service.web.work().statements;
  const first = await Promise.all(Array.from({ length: 12 }, (_, n) => service.call("GET", paths[n % 2] ?? "")));
  expect(new Set(first.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
  expect(first[0]?.status).toBe(200);
  // Whoever's session is looked at a moment later finds it made already.
  const { sent, made } = await counts();
  expect(made).toBe(1);
  const later = await service.call("GET", paths[1] ?? "");
  expect(later.text).toBe(first[0]?.text);
  expect(await counts()).toMatchObject({ sent: sent + 1, made: 1, bytes: Number(later.headers["content-length"]) });
  // Checked each time all the same: what comes from memory is no less asked for than what is cut.
  expect(service.web.work().statements).toBeGreaterThan(statements);
});

test("a film that has changed on disk is not served from memory", async () => {
  const token = await service.signIn("ada@example.org", goodPassword);
  const [ronin, alien] = [await pictureOf("Ronin", token), await pictureOf("Alien", token)];
  for (const path of [ronin, ronin, alien, alien]) expect((await service.call("GET", path)).status).toBe(200);
  const before = await counts();
  await writeFile(join(library.folder, "Ronin (1998).mp4"), "another film");
  await rm(join(library.folder, "Alien (1979).mp4"));
  expect((await service.call("GET", ronin)).body["code"]).toBe("unplayable");
  // The demuxer has it open and goes on for who watches it, but each time from the file.
  for (const made of [1, 2]) {
    expect((await service.call("GET", alien)).status).toBe(200);
    expect((await counts()).made).toBe(before.made + 1 + made);
  }
  expect((await counts()).sent).toBe(before.sent);
});

test("a segment that lies in memory is refused from the containment on, having been sent a moment before", async () => {
  const token = await service.signIn("ada@example.org", goodPassword);
  const path = await pictureOf("Heat", token);
  const before = await counts();
  const sent = await service.call("GET", path);
  expect(sent.status).toBe(200);
  expect(await counts()).toEqual({ ...before, sent: before.sent + 1 });

  await contain(containNeedsOf(service.ground), {
    mode: "everyone-out",
    keepTools: false,
    reason: "a copy is for sale",
    operator: "test",
  });
  const refused = await service.call("GET", path);
  expect(refused.status).toBe(403);
  expect(refused.headers["content-type"]).toContain("application/problem+json");
  expect(await counts()).toEqual({ ...before, sent: before.sent + 1 });
});
