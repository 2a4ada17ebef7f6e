import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { dayMs, sleep } from "../src/kernel/clock.ts";
import { caseInHand } from "../src/incidents/notice.ts";
import { openLobby, type Lobby, type PresentedPlace } from "../src/renewal/lobby/lobby.ts";
import { placesPerNetwork, placesPerSite, takeNumbers, type Counted } from "../src/renewal/lobby/line.ts";
import { testService } from "./service.ts";

/** P6: whoever floods the lobby from one address takes nobody's place, and nobody's turn. Seconds pass when a test says so. */
const service = await testService();
const { ground, web } = service;

/** A node that serves ten renewals a second, with a line of so many people who all stay. */
async function nodeWithLine(people: number) {
  let nowMs = 0;
  const lobby = await openLobby(
    {
      ...ground,
      keyholder: ground.keyholders.web,
      hashPool: web.hashPool,
      monotonicMs: () => nowMs,
      currentCase: () => caseInHand(ground.db),
    },
    { everyMs: dayMs, hashesPerSecond: () => 20 },
  );
  const look = (presented?: PresentedPlace) => lobby.admit("ask", { presented, network: "127.0.0.1" });
  const waiting: (PresentedPlace | undefined)[] = [];
  while (waiting.length < people) {
    const asked = await Promise.all(Array.from({ length: 50 }, () => look()));
    for (const one of asked) if (one.kind === "waiting") waiting.push(one.place);
  }
  return { lobby, look, waiting, pass: (ms: number) => void (nowMs += ms) };
}

/**
 * So many half seconds pass; those in line ask every two seconds, and the door looks up in between. `meanwhile` is done in
 * every twentieth of a second. @returns who came in.
 */
async function comeIn(
  { lobby, look, waiting, pass }: Awaited<ReturnType<typeof nodeWithLine>>,
  halves: number,
  meanwhile: () => void = () => undefined,
): Promise<readonly PresentedPlace[]> {
  const entered: PresentedPlace[] = [];
  for (let half = 0; half < halves; half++) {
    await lobby.advance();
    for (let part = 0; part < 10; part++) {
      pass(50);
      meanwhile();
      for (const [index, place] of waiting.entries()) {
        if (place === undefined || index % 40 !== (half % 4) * 10 + part) continue;
        void look(place).then((answer) => {
          if (answer.kind !== "in") return;
          entered.push(place);
          waiting[index] = undefined;
        });
      }
      await sleep(12);
    }
  }
  return entered;
}

test("a place that has come in and is shown again and again takes nobody's turn", async () => {
  const node = await nodeWithLine(600);
  const before = await comeIn(node, 20);
  const { called } = node.lobby.state();
  expect(before.length).toBeGreaterThan(60);
  const [copied] = before;
  const answers: ReturnType<Lobby["admit"]>[] = [];
  const during = await comeIn(node, 20, () => {
    for (let show = 0; show < 50; show++) answers.push(node.look(copied));
  });
  // It goes on letting its browser in, for its half hour.
  expect(new Set((await Promise.all(answers)).map(({ kind }) => kind))).toEqual(new Set(["in"]));
  expect(during.length).toBeGreaterThan(0.9 * before.length);
  expect(node.lobby.state().called).toBeGreaterThan(1.8 * called);
  await node.lobby.close();
});

test("an IPv6 /48 has a hundred networks' places and no more, and what one of its networks is refused counts for none of the others", async () => {
  const { caseId } = web.lobby.state();
  const mark = (text: string) => createHash("sha256").update(text).digest();
  const from = (network: string, site: string | null): Counted => ({
    network: mark(network),
    site: site === null ? null : mark(site),
  });
  const take = async (askers: readonly Counted[]) => {
    const { numbers } = await takeNumbers(ground.db, caseId, askers, ground.clock.now());
    return numbers.filter((number) => number !== null).length;
  };
  const times = (count: number, one: Counted) => Array.from({ length: count }, () => one);
  const { limit } = placesPerNetwork;
  // One network floods, and has its own share alone.
  expect(await take(times(2 * placesPerSite, from("flood", "town")))).toBe(limit);
  expect(await take(times(2 * placesPerSite, from("flood", "town")))).toBe(0);
  expect(await take([from("neighbour", "town")])).toBe(1);
  // A hundred of them have the site's; what is left of it is given to the last place.
  const many = Array.from({ length: 100 }, (_none, network) => times(limit, from(`many ${network}`, "town"))).flat();
  expect(await take(many)).toBe(placesPerSite - limit - 1);
  expect(await take([from("one more", "town")])).toBe(0);
  expect(await take([from("elsewhere", "other town"), from("of IPv4", null), from("one more yet", "town")])).toBe(2);
});

test("whoever asks from one IPv6 /48 is counted for it", async () => {
  const node = await nodeWithLine(1);
  const ask = (network: string) => node.lobby.admit("ask", { presented: undefined, network });
  const rows = async () =>
    (await ground.db.one<{ count: number }>(`select count(*)::int as count from lobby_network`))?.count ?? 0;
  const before = await rows();
  for (const network of ["2001:db8:7:1::5", "2001:db8:7:2::5"]) expect((await ask(network)).kind).toBe("waiting");
  // Two networks, and the one /48 around them.
  expect((await rows()) - before).toBe(3);
  await node.lobby.close();
});

test("who asks while numbers cannot be given is told so, and the next one gets theirs", async () => {
  const node = await nodeWithLine(1);
  const ask = () => node.lobby.admit("ask", { presented: undefined, network: "198.51.100.7" });
  expect((await ask()).kind).toBe("waiting");
  await ground.db.run(`alter table lobby_network rename to lobby_network_away`);
  const failed = await Promise.allSettled([ask(), ask()]);
  await ground.db.run(`alter table lobby_network_away rename to lobby_network`);
  expect(failed.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  expect((await ask()).kind).toBe("waiting");
  await node.lobby.close();
});
