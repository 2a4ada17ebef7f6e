import { writeFile } from "node:fs/promises";
import type { AccountId } from "../kernel/brand.ts";
import type { Db } from "../db/db.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import { lookUpForm } from "../mail/address.ts";
import { findAccount } from "../accounts/accounts.ts";
import { noticesTo } from "../incidents/notice.ts";
import { deleteAccount } from "../leaving/delete-account.ts";
import { exportAccount } from "../leaving/export-account.ts";
import { titleNames } from "../library/titles.ts";
import { forgetProgress, watchedBy } from "../streaming/progress.ts";
import { withGround } from "./ground.ts";
import { textOf, type Command } from "./command.ts";

async function accountOf(db: Db, keyholder: Keyholder, address: string): Promise<AccountId | null> {
  return (await findAccount(db, await keyholder.index("address", lookUpForm(address)))).accountId;
}

const noSuchAccount = { kind: "refused", error: "no account has this address" } as const;

/** What an operator owes a person who writes instead of clicking: a copy of their data, and its deletion. */
export const accountCommands: readonly Command[] = [
  {
    words: ["account", "export"],
    summary: "write everything that is known about an account, for a person who asks for it",
    arguments: "ADDRESS --output FILE",
    positionals: 1,
    options: { output: { type: "string" } },
    optionHelp: [["--output FILE", "where the JSON goes; a file that exists is not replaced"]],
    examples: ["houselights account export ada@example.org --output ada.json"],
    run: ({ config, log, values, positionals: [address] }) =>
      withGround(config, log, async (ground) => {
        const output = textOf(values, "output");
        if (address === undefined || output === undefined) {
          return { kind: "usage", error: "an address and --output are needed" };
        }
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
        await writeFile(output, `${JSON.stringify(exported, null, 2)}\n`, { flag: "wx", mode: 0o600 });
        return { kind: "done", json: { accountId, output }, lines: [`written to ${output}`] };
      }),
  },
  {
    words: ["account", "delete"],
    summary: "delete an account at once, for a person who asks for it; there is no way back",
    arguments: "ADDRESS --yes",
    positionals: 1,
    options: { yes: { type: "boolean" } },
    optionHelp: [["--yes", "do it; without it the account is named and nothing is touched"]],
    examples: ["houselights account delete ada@example.org --yes"],
    run: ({ config, log, values, positionals: [address] }) =>
      withGround(config, log, async (ground) => {
        if (address === undefined) return { kind: "usage", error: "an address is needed" };
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
      }),
  },
];
