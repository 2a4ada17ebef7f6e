import { createHash } from "node:crypto";
import { passkeyCookie } from "../../src/http/cookies.ts";
import type { RouteRow } from "../../src/http/viewer.ts";
import type { Finding } from "./finding.ts";
import type { Person } from "./features/feature.ts";
import { askPasskey } from "./features/passkeys.ts";
import { openClient, type Answer, type Ask } from "./http.ts";
import { controls, lastWithApp } from "./controls.ts";
import type { Populated } from "./populate.ts";
import { silentCount, type Count } from "./steps.ts";
import { leavesOf, writtenBytes, type Haul, type Row, type TakenTable } from "./take.ts";
import { noWayIn, waysIn, type Candidate, type Thief } from "./ways-in.ts";
import type { World } from "./world.ts";

export interface Tried {
  readonly findings: Finding[];
  readonly values: number;
  /** Ways in that let in whom they should. */
  readonly ways: number;
  readonly requests: number;
  /** By way in: how many requests were made. */
  readonly byWay: ReadonlyMap<string, number>;
}

/** Routes that ask for no session and that no way in covers: the kit does not know what to try there. */
export function uncoveredRoutes(routes: readonly RouteRow[]): string[] {
  const covered = new Set([...waysIn.flatMap(({ routes: covers }) => covers), ...Object.keys(noWayIn)]);
  return routes
    .filter(
      ({ access, method }) =>
        (access === "anyone" && !["GET", "HEAD", "OPTIONS"].includes(method)) ||
        access === "grant" ||
        access === "receiver",
    )
    .filter(({ method }) => method !== "HEAD")
    .map(({ method, url }) => `${method} ${url}`)
    .filter((route) => !covered.has(route));
}

/**
 * Tries values of every column of every table on every way in of the real service, over HTTP: `rowsEach` rows of each kind
 * of row there is. Each way in first accepts what it should, or trying it would prove nothing.
 */
export async function tryCredentials(
  world: World,
  populated: Populated,
  haul: Haul,
  rowsEach: number,
  count: Count = silentCount,
): Promise<Tried> {
  const client = openClient(world.port);
  const { people } = populated;
  const byWay = new Map<string, number>();
  const findings = new Map<string, Finding>();
  let values = 0;
  let ways = 0;
  try {
    const [person, other] = people;
    if (person === undefined || other === undefined) throw new Error("nobody is there to be robbed");
    const ask = async (asked: Ask): Promise<Answer> => {
      const answer = await client.ask(asked);
      if (answer.status !== 429) return answer;
      // A thief with any number of accounts and networks is not held up by counts: what counts here is what is accepted.
      await world.db.run("delete from throttle");
      return client.ask(asked);
    };
    for (const way of waysIn) {
      const control = await controls[way.name]?.(world, populated);
      const answer = control === undefined ? undefined : await ask(control);
      if (answer !== undefined && way.accepted(answer)) ways++;
      else {
        const says = `what should be accepted was not (${answer?.status ?? "no control"}), so trying it proves nothing`;
        findings.set(way.name, { class: "untested", where: way.name, says });
      }
    }
    const steps = await openSteps(world, people);
    const thief: Thief = {
      cookie: other.cookie,
      address: person.address,
      addresses: new Map(people.map(({ accountId, address }) => [accountId, address])),
      steps,
      now: world.clock.now(),
      challenge: await ownChallenge(world),
    };
    const candidates = candidatesIn(haul, rowsEach);
    count.expect(candidates.length, "values on every way in");
    for (const [where, candidate] of candidates) {
      values++;
      count.did();
      for (const way of waysIn) {
        const asks = way.asks(candidate, thief);
        if (asks.length > 0) await way.forgetTries?.(world.db);
        byWay.set(way.name, (byWay.get(way.name) ?? 0) + asks.length);
        const answers = await Promise.all(asks.map(ask));
        if (!answers.some((answer) => way.accepted(answer))) continue;
        findings.set(`${where} ${way.name}`, { class: "credential", where, says: `accepted as ${way.name}` });
      }
    }
  } finally {
    client.close();
  }
  const requests = [...byWay.values()].reduce((sum, count) => sum + count, 0);
  return { findings: [...findings.values()], values, ways, requests, byWay };
}

