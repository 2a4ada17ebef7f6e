/** One request with the marker somewhere in it. */
export interface HostileRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

interface Schema {
  readonly type?: string;
  readonly pattern?: string;
  readonly minLength?: number;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly anyOf?: readonly Schema[];
  readonly const?: unknown;
}

interface Operation {
  readonly parameters?: readonly { readonly name: string; readonly in: string }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> };
}

export interface OpenApi {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

const someId = "00000000-0000-7000-8000-000000000000";

/** Something that a field would take, so that the next one is looked at. */
function plausible({ type, pattern, minLength = 1, anyOf, properties, const: only }: Schema): unknown {
  if (only !== undefined) return only;
  if (anyOf !== undefined) return plausible(anyOf[0] ?? {});
  if (properties !== undefined)
    return Object.fromEntries(Object.entries(properties).map(([name, schema]) => [name, plausible(schema)]));
  switch (type) {
    case "boolean":
      return false;
    case "integer":
    case "number":
      return 1;
    case "array":
      return [];
    default:
      if (pattern?.includes("{12}$") === true) return someId;
      return pattern?.includes("T(") === true ? "2026-11-22T20:00:00.000Z" : "x".repeat(Math.max(3, minLength));
  }
}

/** Every documented operation with the marker in each of its fields, parameters and headers, in turn. */
export function* hostileRequests(api: OpenApi, marker: string): Generator<HostileRequest> {
  const json = { "content-type": "application/json" };
  for (const [template, operations] of Object.entries(api.paths)) {
    for (const [method, { parameters = [], requestBody }] of Object.entries(operations)) {
      const path = template.replaceAll(/\{[^}]+\}/g, someId);
      const request = { method: method.toUpperCase(), path };
      // A stream of events never ends.
      if (template === "/api/events") continue;
      if (template.includes("{")) {
        yield { ...request, path: template.replaceAll(/\{[^}]+\}/g, marker), headers: {} };
        yield { ...request, path: template.replaceAll(/\{[^}]+\}/g, `${marker}%ff`), headers: {} };
      }
      yield { ...request, path: `${path}?${marker}=${marker}`, headers: { origin: `https://${marker}.example` } };
      for (const { name, in: where } of parameters) {
        if (where === "query") yield { ...request, path: `${path}?${name}=${marker}`, headers: {} };
      }
      const content = requestBody?.content;
      const schema = (content?.["application/json"] ?? Object.values(content ?? {})[0])?.schema;
      if (schema === undefined) continue;
      const whole = plausible(schema) as Record<string, unknown>;
      yield { ...request, headers: json, body: marker };
      yield { ...request, headers: json, body: JSON.stringify(marker) };
      yield { ...request, headers: json, body: `{"${marker}` };
      yield { ...request, headers: { "content-type": `text/${marker}` }, body: marker };
      yield { ...request, headers: json, body: JSON.stringify({ ...whole, [marker]: marker }) };
      for (const name of Object.keys(schema.properties ?? {})) {
        for (const value of [
          marker,
          [marker],
          { [marker]: marker },
          `${marker}@${marker}.example`,
          `${marker}\u0000`,
        ]) {
          yield { ...request, headers: json, body: JSON.stringify({ ...whole, [name]: value }) };
        }
      }
    }
  }
}
