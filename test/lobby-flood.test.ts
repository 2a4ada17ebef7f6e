import { expect, test } from "vitest";
import { dayMs, sleep } from "../src/kernel/clock.ts";
import { caseInHand } from "../src/incidents/notice.ts";
import { openLobby, type Lobby, type PresentedPlace } from "../src/renewal/lobby/lobby.ts";
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
