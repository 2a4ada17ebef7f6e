import type { EpochMs } from "../kernel/clock.ts";
import { isCount, isRecord } from "./durable-file.ts";
import type { KeyState } from "./keyholder.ts";
import { parsePurpose } from "./keys.ts";

function parseVersion(value: unknown): KeyState["versions"][number] | undefined {
  if (!isRecord(value)) return undefined;
  const { version, madeAt, closingSince, fingerprintHex } = value;
  if (!isCount(version) || !isCount(madeAt) || typeof fingerprintHex !== "string") return undefined;
  if (closingSince !== null && !isCount(closingSince)) return undefined;
  return {
    version,
    madeAt: madeAt as EpochMs,
    closingSince: closingSince === null ? null : (closingSince as EpochMs),
    fingerprintHex,
  };
}

/** Reads the process's answer; `undefined` for anything else. */
export function parseStates(value: unknown): KeyState[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const states: KeyState[] = [];
  for (const each of value as readonly unknown[]) {
    if (!isRecord(each) || !Array.isArray(each["versions"])) return undefined;
    const { newest, retiredUpTo } = each;
    const purpose = parsePurpose(each["purpose"]);
    const versions = each["versions"].map(parseVersion);
    if (purpose === undefined || !isCount(newest) || !isCount(retiredUpTo)) return undefined;
    if (versions.some((version) => version === undefined)) return undefined;
    states.push({ purpose, newest, retiredUpTo, versions: versions.filter((version) => version !== undefined) });
  }
  return states;
}
