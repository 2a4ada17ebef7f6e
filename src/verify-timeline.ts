/**
 * `node src/verify-timeline.ts FOLDER …`: checks a timeline by its files on a machine where nothing of the service is
 * installed but this source and Node. The same as `houselights timeline verify FOLDER`, with the same answers.
 */
import { parseArgs } from "node:util";
import { aloneCodes, verifyAlone } from "./timeline/verify-alone.ts";

const usage =
  "node src/verify-timeline.ts [FOLDER] [--policy FILE] [--checkpoint FILE]… [--report FILE] [--proof FILE|FOLDER]… [--json]";

async function run(args: string[]): Promise<number> {
  let parsed;
  try {
    parsed = parseArgs({
      args,
      allowPositionals: true,
      options: {
        policy: { type: "string" },
        checkpoint: { type: "string", multiple: true },
        report: { type: "string" },
        proof: { type: "string", multiple: true },
        json: { type: "boolean" },
      },
    });
  } catch {
    process.stderr.write(`error: an option is unknown or lacks its value\nhint: ${usage}\n`);
    return aloneCodes.usage;
  }
  const { values, positionals } = parsed;
  if (positionals.length > 1) {
    process.stderr.write(`error: there are too many words\nhint: ${usage}\n`);
    return aloneCodes.usage;
  }
  const { code, lines, error, hint, json } = await verifyAlone({
    folder: positionals[0],
    policy: values.policy,
    checkpoints: values.checkpoint ?? [],
    report: values.report,
    proofs: values.proof ?? [],
  });
  if (values.json === true) process.stdout.write(`${JSON.stringify(json, undefined, 2)}\n`);
  else for (const line of lines) process.stdout.write(`${line}\n`);
  if (error !== undefined) process.stderr.write(`error: ${error}\n`);
  if (hint !== undefined) process.stderr.write(`hint: ${hint}\n`);
  return code;
}

// Whoever reads no further still gets the answer, as the exit code.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);

process.exitCode = await run(process.argv.slice(2));
