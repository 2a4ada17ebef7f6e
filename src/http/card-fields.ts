import type { TSchema } from "typebox";
import { hasCardNumber } from "../kernel/card-number.ts";

/** What of a schema decides whether a value is looked into. */
interface Part {
  readonly type?: string;
  readonly format?: string;
  readonly pattern?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, Part>>;
  readonly items?: Part;
  readonly anyOf?: readonly Part[];
}

/**
 * The free texts of a body that hold a payment card number, by their paths in the form of validation errors ("/a/0/b").
 * A text is free if its schema gives it no pattern and no values to choose from; what a schema does not describe is free
 * too. Passwords (`format: "password"`) are not looked at: they are stored nowhere, and may be anything.
 */
export const cardFields = (schema: TSchema, body: unknown): string[] => [...walk([schema as Part], body, "")];

function* walk(schemas: readonly Part[], value: unknown, path: string): Generator<string> {
  const parts = schemas.flatMap((schema) => schema.anyOf ?? [schema]);
  if (typeof value === "string") {
    if (parts.length > 0 && parts.every(isNoFreeText)) return;
    if (hasCardNumber(value)) yield path;
  } else if (Array.isArray(value)) {
    const items = parts.flatMap(({ items: item }) => item ?? []);
    for (const [index, item] of value.entries()) yield* walk(items, item, `${path}/${index}`);
  } else if (typeof value === "object" && value !== null) {
    for (const [name, field] of Object.entries(value)) {
      const described = parts.flatMap(({ properties }) => properties?.[name] ?? []);
      yield* walk(described, field, `${path}/${name}`);
    }
  }
}

const isNoFreeText = ({ type, format, pattern, const: only, enum: some }: Part): boolean =>
  format === "password" ||
  pattern !== undefined ||
  only !== undefined ||
  some !== undefined ||
  (type !== undefined && type !== "string");
