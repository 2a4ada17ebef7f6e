import { parseId, type AccountId } from "../kernel/brand.ts";
import { messageOf } from "../kernel/fault.ts";
import { numbered } from "../kernel/numbered.ts";
import { migrate } from "../db/migrate.ts";
import { mebibytes, openReserve } from "../db/reserve.ts";
import { contain, containAccount, countWithinMs } from "../incidents/contain.ts";
import { containedReply, wouldContain } from "../incidents/would-contain.ts";
import { despiteFullDisk } from "../incidents/despite-full-disk.ts";
import { deadlineRules } from "../incidents/deadlines.ts";
import { readDeadlines } from "../incidents/read-deadlines.ts";
import { wayOutOf } from "../incidents/plan.ts";
import { keyPurposes } from "../keyholder/keys.ts";
import { rotateKeys } from "../rotation/rotate.ts";
import { listIncidents } from "../incidents/status.ts";
import type { Plan } from "../wire/campaign.ts";
import type { Contained } from "../wire/incidents.ts";
import { refuseTooLong } from "./case.ts";
import { confirmed, figure, instant, textOf, type Call, type Command, type Outcome } from "./command.ts";
import { diskLines } from "./disk-lines.ts";
import { expectTables, withContainmentGround, withGround } from "./ground.ts";

const operator = "host" as const;

/** `given`: the options that a dry run was given, for the command that it leads to. */
function containedLines(contained: Contained, { isTelling = false, given = "" } = {}): string[] {
  const head =
    contained.kind === "would-contain"
      ? `would contain, epoch ${contained.epoch}; nothing was touched`
      : `contained at ${instant(contained.at)} (${Math.max(1, Math.round(contained.commitMs))} ms), epoch ${contained.epoch}`;
  const after = isTelling ? "houselights incident status" : "houselights incident notify --plan";
  const next = contained.kind === "would-contain" ? `houselights incident contain${given}` : after;
  return [
    head,
    `  case                  ${contained.reference}`,
    `  next                  ${next}`,
    `  floors                ${contained.floors.join(", ") || "none: one account is contained by its generation"}`,
    ...countedLines(contained),
    ...operatorLines(contained),
    ...receiverLines(contained),
    ...(contained.witness === "owed"
      ? ["  witness               owed: the keyholder did not answer; nothing else starts until it has been told"]
      : []),
    ...(contained.reserve === undefined
      ? []
      : [
          `  disk                  it was full: ${mebibytes(contained.reserve.givenUpBytes)} of reserve were given up, ` +
            `${mebibytes(contained.reserve.leftBytes)} are left`,
          "                        free 128 MiB or more before anything else: until then nobody can renew, and no letter goes",
        ]),
    ...(contained.letters === undefined ? [] : dryRunLines(contained.letters)),
  ];
}

function countedLines({ counted, countedMs }: Contained): string[] {
  if (counted === null) {
    return [
      "  counted               not here: that takes longer than containing waits for; " +
        "`incident contain --dry-run` counts to the end",
    ];
  }
  const { passwords, sessions, links, tickets, totps, recoveryCodes, passkeysStillGood } = counted;
  const factors =
    totps + recoveryCodes === 0
      ? ""
      : ` · ${numbered(totps, "authenticator app")} · ${numbered(recoveryCodes, "recovery code")}`;
  const isNothing = passwords + sessions + links + tickets + totps + recoveryCodes === 0;
  return [
    `  counted (${(countedMs / 1_000).toFixed(1)} s)       refused from now on: ${numbered(passwords, "password")} · ` +
      `${numbered(sessions, "session")} · ${numbered(links, "link")} · ${numbered(tickets, "ticket")}${factors}`,
    ...(isNothing ? ["                        nothing of that was good any more"] : []),
    `                        still good: ${numbered(passkeysStillGood, "passkey")}`,
  ];
}

/** So many new operators are named by a containment; the list has them all. */
const mostShown = 10;

/** Whose role counts, and each who was named since the copy may have been taken. */
function operatorLines({ kind, operators = [] }: Contained): string[] {
  if (operators.length === 0) return [];
  const counting = operators.filter(({ counts }) => counts).length;
  const isNow = kind === "contained";
  const line = (text: string): string => `                        ${text}`;
  const strange = operators.filter(({ isNew, counts }) => isNew || !counts);
  return [
    `  operators             ${figure(counting)} of ${figure(operators.length)} ${isNow ? "count" : "would count"}` +
      (counting === operators.length ? "" : ` until somebody keeps the others: houselights operator list`),
    ...strange
      .slice(0, mostShown)
      .map(({ accountId, named, counts }) =>
        line(
          `${accountId} ${named === null ? "named behind the record's back" : `named ${instant(named.at)} by ${named.by}`}` +
            (counts ? ", counts" : ""),
        ),
      ),
    ...(strange.length > mostShown ? [line(`and ${figure(strange.length - mostShown)} more`)] : []),
  ];
}

