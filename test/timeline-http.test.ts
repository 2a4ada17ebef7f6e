import { expect, test } from "vitest";
import { silentLog } from "../src/kernel/log.ts";
import { integrate } from "../src/timeline/integrate.ts";
import { publishTiles, timelineFolder } from "../src/timeline/publish.ts";
import { asCookie, goodPassword, testService } from "./service.ts";

const service = await testService();
await service.account("ada@example.org", goodPassword);
const viewer = await service.signIn("ada@example.org", goodPassword);
const operator = await service.operator();

test("operators read checkpoint, tiles and entries, and nobody else learns even whether the record grew", async () => {
  const paths = ["/timeline/checkpoint", "/timeline/tile/0/000.p/SIZE", "/timeline/tile/entries/000.p/SIZE"];
  const before = await service.call("GET", "/timeline/checkpoint", { cookies: asCookie(operator) });
  expect(before.status).toBe(404);

  const { ground } = service;
  const { db } = ground;
  const { id: databaseId } = (await db.one<{ id: string }>("select id from instance"))!;
  const { head } = await integrate({ ...ground, keyholder: ground.keyholders.mailer, databaseId });
  await publishTiles({ db, folder: timelineFolder(ground.config.dataDir), log: silentLog });
  expect(head.size).toBeGreaterThan(2);
  for (const path of paths.map((one) => one.replace("SIZE", String(head.size)))) {
    const read = await service.call("GET", path, { cookies: asCookie(operator) });
    expect([path, read.status]).toEqual([path, 200]);
    const isCheckpoint = path.endsWith("checkpoint");
    expect(read.headers["content-type"]).toBe(isCheckpoint ? "text/plain; charset=utf-8" : "application/octet-stream");
    expect(read.headers["cache-control"]).toBe(isCheckpoint ? "no-store" : "private, max-age=31536000, immutable");
    expect((await service.call("GET", path, { cookies: asCookie(viewer) })).status).toBe(403);
    expect((await service.call("GET", path)).status).toBe(401);
  }
  const entries = await service.call("GET", `/timeline/tile/entries/000.p/${head.size}`, {
    cookies: asCookie(operator),
  });
  expect(entries.text).toContain(`"kind":"account created"`);
  expect(entries.text).not.toContain("ada@example.org");
});

test("a path that is no tile's opens nothing, whatever it names", async () => {
  for (const path of [
    "0/000/..%2f..%2f..%2fcheckpoint",
    "..%2f..%2fkeys",
    "0/%2e%2e/000",
    "0/1",
    "9/000",
    "entries/001",
    "0/000%00",
  ]) {
    const read = await service.call("GET", `/timeline/tile/${path}`, { cookies: asCookie(operator) });
    expect([path, read.status]).toEqual([path, 404]);
  }
});
