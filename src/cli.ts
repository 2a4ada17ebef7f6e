/**
 * The operator's commands: the same operations as over HTTP, on the host. `houselights <noun> <verb>`; messages in
 * lower case without a full stop; errors are `error: …` and `hint: …` on standard error.
 *
 * Exit codes: 0 done; 1 refused or failed; 2 the command line was wrong; 3 the service is not reachable; others are a command's
 * own, in its help.
 */
import { parseArgs, type ParseArgsOptionsConfig } from "node:util";
import { readConfig } from "./config/config.ts";
import { hasCardNumber } from "./kernel/card-number.ts";
import { isShowable } from "./kernel/shown-text.ts";
import { Fault, messageOf } from "./kernel/fault.ts";
import { newLog } from "./kernel/log.ts";
import { loadCommands } from "./commands/all.ts";
import { Ended } from "./commands/endings.ts";
import { usageOf, usageOfSeveral, type Command, type Outcome } from "./commands/command.ts";
import { readPackedPackages } from "./packed-packages.ts";

readPackedPackages();

/** As a shell has it for what a closed pipe ended (128 + SIGPIPE). */
const endedByPipe = 141;

// `houselights … | head` closes our output early. What the command came to stands all the same: a refusal that nobody reads is
// none the less one, and a command that is ended before it came to anything is not done. A closed terminal (EIO) also sends SIGHUP.
process.stdout.on("error", ({ code }: NodeJS.ErrnoException) => {
  if (code === "EIO") return;
  if (code !== "EPIPE") complain(`what this command says cannot be written (${code ?? "unknown"})`);
  if (code === "EPIPE") process.exitCode ??= endedByPipe;
  else process.exitCode ||= 1;
  process.exit();
});
process.stderr.on("error", () => undefined);

const say = (line: string): void => void process.stdout.write(`${line}\n`);
const complain = (error: string, hint?: string): void => {
  process.stderr.write(`error: ${error}\n`);
  if (hint !== undefined) process.stderr.write(`hint: ${hint}\n`);
};

/** What was asked for, and so a success, also where nobody reads on. */
function help(text: string): number {
  process.exitCode = 0;
  say(text);
  return 0;
}

const common: ParseArgsOptionsConfig = { help: { type: "boolean", short: "h" }, json: { type: "boolean" } };

async function run(words: readonly string[]): Promise<number> {
  const noun = words[0];
  if (noun === undefined || noun === "help" || noun === "--help" || noun === "-h") {
    return help(usageOfSeveral(await loadCommands()));
  }
  const ofNoun = await loadCommands(noun);
  if (ofNoun.length === 0) {
    complain("there is no such command", "houselights help lists them");
    return 2;
  }
  const command = ofNoun.find(({ words: own }) => own.every((word, i) => words[i] === word));
  if (command === undefined) {
    if (words.includes("--help") || words.includes("-h")) {
      return help(usageOfSeveral(ofNoun));
    }
    complain(
      `${noun} needs one of: ${ofNoun.map(({ words: own }) => own.slice(1).join(" ")).join(", ")}`,
      `houselights ${noun} --help`,
    );
    return 2;
  }
  return runCommand(command, words.slice(command.words.length));
}

