import { operatorIds, type OpenedAccount } from "../accounts/accounts.ts";
import { parseId, type AccountId } from "../kernel/brand.ts";
import { secretText } from "../http/cookies.ts";
import { addOperator, listOperators, removeOperator } from "../credentials/operators.ts";
import { makeOperatorLink } from "../sessions/operator-link.ts";
import { withGround } from "./ground.ts";
import { confirmed, textOf, type Command } from "./command.ts";

const host = "host";

const operatorLine = ({ accountId, name, addresses }: OpenedAccount): string =>
  `${accountId}  ${name}  ${addresses.map(({ address }) => address).join(", ") || "no address"}`;

export const operatorCommands: readonly Command[] = [
  {
    words: ["operator", "link"],
    summary: "print a single-use sign-in link for an operator, good for 10 minutes",
    options: { account: { type: "string" } },
    arguments: "[--account ID]",
    optionHelp: [["--account ID", "this operator; the first one unless given"]],
    examples: ["houselights operator link"],
    run: ({ config, log, values, json }) =>
      withGround(config, log, async (ground) => {
        const asked = textOf(values, "account");
        const account = parseId<AccountId>(asked);
        if (asked !== undefined && account === undefined) {
          return { kind: "usage", error: "--account must be an account id", hint: "houselights operator list" };
        }
        if (account !== undefined && !(await operatorIds(ground.db)).includes(account)) {
          return { kind: "refused", error: "this is no operator's account", hint: "houselights operator list" };
        }
        const { secret } = await makeOperatorLink(ground, account);
        const link = `${config.publicOrigin}/operate#${secretText(secret)}`;
        return json ? { kind: "done", json: { link } } : { kind: "done", lines: [link] };
      }),
  },
  {
    words: ["operator", "list"],
    summary: "list who may run the service",
    examples: ["houselights operator list --json"],
    run: ({ config, log }) =>
      withGround(config, log, async ({ db, keyholders }) => {
        const operators = await listOperators({ db, keyholder: keyholders.operator });
        return {
          kind: "done",
          json: operators.map(({ accountId, name, addresses }) => ({
            accountId,
            name,
            addresses: addresses.map(({ address }) => address),
          })),
          lines:
            operators.length === 0
              ? ["no operator yet; `houselights operator link` makes the first"]
              : operators.map(operatorLine),
        };
      }),
  },
  {
    words: ["operator", "add"],
    summary: "make the account of an address an operator",
    arguments: "ADDRESS",
    positionals: 1,
    examples: ["houselights operator add ada@example.org"],
    run: ({ config, log, positionals: [address] }) =>
      withGround(config, log, async ({ db, keyholders, clock, random }) => {
        if (address === undefined) return { kind: "usage", error: "an address is needed" };
        const added = await addOperator({ db, keyholder: keyholders.operator, clock, random }, address, host);
        if (added.kind !== "added") {
          return { kind: "refused", error: "no account has this address", hint: "they sign up first, at /sign-up" };
        }
        return { kind: "done", json: { accountId: added.accountId }, lines: [`operator added ${added.accountId}`] };
      }),
  },
  {
    words: ["operator", "remove"],
    summary: "make an operator a viewer again",
    arguments: "ID [--yes]",
    positionals: 1,
    options: { yes: { type: "boolean" } },
    optionHelp: [["--yes", "do not ask"]],
    examples: ["houselights operator remove 0199c0de-0000-7000-8000-000000000000"],
    run: (call) =>
      withGround(call.config, call.log, async ({ db, clock, random, keyholders }) => {
        const accountId = parseId<AccountId>(call.positionals[0]);
        if (accountId === undefined) {
          return { kind: "usage", error: "an account id is needed", hint: "houselights operator list" };
        }
        if (call.values["yes"] !== true) {
          const operators = await listOperators({ db, keyholder: keyholders.operator });
          const one = operators.find((operator) => operator.accountId === accountId);
          if (one !== undefined) call.say(operatorLine(one));
          if (!(await confirmed(call, "it may run the service no longer; go on?"))) {
            return { kind: "refused", error: "nobody was removed", hint: "--yes removes without asking" };
          }
        }
        switch (await removeOperator({ db, clock, random }, accountId, host)) {
          case "demoted":
            return { kind: "done", lines: ["operator removed"], json: { accountId } };
          case "last":
            return { kind: "refused", error: "the last operator cannot be removed", hint: "add another one first" };
          case "not-an-operator":
            return { kind: "refused", error: "this account is no operator", hint: "houselights operator list" };
        }
      }),
  },
];
