import { fromDate } from "../kernel/clock.ts";
import { previewNotices } from "../incidents/preview.ts";
import { sampleHtml } from "../incidents/sample-html.ts";
import { textOf, type Command } from "./command.ts";
import { idHelp, idOption, onCase } from "./case.ts";
import { writeNamed } from "./write-named.ts";

export const sampleCommand: Command = {
  words: ["incident", "sample"],
  summary: "write the letter as authorities want a sample of it: every language, ready to print",
  arguments: "[--output FILE]",
  options: { ...idOption, output: { type: "string" } },
  optionHelp: [idHelp, ["--output FILE", "write here; standard output unless given"]],
  examples: ["houselights incident sample --output sample.html"],
  run: (call) =>
    onCase(call, async ({ db, clock }, id) => {
      const { serviceName, publicOrigin, contactAddress, mailFrom } = call.config;
      const service = { name: serviceName, origin: publicOrigin, contact: contactAddress };
      const [notices, row] = await Promise.all([
        previewNotices({ db, service }, id),
        db.one<{ reference: string; notifiedAt: Date | null }>(
          `select reference, notified_at as "notifiedAt" from incident where id = $1`,
          [id],
        ),
      ]);
      if (notices === undefined || row === undefined) return { kind: "refused", error: "there is no such case" };
      const { reference, notifiedAt } = row;
      const sentFrom = notifiedAt === null ? null : fromDate(notifiedAt);
      const facts = { serviceName, origin: publicOrigin, from: mailFrom, reference, sentFrom, madeAt: clock.now() };
      const html = sampleHtml(facts, notices);
      const output = textOf(call.values, "output");
      if (output === undefined) return { kind: "done", lines: [html] };
      const refused = await writeNamed("--output", output, html);
      if (refused !== undefined) return refused;
      return { kind: "done", lines: [`written: ${notices.length} languages, reference ${reference}`] };
    }),
};