async function runCommand(command: Command, rest: readonly string[]): Promise<number> {
  const options: ParseArgsOptionsConfig = { ...common, ...command.options };
  let parsed: { values: Record<string, unknown>; positionals: string[]; twice: string | undefined };
  try {
    const { values, positionals, tokens } = parseArgs({
      args: [...rest],
      options,
      allowPositionals: true,
      strict: true,
      tokens: true,
    });
    const given = tokens.flatMap((token) => (token.kind === "option" && token.value !== undefined ? [token.name] : []));
    const twice = given.find((name, place) => options[name]?.multiple !== true && given.indexOf(name) !== place);
    parsed = { values, positionals, twice };
  } catch (thrown) {
    // Node's message quotes the option's name, never its value.
    complain(
      messageOf(thrown).split(".")[0]?.toLowerCase() ?? "bad option",
      `houselights ${command.words.join(" ")} --help`,
    );
    return 2;
  }
  const { values, positionals, twice } = parsed;
  if (values["help"] === true) {
    return help(usageOf(command));
  }
  // One of two cases, reasons or accounts would be taken, and nobody told which.
  if (twice !== undefined) {
    complain(`--${twice} is given twice`, `houselights ${command.words.join(" ")} --help`);
    return 2;
  }
  if (positionals.length > (command.positionals ?? 0)) {
    complain("there are too many words", `houselights ${command.words.join(" ")} --help`);
    return 2;
  }
  // Reasons, notes and names go into the record; the same rule as for what comes over HTTP.
  if ([...Object.values(values), ...positionals].some((text) => typeof text === "string" && hasCardNumber(text))) {
    complain("a payment card number does not belong here", "nothing was done; take it out and run it again");
    return 2;
  }
  if (
    [...Object.values(values), ...positionals].some(
      (text) => typeof text === "string" && !isShowable(text, { lines: true }),
    )
  ) {
    complain("a control character does not belong here", "nothing was done; take it out and run it again");
    return 2;
  }
  const config = readConfig();
  const log = newLog(command.words.join(" "), command.isDaemon === true ? config.logLevel : "error");
  const json = values["json"] === true;
  // Standard output is for one JSON object then; what is said meanwhile is for whoever watches.
  const aside = (line: string): void => void process.stderr.write(`${line}\n`);
  const outcome = await command.run({
    config,
    log,
    values,
    positionals,
    say: json && command.isDaemon !== true ? aside : say,
    json,
  });
  return settle(command, outcome, json);
}

const codeOf = (outcome: Outcome): number =>
  outcome.kind === "done" ? 0 : outcome.kind === "usage" ? 2 : (outcome.exitCode ?? 1);

function settle(command: Command, outcome: Outcome, json: boolean): number {
  process.exitCode = codeOf(outcome);
  if (outcome.kind !== "usage") {
    if (json && outcome.json !== undefined) say(JSON.stringify(outcome.json, undefined, 2));
    else for (const line of outcome.lines ?? []) say(line);
  }
  if (outcome.kind === "refused") complain(outcome.error, outcome.hint);
  if (outcome.kind === "usage") {
    complain(outcome.error, outcome.hint ?? `houselights ${command.words.join(" ")} --help`);
  }
  return codeOf(outcome);
}

/** What to do about a fault that says only what is so; nothing for one that names a setting. */
function hintFor({ code, message }: Fault): string | undefined {
  if (code === "DB_UNAVAILABLE") return "start PostgreSQL, or look at DATABASE_URL";
  const isAway = code === "KEYHOLDER_UNAVAILABLE" && message.startsWith("the keyholder does not answer");
  if (!isAway || message.includes("KEYHOLDER_")) return undefined;
  return message.includes("(it is a standby)")
    ? "if the first is gone for good: houselights keyholder promote, on the standby's host; incident contain works without"
    : "start the keyholder; incident contain works without";
}

let ended: Ended | undefined;
try {
  process.exitCode = await run(process.argv.slice(2));
} catch (thrown) {
  if (thrown instanceof Ended) {
    ended = thrown;
  } else if (thrown instanceof Fault) {
    const [first = "", ...more] = thrown.message.split(thrown.message.includes("\n") ? "\n" : "; hint: ");
    complain(
      // A name (a setting's, PostgreSQL) stays as it is written.
      /^[A-Z][a-z]+\b/.test(first) ? first.charAt(0).toLowerCase() + first.slice(1) : first,
      more.join("\n") || hintFor(thrown),
    );
    process.exitCode = thrown.code === "DB_UNAVAILABLE" || thrown.code.startsWith("KEYHOLDER") ? 3 : 1;
  } else {
    complain(`something unexpected: ${messageOf(thrown)}`, "run it again with LOG_LEVEL=debug, and report it");
    process.exitCode = 1;
  }
}
// What was said goes out whole, however slowly it is read; connections that are still closing must not hold the terminal.
const saidWhole = (stream: NodeJS.WriteStream) => new Promise<void>((resolve) => stream.write("", () => resolve()));
await Promise.all([saidWhole(process.stdout), saidWhole(process.stderr)]);
// By the signal itself, so that a shell's loop over commands ends with the command.
if (ended !== undefined) process.kill(process.pid, ended.by);
else process.exit();
