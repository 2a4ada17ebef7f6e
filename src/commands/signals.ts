import type { Ground } from "../app.ts";
import { parseId } from "../kernel/brand.ts";
import { readInstant, toIso } from "../kernel/clock.ts";
import { numbered } from "../kernel/numbered.ts";
import { refuseOrigin } from "../signals/endpoint.ts";
import {
  addReceiver,
  endTokens,
  isTokenNewSince,
  listReceivers,
  removeReceiver,
  renewToken,
  tokenText,
  type ListedReceiver,
} from "../signals/receivers.ts";
import { confirmed, figure, instant, textOf, type Call, type Command, type Outcome } from "./command.ts";
import { withGround } from "./ground.ts";

const host = "host";
const isPlain = (text: string, most: number): boolean =>
  text.length >= 1 && text.length <= most && !/\p{Cc}/u.test(text);

/** Runs a command on the relying service that `--name` names, by its id or by the name it was given. */
async function onReceiver(
  call: Call,
  work: (ground: Ground, receiver: ListedReceiver) => Promise<Outcome>,
): Promise<Outcome> {
  const hint = "houselights signals list";
  const asked = textOf(call.values, "name");
  if (asked === undefined) return { kind: "usage", error: "--name is needed", hint };
  return withGround(call.config, call.log, async (ground): Promise<Outcome> => {
    const [found, ...others] = (await listReceivers(ground.db)).filter(
      ({ id, name }) => name === asked || id === parseId(asked),
    );
    if (found === undefined) return { kind: "refused", error: "there is no such relying service", hint };
    if (others.length > 0) return { kind: "refused", error: "several have this name; give the id", hint };
    if (call.values["yes"] !== true) for (const line of receiverLines(found)) call.say(line);
    return work(ground, found);
  });
}

const nameOption = { name: { type: "string" } } as const;
const nameHelp = ["--name NAME", "the relying service, by its name or id"] as const;

function receiverLines({
  id,
  name,
  tokenExpiresAt,
  tokenMade,
  addressesBecause,
  pushOrigin,
  streams,
}: ListedReceiver): string[] {
  return [
    `${name}  ${id}`,
    `  token good until      ${instant(toIso(tokenExpiresAt))}`,
    `  token made            ${tokenMade === null ? "the record knows nothing of it" : `${instant(toIso(tokenMade.notBefore ?? tokenMade.at))} by ${tokenMade.by}`}`,
    `  is told addresses     ${addressesBecause ?? "no"}`,
    `  may be pushed to      ${pushOrigin ?? "no: it polls"}`,
    ...streams.flatMap((stream) => [
      `  stream ${stream.id}  ${stream.method}, ${stream.status}${stream.statusReason === null ? "" : ` (${stream.statusReason})`}`,
      `    taken ${figure(stream.taken)} · waiting ${figure(stream.waiting)} · refused ${figure(stream.refused)} · dropped ${figure(stream.dropped)}` +
        (stream.takenAt === null ? "" : ` · last ${instant(toIso(stream.takenAt))}`) +
        (stream.verifying ? " · a verification waits" : "") +
        (stream.failures === 0 ? "" : ` · ${numbered(stream.failures, "push", "pushes")} in a row failed`),
    ]),
  ];
}

