import { Fault } from "../kernel/fault.ts";
import { isRecord } from "./durable-file.ts";
import { unpackBytes } from "./rewrap.ts";

/** An answer of the key process that is not what its call asks for; each reader here throws it. */
export const notUnderstood = (): Fault =>
  new Fault("KEYHOLDER_UNAVAILABLE", "the keyholder's answer is not understood");

export function readBytes(answer: unknown): Buffer {
  if (typeof answer !== "string") throw notUnderstood();
  return Buffer.from(answer, "base64");
}

/** So many values that were packed into one (`packBytes`). */
export function readPacked(answer: unknown, count: number): Buffer[] {
  const values = unpackBytes(readBytes(answer));
  if (values?.length !== count) throw notUnderstood();
  return values;
}

export function readText(answer: unknown): string {
  if (typeof answer !== "string") throw notUnderstood();
  return answer;
}

export function readBoolean(answer: unknown): boolean {
  if (typeof answer !== "boolean") throw notUnderstood();
  return answer;
}

/** The number under `name`; `null` where the answer is that there is none. */
export function readNumberOrNull(answer: unknown, name: string): number | null {
  if (answer === null) return null;
  if (!isRecord(answer)) throw notUnderstood();
  return readCount(answer[name]);
}

export function readList(answer: unknown): readonly unknown[] {
  if (!Array.isArray(answer)) throw notUnderstood();
  return answer;
}

export function readCount(answer: unknown): number {
  if (typeof answer !== "number") throw notUnderstood();
  return answer;
}

export function readCounts(answer: unknown): Readonly<Record<string, number>> {
  if (!isRecord(answer)) throw notUnderstood();
  return Object.fromEntries(Object.entries(answer).map(([name, count]) => [name, readCount(count)]));
}
