import { migrate } from "../db/migrate.ts";
import { adoptDatabase, isUnknown } from "../credentials/adopt-database.ts";
import { confirmed, type Command, type Outcome } from "./command.ts";
import { withContainmentGround } from "./ground.ts";

const alreadyKnown: Outcome = {
  kind: "refused",
  error: "the witness knows this database; nothing was touched",
  hint: "an older copy of a known database is followed by itself when the service starts",
};

export const adoptDatabaseCommand: Command = {
  words: ["keys", "adopt-database"],
  summary: "let a database in that the witness has never seen",
  arguments: "[--yes]",
  options: { yes: { type: "boolean" } },
  optionHelp: [["--yes", "do not ask"]],
  examples: ["houselights keys adopt-database"],
  run: async (call) => {
    const { config, log } = call;
    return withContainmentGround(config, log, async (ground): Promise<Outcome> => {
      await migrate(ground.db);
      if (!(await isUnknown(ground))) return alreadyKnown;
      if (!(await confirmed(call, "every session, ticket, code and link in this database will be refused; go on?"))) {
        return { kind: "refused", error: "nothing was touched", hint: "--yes adopts without asking" };
      }
      const adopted = await adoptDatabase(ground, "host");
      if (adopted.kind === "already-known") return alreadyKnown;
      return {
        kind: "done",
        json: adopted,
        lines: [
          `adopted, epoch ${adopted.epoch}`,
          "  every session, ticket, code and link in it is refused",
          adopted.passwordsToo
            ? "  passwords too: a database that the witness knows has been contained since"
            : "  its passwords are still good: consider houselights incident contain --with-renewal",
        ],
      };
    });
  },
};
