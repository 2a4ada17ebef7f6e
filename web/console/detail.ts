/** The detail of a timeline entry or an alarm on one line; of a hash its beginning, the record itself has it whole. */
export function detailText(detail: Readonly<Record<string, unknown>>): string {
  return Object.entries(detail)
    .map(
      ([name, value]) =>
        `${name} ${Array.isArray(value) ? value.join(", ") : typeof value === "object" && value !== null ? JSON.stringify(value) : String(value)}`,
    )
    .join(" · ")
    .replace(/\b([0-9a-f]{12})[0-9a-f]{20,}\b/g, "$1…")
    .slice(0, 400);
}