/** Their tokens go on: other services have to be told on this day. */
function receiverLines({ receivers }: Contained): string[] {
  if (receivers === undefined || receivers.newOnes.length === 0) return [];
  const { all, newOnes } = receivers;
  return [
    `  relying services      ${figure(newOnes.length)} of ${figure(all)} with a token made since then: ` +
      "houselights signals list, then signals end-tokens or remove",
    ...newOnes.slice(0, mostShown).map((name) => `                        ${name}`),
  ];
}

/** What telling everybody would take, before anything is done. */
function dryRunLines({ inScope, withAddress, withoutAddress, terms, end, cost, deadlines }: Plan): string[] {
  return [
    `  to tell               ${numbered(inScope, "account")}: ${figure(withAddress)} by letter, ${figure(withoutAddress)} without an address`,
    `  letters cost          ${cost.says}`,
    ...terms.map(({ term, reason }) => `  ${term.padEnd(22)}${reason}`),
    `  letters end           ${end.says}`,
    ...deadlines.map(({ title, outlook, says }) => `  ${outlook.padEnd(22)}${title} (${says})`),
  ];
}

type ContainmentGround = Parameters<typeof contain>[0];
interface Contains {
  readonly kind: "contained";
  readonly outcome: Parameters<typeof containedReply>[0];
  readonly isTelling: boolean;
}

async function runContain(call: Call): Promise<Outcome> {
  const { config, log, values } = call;
  // A blank one is none: it stands in the record for good, and in the letter's draft.
  const given = textOf(values, "reason")?.trim();
  const reason = given === "" ? undefined : given;
  const tooLong = refuseTooLong(reason, "reason");
  if (tooLong !== undefined) return tooLong;
  const accountText = textOf(values, "account");
  const account = parseId<AccountId>(accountText);
  if (accountText !== undefined && account === undefined)
    return { kind: "usage", error: "--account must be an account id" };
  const mode = values["with-renewal"] === true ? "with-renewal" : "everyone-out";
  const keepTools = values["keep-tools"] === true;
  const keysReachable = values["keys"] === true;
  const isDryRun = values["dry-run"] === true;
  if (account !== undefined) {
    if (keysReachable) {
      return { kind: "usage", error: "--keys and --account exclude each other: keys are everybody's" };
    }
    // If it were ignored, what somebody has asked to spare would be signed out.
    const spares = (["with-renewal", "keep-tools"] as const).find((name) => values[name] === true);
    if (spares !== undefined) {
      return {
        kind: "usage",
        error: `--${spares} and --account exclude each other: one account is signed out everywhere`,
      };
    }
  }
  let hasAgreed = values["yes"] === true;
  const containOnce = async (ground: ContainmentGround): Promise<Outcome | Contains> => {
    await expectTables(ground.db);
    // As every command does: this one is given by whatever version stands on the host at that hour.
    await migrate(ground.db);
    const { incidents } = await listIncidents(ground.db);
    const inHand = incidents.find(({ state }) => state !== "closed");
    if (inHand === undefined && reason === undefined && !isDryRun) {
      return {
        kind: "usage",
        error: "--reason is needed to open a case",
        hint: 'houselights incident contain --reason "database copy offered for sale"',
      };
    }
    if (isDryRun || !hasAgreed) {
      // Nobody is kept from containing by a file of deadlines.
      const deadlines = await readDeadlines(config.deadlines).catch((thrown: unknown) => {
        log.warn({ reason: messageOf(thrown) }, "deadlines of your own are left out");
        return deadlineRules;
      });
      const needs = { ...ground, wayOut: wayOutOf(config), deadlines };
      // Who is asked whether to contain is not kept from it by counting.
      const withinMs = isDryRun ? null : countWithinMs;
      const would = await wouldContain(needs, inHand ?? null, {
        mode,
        keepTools,
        account,
        keysReachable,
        withinMs,
        operator,
      });
      if (would === undefined) return { kind: "refused", error: "there is no such account" };
      const lines = containedLines(would, { given: optionsOf(call, inHand === undefined) });
      if (isDryRun) return { kind: "done", json: would, lines: [...lines, ...(await diskLines(config))] };
      for (const line of lines) call.say(line);
      if (!(await confirmed(call, "refuse all of this now? there is no undo"))) {
        return { kind: "refused", error: "nothing was touched", hint: "--yes contains without asking" };
      }
      // Begun again on a full disk, it does not ask again.
      hasAgreed = true;
    }
    const order = { mode, keepTools, keysReachable, reason: reason ?? inHand?.reason ?? "", operator } as const;
    const outcome = account === undefined ? await contain(ground, order) : await containAccount(ground, account, order);
    if (outcome.kind === "no-such-account") return { kind: "refused", error: "there is no such account" };
    const isTelling = inHand?.state === "notifying" || inHand?.state === "readmitting";
    return { kind: "contained", outcome, isTelling };
  };
  // Looking gives nothing up.
  const kept = isDryRun || config.databaseUrl !== null ? undefined : openReserve({ dataDir: config.dataDir, log });
  const { result, givenUp } = await despiteFullDisk({ reserve: kept, log }, (reserve) =>
    withContainmentGround(config, log, (ground) => containOnce({ ...ground, reserve })),
  );
  if (result.kind !== "contained") return result;
  const reply = containedReply(result.outcome, givenUp);
  const contained = { kind: "done", json: reply, lines: containedLines(reply, result) } as const;
  if (!keysReachable) {
    if (!reply.floors.includes("totp")) return contained;
    // The case said it, and nobody has asked for new keys.
    return withKeysLine(contained, "NOT changed, and the case says they were within reach: houselights keys rotate");
  }
  // After the commit: containing waits for nothing, the keys included.
  const rotated = await withGround(config, log, ({ db, keyholders, clock, random }) =>
    rotateKeys({ db, keys: keyholders.keeper.keys, clock, random }),
  ).catch((thrown: unknown) => {
    // Whatever it is: the containment is in force, and has to be told.
    return { kind: "refused" as const, reason: messageOf(thrown), left: keyPurposes };
  });
  const said =
    rotated.kind === "rotated"
      ? "new ones are in use; old rows are sealed again: houselights keys status, then keys retire"
      : rotated.left.length === keyPurposes.length
        ? `NOT changed: ${rotated.reason}; houselights keys rotate`
        : `NOT changed for ${rotated.left.join(", ")}: ${rotated.reason}; houselights keys rotate --purpose NAME for each`;
  return withKeysLine(contained, said);
}

