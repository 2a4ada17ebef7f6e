import type { AccountId } from "../kernel/brand.ts";
import { toIso } from "../kernel/clock.ts";
import { noticesTo } from "../incidents/notice.ts";
import { deleteAccount } from "../leaving/delete-account.ts";
import { exportAccount } from "../leaving/export-account.ts";
import { cancelRecovery, startRecovery } from "../renewal/recovery.ts";
import { titleNames } from "../library/titles.ts";
import { forgetProgress, watchedBy } from "../streaming/progress.ts";
import { accountOf } from "./account-of.ts";
import { withGround } from "./ground.ts";
import { textOf, type Command, type Outcome } from "./command.ts";
import { refuseNew, writeNamed } from "./write-named.ts";

const noSuchAccount = { kind: "refused", error: "no account has this address" } as const;

/** What an operator owes a person who writes instead of clicking: a copy of their data, its deletion, and a way back. */
export const accountCommands: readonly Command[] = [
  {
    words: ["account", "export"],
    summary: "write everything that is known about an account, for a person who asks for it",
    arguments: "ADDRESS --output FILE",
    positionals: 1,
    options: { output: { type: "string" } },
    optionHelp: [["--output FILE", "where the JSON goes; a file that exists is not replaced"]],
    examples: ["houselights account export ada@example.org --output ada.json"],
    run: async ({ config, log, values, positionals: [address] }) => {
      const output = textOf(values, "output");
      if (address === undefined || output === undefined) {
        return { kind: "usage", error: "an address and --output are needed" };
      }
      // Before anything is read: the account's events and the record would tell of an export that nobody has got.
      const taken = await refuseNew("--output", output);
      if (taken !== undefined) return taken;
      return withGround(config, log, async (ground): Promise<Outcome> => {
        const { db, clock, random } = ground;
        const keyholder = ground.keyholders.operator;
        const accountId = await accountOf(db, keyholder, address);
        if (accountId === null) return noSuchAccount;
        const needs = {
          db,
          keyholder,
          clock,
          random,
          watched: watchedBy(db, (ids) => titleNames(db, ids)),
          noticesTo: (id: AccountId) => noticesTo(db, id),
        };
        const exported = await exportAccount(needs, accountId, { by: "host", asking: null });
        if (exported === undefined) return noSuchAccount;
        const refused = await writeNamed("--output", output, `${JSON.stringify(exported, null, 2)}\n`, "wx");
        if (refused !== undefined) return refused;
        return { kind: "done", json: { accountId, output }, lines: [`written to ${output}`] };
      });
    },
  },
  {
    words: ["account", "delete"],
    summary: "delete an account at once, for a person who asks for it; there is no way back",
    arguments: "ADDRESS --yes",
    positionals: 1,
    options: { yes: { type: "boolean" } },
    optionHelp: [["--yes", "do it; without it the account is named and nothing is touched"]],
    examples: ["houselights account delete ada@example.org --yes"],
    run: async ({ config, log, values, positionals: [address] }) => {
      if (address === undefined) return { kind: "usage", error: "an address is needed" };
      return withGround(config, log, async (ground): Promise<Outcome> => {
        const { db, clock, random } = ground;
        const keyholder = ground.keyholders.operator;
        const accountId = await accountOf(db, keyholder, address);
        if (accountId === null) return noSuchAccount;
        if (values["yes"] !== true) {
          return { kind: "refused", error: `account ${accountId} would be deleted`, hint: "--yes deletes it" };
        }
        switch (
          await deleteAccount({ db, keyholder, clock, random, forgetProgress }, accountId, { by: "host", due: false })
        ) {
          case "deleted":
            return { kind: "done", json: { accountId }, lines: [`deleted ${accountId}`] };
          case "last-operator":
            return { kind: "refused", error: "the last operator cannot be deleted", hint: "add another one first" };
          case "no-such-account":
          case "not-due":
            return noSuchAccount;
        }
      });
    },
  },
  {
    words: ["account", "recover"],
    summary: "start the way back of somebody who has lost every other, or end it",
    arguments: "ADDRESS --to NEW-ADDRESS [--without-second-factor] | ADDRESS --cancel",
    positionals: 1,
    options: {
      to: { type: "string" },
      "without-second-factor": { type: "boolean" },
      cancel: { type: "boolean" },
    },
    optionHelp: [
      [
        "--to NEW-ADDRESS",
        "an address that the owner was identified with in some other way; it can renew after 72 hours",
      ],
      ["--without-second-factor", "after 7 days, and the second factor is turned off"],
      ["--cancel", "end the recovery that is under way"],
    ],
    examples: ["houselights account recover ada@example.org --to ada@example.net"],
    run: async ({ config, log, values, positionals: [address] }) => {
      const to = textOf(values, "to");
      if (address === undefined || (to === undefined) !== (values["cancel"] === true)) {
        return { kind: "usage", error: "an address and either --to or --cancel are needed" };
      }
      return withGround(config, log, async ({ db, clock, random, keyholders }): Promise<Outcome> => {
        const keyholder = keyholders.operator;
        const accountId = await accountOf(db, keyholder, address);
        if (accountId === null) return noSuchAccount;
        const needs = { db, keyholder, clock, random };
        if (to === undefined) {
          return (await cancelRecovery(needs, accountId, "host"))
            ? { kind: "done", json: { accountId }, lines: ["the recovery is ended"] }
            : { kind: "refused", error: "no recovery of this account is under way" };
        }
        const withoutSecondFactor = values["without-second-factor"] === true;
        const outcome = await startRecovery(needs, { accountId, address: to, withoutSecondFactor, by: "host" });
        switch (outcome.kind) {
          case "started": {
            const [readyAt, expiresAt] = [toIso(outcome.readyAt), toIso(outcome.expiresAt)];
            const lines = [`the new address can renew from ${readyAt} to ${expiresAt}`];
            return { kind: "done", json: { accountId, readyAt, expiresAt }, lines };
          }
          case "address-refused":
            return { kind: "refused", error: `the new address cannot be used: ${outcome.reason}` };
          case "full":
            return { kind: "refused", error: "the account has as many addresses as it can have" };
          case "nobody-to-tell":
            return { kind: "refused", error: "the account has no address that could be told" };
          case "under-way":
            return { kind: "refused", error: "a recovery of this account is under way", hint: "--cancel ends it" };
          case "contained":
            return { kind: "refused", error: "a containment came between", hint: "start it again" };
          case "no-such-account":
            return noSuchAccount;
        }
      });
    },
  },
];