/** A right password of sixty who have an app and whose code of this half minute nobody has typed. */
async function openSteps(world: World, people: readonly Person[]): Promise<Map<string, string>> {
  const steps = new Map<string, string>();
  const typed = lastWithApp(people);
  const some = people.filter((person) => person.totpKey !== "" && person !== typed).slice(0, 60);
  for (const { accountId, address, password, network } of some) {
    const asked = await world.done("POST", "/api/sessions", {
      body: { address, password, token: true },
      from: network,
    });
    steps.set(accountId, world.wentSecret("a sign-in's step", String(asked.body["step"])));
  }
  return steps;
}

async function ownChallenge(world: World): Promise<Thief["challenge"]> {
  const { publicOrigin } = world.service.ground.config;
  const asked = await askPasskey(world, "/api/sessions/passkey/options", {});
  // The digest of the host's name, "present and verified", and a count of nothing (Web Authentication section 6.1).
  const host = createHash("sha256").update(new URL(publicOrigin).hostname).digest();
  return {
    text: String(asked.options["challenge"]),
    browser: asked.cookies[passkeyCookie] ?? "",
    origin: publicOrigin,
    authenticatorData: Buffer.concat([host, Buffer.from([5, 0, 0, 0, 0])]).toString("base64url"),
  };
}

/** Values of one field that are tried: kinds of row have more in common than apart. An id is like every other id. */
const mostOfField = (type: string, rowsEach: number): number => (type === "uuid" ? 1 : 5) * rowsEach;

/** Each value once, with what else is in its row. */
function candidatesIn(haul: Haul, rowsEach: number): [string, Candidate][] {
  const seen = new Set<string>();
  const ofField = new Map<string, number>();
  const found: [string, Candidate][] = [];
  for (const table of haul.tables) {
    for (const row of rowsOfEachKind(table, rowsEach)) {
      const ids = table.columns.flatMap(({ type }, at) => {
        const cell = row[at];
        return type === "uuid" && typeof cell === "string" ? [cell] : [];
      });
      const leaves = table.columns.flatMap(({ name, type }, at) => {
        const cell = row[at];
        if (cell === null || cell === undefined || /^(timestamp|boolean|bigint|integer|smallint|double)/.test(type))
          return [];
        return leavesOf(type, cell)
          .slice(0, 40)
          .map((leaf) => ({ ...leaf, type, where: `${table.name}.${name}${leaf.path}` }));
      });
      const secrets = leaves.flatMap(({ text, bytes }) => {
        const written = text === null ? bytes : writtenBytes(text);
        return written !== undefined && written.length >= 16 && written.length <= 64
          ? [written.toString("base64url")]
          : [];
      });
      for (const { where, type, text, bytes } of leaves) {
        const written = writtenBytes(text) ?? bytes;
        const key = written.toString("latin1", 0, 4_096);
        if (bytes.length < 4 || seen.has(key)) continue;
        seen.add(key);
        const before = ofField.get(where) ?? 0;
        if (before >= mostOfField(type, rowsEach)) continue;
        ofField.set(where, before + 1);
        found.push([where, { spellings: spellingsOf(text, written), bytes: written, row: { ids, secrets } }]);
      }
    }
  }
  return found;
}

/** As it is, and as bytes are written where the service takes them: what is longer than any credential is sent as far as one would go. */
function spellingsOf(text: string | null, bytes: Buffer): string[] {
  const cut = bytes.subarray(0, 160);
  const plain = text === null ? [cut.toString("hex")] : [text.slice(0, 400), bytes.toString("utf8", 0, 400)];
  return [...new Set([cut.toString("base64url"), ...plain])];
}

/** Some rows of every kind: kinds are told apart by the columns that have few values, and by what is null. */
function rowsOfEachKind(table: TakenTable, each: number): Row[] {
  const few = table.columns.map(({ type }, at) => {
    if (type !== "text" && type !== "boolean") return false;
    const distinct = new Set(table.rows.slice(0, 2_000).map((row) => row[at]));
    return distinct.size <= 12;
  });
  const kinds = new Map<string, number>();
  return table.rows.filter((row) => {
    const kind = row.map((cell, at) => (few[at] === true ? String(cell) : cell === null ? "-" : "+")).join("\u0001");
    const before = kinds.get(kind) ?? 0;
    kinds.set(kind, before + 1);
    return before < each;
  });
}
