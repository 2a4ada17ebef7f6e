/**
 * Reads JSON that nobody has checked, field by field: what is not what it should be becomes something that no honest
 * report says. Plain code instead of a schema's, since it runs on an auditor's machine, where nothing is installed.
 */
export type Fields = Readonly<Record<string, unknown>>;

export const fieldsOf = (value: unknown): Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : {};
export const listOf = (value: unknown): readonly Fields[] => (Array.isArray(value) ? value.map(fieldsOf) : []);
export const textOf = (value: unknown): string => (typeof value === "string" ? value : "");
export const textOrNull = (value: unknown): string | null => (typeof value === "string" ? value : null);
export const wholeOf = (value: unknown): number => (Number.isSafeInteger(value) ? (value as number) : -1);