const withKeysLine = (contained: Extract<Outcome, { kind: "done" }>, said: string): Outcome => ({
  kind: "done",
  json: { ...(contained.json as Contained), keys: said },
  lines: [...(contained.lines ?? []), `  keys                  ${said}`],
});

/** The options of a dry run as its containment takes them. */
const optionsOf = ({ values }: Pick<Call, "values">, opensCase: boolean): string =>
  [
    ...(opensCase ? ["--reason TEXT"] : []),
    ...(["with-renewal", "keep-tools", "keys"] as const)
      .filter((name) => values[name] === true)
      .map((name) => `--${name}`),
    ...(typeof values["account"] === "string" ? [`--account ${values["account"]}`] : []),
  ]
    .map((option) => ` ${option}`)
    .join("");

export const containCommand: Command = {
  words: ["incident", "contain"],
  summary: "refuse everything made before now: the one command",
  arguments: "[--reason TEXT] [--with-renewal] [--keep-tools] [--keys] [--account ID] [--dry-run] [--yes]",
  options: {
    reason: { type: "string" },
    "with-renewal": { type: "boolean" },
    "keep-tools": { type: "boolean" },
    keys: { type: "boolean" },
    account: { type: "string" },
    "dry-run": { type: "boolean" },
    yes: { type: "boolean" },
  },
  optionHelp: [
    ["--reason TEXT", "opens the case if none is open"],
    ["--with-renewal", "spare sessions until their account renews"],
    ["--keep-tools", "spare tool tokens"],
    ["--keys", "the keys could be read: refuse TOTP and recovery codes too, and make new keys"],
    ["--account ID", "this account only"],
    ["--dry-run", "count, touch nothing"],
    ["--yes", "do not ask"],
  ],
  examples: [
    'houselights incident contain --reason "database copy offered for sale"',
    "houselights incident contain --dry-run --json",
  ],
  run: runContain,
};
