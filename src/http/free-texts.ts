import type { TSchema } from "typebox";

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

export interface FreeText {
  /** In the form of validation errors: "/a/0/b". */
  readonly path: string;
  readonly text: string;
  /** It may have several lines (`format: "lines"`). */
  readonly lines: boolean;
}

/**
 * The free texts of a body. A text is free if its schema gives it no pattern and no values to choose from; what a schema
 * does not describe is free too. Passwords (`format: "password"`) are not looked at: they are stored nowhere, and may be
 * anything.
 */
export const freeTexts = (schema: TSchema, body: unknown): FreeText[] => [...walk([schema as Part], body, "")];

function* walk(schemas: readonly Part[], value: unknown, path: string): Generator<FreeText> {
  const parts = schemas.flatMap((schema) => schema.anyOf ?? [schema]);
  if (typeof value === "string") {
    if (parts.length > 0 && parts.every(isNoFreeText)) return;
    yield { path, text: value, lines: parts.some(({ format }) => format === "lines") };
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