export const signalCommands: readonly Command[] = [
  {
    words: ["signals", "add"],
    summary: "let a relying service subscribe to security signals; prints its token once",
    arguments: "--name NAME --audience URL [--push-origin ORIGIN] [--addresses REASON]",
    options: {
      name: { type: "string" },
      audience: { type: "string" },
      "push-origin": { type: "string" },
      "private-network": { type: "boolean" },
      addresses: { type: "string" },
    },
    optionHelp: [
      ["--name NAME", "what operators call it"],
      ["--audience URL", "what its tokens are addressed to, as agreed with it"],
      ["--push-origin ORIGIN", "where signals may be pushed to; without it the service polls"],
      ["--private-network", "that origin may be in a private network (10.0.0.0/8 and the like)"],
      ["--addresses REASON", "it may name accounts by address, for this reason"],
    ],
    examples: [
      "houselights signals add --name Music --audience https://music.example/signals --push-origin https://music.example",
    ],
    run: async (call) => {
      const { values, config } = call;
      const name = textOf(values, "name");
      const audience = textOf(values, "audience");
      if (name === undefined || !isPlain(name, 60)) {
        return { kind: "usage", error: "--name is needed: at most 60 characters" };
      }
      if (audience === undefined || !/^[\x21-\x7e]{1,300}$/.test(audience)) {
        return {
          kind: "usage",
          error: "--audience is needed: at most 300 characters without spaces",
          hint: "--audience https://music.example/signals",
        };
      }
      const origin = textOf(values, "push-origin")?.replace(/\/$/, "") ?? null;
      const rule = origin === null ? undefined : refuseOrigin(origin, config);
      if (rule !== undefined) return { kind: "usage", error: `--push-origin ${rule}` };
      const because = textOf(values, "addresses") ?? null;
      if (because !== null && !isPlain(because, 200)) {
        return { kind: "usage", error: "--addresses needs a reason of at most 200 characters" };
      }
      return withGround(config, call.log, async (ground): Promise<Outcome> => {
        const added = await addReceiver(
          { ...ground, keyholder: ground.keyholders.operator },
          {
            name,
            audience,
            pushOrigin: origin,
            privateNetwork: values["private-network"] === true,
            addressesBecause: because,
            by: host,
          },
        );
        if (added === undefined) return { kind: "refused", error: "another relying service has this audience" };
        const { id, token, expiresAt } = added;
        return {
          kind: "done",
          json: { id, token: tokenText(token), expiresAt: toIso(expiresAt) },
          lines: [
            `added ${name}  ${id}`,
            `  token                 ${tokenText(token)}`,
            `  good until            ${instant(toIso(expiresAt))}; it is shown this once`,
            `  it finds the rest at  ${config.publicOrigin}/.well-known/ssf-configuration`,
          ],
        };
      });
    },
  },
  {
    words: ["signals", "list"],
    summary: "which relying services there are, with their streams and what waits for them",
    examples: ["houselights signals list"],
    run: (call) =>
      withGround(call.config, call.log, async ({ db }): Promise<Outcome> => {
        const receivers = await listReceivers(db);
        return {
          kind: "done",
          json: receivers.map((one) => ({
            ...one,
            tokenExpiresAt: toIso(one.tokenExpiresAt),
            tokenMade: one.tokenMade && {
              at: toIso(one.tokenMade.notBefore ?? one.tokenMade.at),
              by: one.tokenMade.by,
            },
          })),
          lines: receivers.length === 0 ? ["no relying service is told anything"] : receivers.flatMap(receiverLines),
        };
      }),
  },
  {
    words: ["signals", "token"],
    summary: "give a relying service another token; the one before opens nothing from then on",
    arguments: "--name NAME [--yes]",
    options: { ...nameOption, yes: { type: "boolean" } },
    optionHelp: [nameHelp, ["--yes", "without asking"]],
    examples: ["houselights signals token --name Music"],
    run: (call) =>
      onReceiver(call, async (ground, { id }) => {
        if (!(await confirmed(call, "its token opens nothing from then on, until it has the new one; go on?"))) {
          return { kind: "refused", error: "no token was made", hint: "--yes makes one without asking" };
        }
        const renewed = await renewToken(ground, id, host);
        if (renewed === undefined) return { kind: "refused", error: "there is no such relying service" };
        const { token, expiresAt } = renewed;
        return {
          kind: "done",
          json: { id, token: tokenText(token), expiresAt: toIso(expiresAt) },
          lines: [
            `token                 ${tokenText(token)}`,
            `good until            ${instant(toIso(expiresAt))}; it is shown this once`,
          ],
        };
      }),
  },
  {
    words: ["signals", "end-tokens"],
    summary: "end relying services' tokens, all or those made since an instant; each needs another then",
    arguments: "[--since INSTANT] [--yes]",
    options: { since: { type: "string" }, yes: { type: "boolean" } },
    optionHelp: [
      ["--since INSTANT", "only those made then or later, and those that the record knows nothing of"],
      ["--yes", "without asking"],
    ],
    examples: ["houselights signals end-tokens --since 2026-11-22T20:00:00Z"],
    run: (call) => {
      const typed = textOf(call.values, "since");
      const since = typed === undefined ? undefined : readInstant(typed);
      if (typed !== undefined && since === undefined) {
        return Promise.resolve({ kind: "usage", error: "--since must be an instant of ISO 8601" } as const);
      }
      return withGround(call.config, call.log, async (ground): Promise<Outcome> => {
        const all = await listReceivers(ground.db);
        const some = since === undefined ? all : all.filter((one) => isTokenNewSince(one, since));
        if (some.length === 0) return { kind: "done", json: { ended: 0 }, lines: ["no token to end"] };
        if (call.values["yes"] !== true) {
          for (const line of some.flatMap(receiverLines)) call.say(line);
        }
        if (!(await confirmed(call, "their tokens open nothing from then on, until each has another; go on?"))) {
          return { kind: "refused", error: "no token was ended", hint: "--yes ends them without asking" };
        }
        const ended = await endTokens(
          ground,
          some.map(({ id }) => id),
          host,
        );
        return {
          kind: "done",
          json: { ended },
          lines: [
            `${numbered(ended, "token")} ended; houselights signals token makes another, signals remove takes a service out`,
          ],
        };
      });
    },
  },
  {
    words: ["signals", "remove"],
    summary: "take a relying service out, with its streams and whatever waits for them",
    arguments: "--name NAME [--yes]",
    options: { ...nameOption, yes: { type: "boolean" } },
    optionHelp: [nameHelp, ["--yes", "without asking"]],
    examples: ["houselights signals remove --name Music --yes"],
    run: (call) =>
      onReceiver(call, async (ground, { id }) => {
        if (!(await confirmed(call, "it is told nothing more from then on; go on?"))) {
          return { kind: "refused", error: "nothing was removed", hint: "--yes removes without asking" };
        }
        return (await removeReceiver(ground, id, host))
          ? { kind: "done", json: { id }, lines: ["removed"] }
          : { kind: "refused", error: "there is no such relying service" };
      }),
  },
];
