import type { Command } from "./command.ts";

/**
 * Every command there is, by file, in the order of the help, with the first words of what is in it. A command loads its own
 * file alone: what the others stand on would be most of its time, and would stay in the memory of what runs for months.
 */
const files: readonly { readonly nouns: readonly string[]; readonly load: () => Promise<readonly Command[]> }[] = [
  { nouns: ["serve", "keyholder"], load: async () => (await import("./serve.ts")).serveCommands },
  { nouns: ["incident"], load: async () => (await import("./incident.ts")).incidentCommands },
  { nouns: ["incident"], load: async () => [(await import("./sample.ts")).sampleCommand] },
  { nouns: ["drill"], load: async () => [(await import("./drill.ts")).drillCommand] },
  { nouns: ["alarm"], load: async () => (await import("./alarm.ts")).alarmCommands },
  { nouns: ["canary"], load: async () => (await import("./canary.ts")).canaryCommands },
  { nouns: ["signals"], load: async () => (await import("./signals.ts")).signalCommands },
  { nouns: ["operator"], load: async () => (await import("./operator.ts")).operatorCommands },
  { nouns: ["account"], load: async () => (await import("./account.ts")).accountCommands },
  { nouns: ["passwords"], load: async () => (await import("./passwords.ts")).passwordCommands },
  { nouns: ["keys"], load: async () => (await import("./keys.ts")).keysCommands },
  { nouns: ["keys"], load: async () => [(await import("./key-use.ts")).keyUseCommand] },
  { nouns: ["timeline"], load: async () => (await import("./timeline.ts")).timelineCommands },
  { nouns: ["mail", "backup", "restore"], load: async () => (await import("./keeping.ts")).keepingCommands },
  { nouns: ["keys"], load: async () => [(await import("./adopt-database.ts")).adoptDatabaseCommand] },
];

/** The commands that begin with a word, or all of them without one. */
export async function loadCommands(noun?: string): Promise<readonly Command[]> {
  const wanted = files.filter(({ nouns }) => noun === undefined || nouns.includes(noun));
  const loaded = await Promise.all(wanted.map(({ load }) => load()));
  return loaded.flat().filter(({ words }) => noun === undefined || words[0] === noun);
}
