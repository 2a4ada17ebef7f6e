import { accountCommands } from "./account.ts";
import { adoptDatabaseCommand } from "./adopt-database.ts";
import { alarmCommands } from "./alarm.ts";
import { canaryCommands } from "./canary.ts";
import type { Command } from "./command.ts";
import { drillCommand } from "./drill.ts";
import { incidentCommands } from "./incident.ts";
import { keepingCommands } from "./keeping.ts";
import { keyUseCommand } from "./key-use.ts";
import { keysCommands } from "./keys.ts";
import { operatorCommands } from "./operator.ts";
import { passwordCommands } from "./passwords.ts";
import { sampleCommand } from "./sample.ts";
import { signalCommands } from "./signals.ts";
import { serveCommands } from "./serve.ts";
import { timelineCommands } from "./timeline.ts";

/** Every command there is. */
export const commands: readonly Command[] = [
  ...serveCommands,
  ...incidentCommands,
  sampleCommand,
  drillCommand,
  ...alarmCommands,
  ...canaryCommands,
  ...signalCommands,
  ...operatorCommands,
  ...accountCommands,
  ...passwordCommands,
  ...keysCommands,
  keyUseCommand,
  ...timelineCommands,
  ...keepingCommands,
  adoptDatabaseCommand,
];
