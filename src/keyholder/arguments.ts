import type { AccountId } from "../kernel/brand.ts";
import { parseId } from "../kernel/brand.ts";
import { Fault } from "../kernel/fault.ts";
import { isCount } from "./durable-file.ts";
import type { Operation } from "./permissions.ts";
import { maxRewrapBytes } from "./rewrap.ts";

/**
 * Longest text or value that is sealed, in bytes. Names and addresses are far below it; a whole letter for the built-in
 * mailbox is what comes near.
 */
export const maxPlaintextBytes = 256 * 1024;
/** How many values one `open` takes. */
export const maxOpened = 1_000;
const maxMessageBytes = 64 * 1024;
/** Above anything ever made here: a longer one comes from a damaged row, and does not open in any case. */
export const maxSealedBytes = maxPlaintextBytes + 64;
export const maxDataKeyBytes = 256;
export const maxRecordBytes = 256;
export const maxMacBytes = 64;
/** How many values one `indexMany` takes. */
export const maxIndexed = 1_000;

/** Bytes as they travel, in arguments and in answers. */
export const base64 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");

/** Reads the arguments of one call in order. Each reader throws KEYHOLDER_REFUSED naming what is wrong, never its value. */
export interface ArgumentReader {
  text(name: string, pattern: RegExp): string;
  bytes(name: string, minBytes: number, maxBytes: number): Buffer;
  accountId(): AccountId;
  oneOf<Value extends string>(name: string, values: readonly Value[]): Value;
  parsed<Value>(name: string, parse: (value: unknown) => Value | undefined): Value;
  count(name: string): number;
  texts(name: string, maxItems: number, pattern: RegExp): string[];
  list<Value>(name: string, maxItems: number, read: (item: ArgumentReader) => Value): Value[];
  /** Refuses arguments that nobody asked for. */
  end(): void;
}

/** Least and most bytes of each kind of argument. */
export const limits = {
  dataKey: [0, maxDataKeyBytes],
  value: [0, maxPlaintextBytes],
  sealed: [0, maxSealedBytes],
  binding: [1, 64],
  code: [1, 128],
  mac: [0, maxMacBytes],
  indexed: [0, 1024],
  tag: [16, 64],
  record: [0, maxRecordBytes],
  message: [0, maxMessageBytes],
  claims: [2, 8 * 1024],
  batch: [0, maxRewrapBytes],
} as const;

export const identifierPattern = /^[a-z][a-z0-9_]{0,62}$/;
export const contextPattern = /^[\x20-\x7e]{1,256}$/;
export const databaseIdPattern = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;

export function readArguments(operation: Operation, values: readonly unknown[]): ArgumentReader {
  let position = 0;
  const refuse = (name: string, rule: string): Fault => new Fault("KEYHOLDER_REFUSED", `${operation}: ${name} ${rule}`);
  const reader: ArgumentReader = {
    text(name, pattern) {
      const value = values[position++];
      if (typeof value !== "string" || !pattern.test(value)) throw refuse(name, `must match ${pattern.source}`);
      return value;
    },
    bytes(name, minBytes, maxBytes) {
      const value = values[position++];
      // Base64 of n bytes is 4/3 n long: too long is seen before anything is decoded.
      const bytes =
        typeof value === "string" && value.length <= maxBytes * 1.4 + 4 ? Buffer.from(value, "base64") : undefined;
      if (bytes === undefined || bytes.length < minBytes || bytes.length > maxBytes) {
        throw refuse(name, `must have ${minBytes} to ${maxBytes} bytes`);
      }
      return bytes;
    },
    accountId: () => reader.parsed("account id", (value) => parseId<AccountId>(value)),
    oneOf(name, allowed) {
      const value = values[position++];
      const found = allowed.find((one) => one === value);
      if (found === undefined) throw refuse(name, `must be one of ${allowed.join(", ")}`);
      return found;
    },
    parsed(name, parse) {
      const value = parse(values[position++]);
      if (value === undefined) throw refuse(name, "is not what it should be");
      return value;
    },
    count: (name) => reader.parsed(name, (value) => (isCount(value) ? value : undefined)),
    texts(name, maxItems, pattern) {
      const items: unknown = values[position++];
      if (!Array.isArray(items) || items.length > maxItems) throw refuse(name, `must be at most ${maxItems} texts`);
      return items.map((item: unknown) => {
        if (typeof item !== "string" || !pattern.test(item)) throw refuse(name, `must each match ${pattern.source}`);
        return item;
      });
    },
    list(name, maxItems, read) {
      const items: unknown = values[position++];
      if (!Array.isArray(items)) throw refuse(name, "must be a list");
      if (items.length > maxItems) throw refuse(name, `must have at most ${maxItems} items`);
      return items.map((item: unknown) => {
        if (!Array.isArray(item)) throw refuse(name, "must be a list of lists");
        const one = readArguments(operation, item);
        const value = read(one);
        one.end();
        return value;
      });
    },
    end() {
      if (values.length > position) throw refuse("the call", `takes ${position} arguments`);
    },
  };
  return reader;
}
