import type { TSchema } from "typebox";
import { Compile } from "typebox/compile";
import { Value } from "typebox/value";
import { hasCardNumber } from "../kernel/card-number.ts";
import { isShowable } from "../kernel/shown-text.ts";
import { freeTexts } from "./free-texts.ts";

/** What was sent is not as documented: the fields with their rules, and nothing of what stood in them. */
export interface Malformed extends Error {
  readonly problem?: "card-number" | "text-refused";
  readonly fields: readonly { readonly field: string; readonly rule: string }[];
}

export function malformed(field: string, rule: string): Malformed {
  return Object.assign(new Error("malformed"), { statusCode: 400, code: "MALFORMED", fields: [{ field, rule }] });
}

/** A body of JSON in UTF-8 (RFC 8259 section 8.1); an empty one is an empty object. Throws for anything else. */
export function parseJson(body: Buffer): unknown {
  if (body.length === 0) return {};
  return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
}

/** Compiles a schema; query strings, parameters and forms are text, so they are converted first, bodies never. */
export function validator(schema: TSchema, httpPart: string) {
  const compiled = Compile(schema);
  const textual = httpPart !== "body";
  return (value: unknown) => {
    const candidate = textual ? Value.Convert(schema, { ...(value as object) }) : value;
    const filled = Value.Default(schema, candidate);
    if (compiled.Check(filled)) {
      const texts = textual ? [] : freeTexts(schema, filled);
      const refusal = (problem: Malformed["problem"], rule: string, some: typeof texts) => {
        const found = some.map(({ path }) => ({ field: fieldAt(httpPart, path), rule }));
        return { error: Object.assign(malformed(httpPart, rule), { fields: found, problem }) };
      };
      const cards = texts.filter(({ text }) => hasCardNumber(text));
      if (cards.length > 0) return refusal("card-number", "holds no payment card number", cards);
      const unshown = texts.filter(({ text, lines }) => !isShowable(text, { lines }));
      if (unshown.length > 0) return refusal("text-refused", "holds no control characters", unshown);
      return { value: filled };
    }
    const fields = compiled
      .Errors(filled)
      .slice(0, 20)
      .map((error) => {
        const isUnknown = error.keyword === "additionalProperties" || error.keyword === "boolean";
        // The rule may list allowed values or a pattern; what was sent never appears, an unknown field's name included,
        // which may be a password in the wrong place.
        const path = error.keyword === "boolean" ? error.instancePath.replace(/\/[^/]*$/, "") : error.instancePath;
        return { field: fieldAt(httpPart, path), rule: isUnknown ? "has no unknown fields" : error.message };
      })
      .filter(
        ({ field, rule }, place, all) => place === all.findIndex((one) => one.field === field && one.rule === rule),
      );
    return { error: Object.assign(malformed(httpPart, "is as documented"), { fields }) };
  };
}

const fieldAt = (httpPart: string, path: string): string => `${httpPart}${path.replaceAll("/", ".")}`.slice(0, 200);
