import { operatorIds } from "../accounts/accounts.ts";
import { operatorsThatCount } from "../credentials/added-since.ts";
import { parseId, type AccountId } from "../kernel/brand.ts";
import { secretText } from "../http/cookies.ts";
import {
  addOperator,
  keepOperator,
  listOperators,
  removeOperator,
  type ListedOperator,
} from "../credentials/operators.ts";
import { makeOperatorLink } from "../sessions/operator-link.ts";
import { withGround } from "./ground.ts";
import { confirmed, instant, textOf, type Command, type Outcome } from "./command.ts";

const host = "host";

function operatorLines({ accountId, name, addresses, named, isNew, counts }: ListedOperator): string[] {
  const said = named === null ? "the record knows nothing of it" : `named ${instant(named.at)} by ${named.by}`;
  return [
    `${accountId}  ${name}  ${addresses.join(", ") || "no address"}`,
    `    ${said}${isNew ? ", NEW" : ""}`,
    ...(counts ? [] : [`    does not count since a containment: houselights operator keep ${accountId}, or remove`]),
  ];
}

/** Whom a link can be made for: nobody whose role a containment has set aside is let in by the first command of a night. */
const setAside = {
  kind: "refused",
  error: "a containment has set this role aside: somebody may have named them with what was stolen",
  hint: "houselights operator list, then operator keep ID",
} as const;

export const operatorCommands: readonly Command[] = [
  {
    words: ["operator", "link"],
    summary: "print a single-use sign-in link for an operator, good for 10 minutes",
    options: { account: { type: "string" } },
    arguments: "[--account ID]",
    optionHelp: [["--account ID", "this operator; the first one whose role counts unless given"]],
    examples: ["houselights operator link"],
    run: async ({ config, log, values, json }) => {
      const asked = textOf(values, "account");
      const account = parseId<AccountId>(asked);
      if (asked !== undefined && account === undefined) {
        return { kind: "usage", error: "--account must be an account id", hint: "houselights operator list" };
      }
      return withGround(config, log, async (ground): Promise<Outcome> => {
        const operators = await operatorIds(ground.db);
        if (account !== undefined && !operators.includes(account)) {
          return { kind: "refused", error: "this is no operator's account", hint: "houselights operator list" };
        }
        const counting = await operatorsThatCount(ground.db);
        if (account === undefined ? operators.length > 0 && counting.length === 0 : !counting.includes(account)) {
          return setAside;
        }
        const { secret } = await makeOperatorLink(ground, account);
        const link = `${config.publicOrigin}/operate#${secretText(secret)}`;
        return json ? { kind: "done", json: { link } } : { kind: "done", lines: [link] };
      });
    },
  },
  {
    words: ["operator", "list"],
    summary: "list who may run the service, when each was named, and whose role counts",
    examples: ["houselights operator list --json"],
    run: ({ config, log }) =>
      withGround(config, log, async ({ db, keyholders, clock }) => {
        const operators = await listOperators({ db, keyholder: keyholders.operator, clock });
        return {
          kind: "done",
          json: operators,
          lines:
            operators.length === 0
              ? ["no operator yet; `houselights operator link` makes the first"]
              : operators.flatMap(operatorLines),
        };
      }),
  },
  {
    words: ["operator", "add"],
    summary: "make the account of an address an operator",
    arguments: "ADDRESS",
    positionals: 1,
    examples: ["houselights operator add ada@example.org"],
    run: async ({ config, log, positionals: [address] }) => {
      if (address === undefined) return { kind: "usage", error: "an address is needed" };
      return withGround(config, log, async ({ db, keyholders, clock, random }): Promise<Outcome> => {
        const added = await addOperator({ db, keyholder: keyholders.operator, clock, random }, address, host);
        if (added.kind !== "added") {
          return { kind: "refused", error: "no account has this address", hint: "they sign up first, at /sign-up" };
        }
        return { kind: "done", json: { accountId: added.accountId }, lines: [`operator added ${added.accountId}`] };
      });
    },
  },
  {
    words: ["operator", "keep"],
    summary: "say that an operator is one, whose role a containment has set aside",
    arguments: "ID",
    positionals: 1,
    examples: ["houselights operator keep 0199c0de-0000-7000-8000-000000000000"],
    run: async ({ config, log, positionals: [id] }) => {
      const accountId = parseId<AccountId>(id);
      if (accountId === undefined) {
        return { kind: "usage", error: "an account id is needed", hint: "houselights operator list" };
      }
      return withGround(config, log, async ({ db, clock, random }): Promise<Outcome> => {
        return (await keepOperator({ db, clock, random }, accountId, host)) === "kept"
          ? { kind: "done", lines: ["operator kept"], json: { accountId } }
          : { kind: "refused", error: "this account is no operator", hint: "houselights operator list" };
      });
    },
  },
  {
    words: ["operator", "remove"],
    summary: "make an operator a viewer again",
    arguments: "ID [--yes]",
    positionals: 1,
    options: { yes: { type: "boolean" } },
    optionHelp: [["--yes", "do not ask"]],
    examples: ["houselights operator remove 0199c0de-0000-7000-8000-000000000000"],
    run: async (call) => {
      const accountId = parseId<AccountId>(call.positionals[0]);
      if (accountId === undefined) {
        return { kind: "usage", error: "an account id is needed", hint: "houselights operator list" };
      }
      return withGround(call.config, call.log, async ({ db, clock, random, keyholders }): Promise<Outcome> => {
        if (call.values["yes"] !== true) {
          const operators = await listOperators({ db, keyholder: keyholders.operator, clock });
          const one = operators.find((operator) => operator.accountId === accountId);
          for (const line of one === undefined ? [] : operatorLines(one)) call.say(line);
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
      });
    },
  },
];
