// Reads a driver's JSON schema (2020-12) into a flat list of fields for a form. Pure.
import type { Schema } from "../api/types";

export interface Field {
  /** Keys from the root, such as `["serial", "baud"]`. */
  path: string[];
  kind: "text" | "number" | "switch" | "choice";
  choices: string[];
  required: boolean;
  /** Of a number: no fractions. */
  whole: boolean;
  description: string;
  initial: unknown;
  minimum?: number;
  maximum?: number;
}

function resolve(schema: Schema, root: Schema): Schema {
  const alternatives = schema.oneOf ?? schema.anyOf ?? schema.allOf;
  if (alternatives) {
    const real = alternatives.find((one) => one.type !== "null");
    if (real) return { ...resolve(real, root), ...(schema.description ? { description: schema.description } : {}) };
  }
  if (!schema.$ref) return schema;
  const name = schema.$ref.split("/").pop() ?? "";
  const { $ref: _ref, ...own } = schema;
  return { ...resolve(root.$defs?.[name] ?? {}, root), ...own };
}

const typeOf = (schema: Schema): string =>
  Array.isArray(schema.type) ? (schema.type.find((one) => one !== "null") ?? "") : (schema.type ?? "");

function choicesOf(schema: Schema, root: Schema): string[] {
  if (schema.enum) return schema.enum.filter((one) => one !== null).map(String);
  const constants = (schema.oneOf ?? [])
    .map((one) => resolve(one, root))
    .filter((one) => one.const !== undefined || one.enum?.length === 1);
  return constants.map((one) => String(one.const ?? one.enum?.[0]));
}

/** Fields in the schema's order; objects within are flattened. */
export function fieldsOf(root: Schema, at: Schema = root, path: string[] = []): Field[] {
  return Object.entries(at.properties ?? {}).flatMap(([key, raw]) => {
    const choices = raw.oneOf && !raw.$ref ? choicesOf(raw, root) : [];
    const schema = choices.length ? raw : resolve(raw, root);
    const here = [...path, key];
    if (schema.properties) return fieldsOf(root, schema, here);
    const all = choices.length ? choices : choicesOf(schema, root);
    const type = typeOf(schema);
    const kind = all.length
      ? "choice"
      : type === "boolean"
        ? "switch"
        : type === "integer" || type === "number"
          ? "number"
          : "text";
    const required = path.length === 0 && (at.required?.includes(key) ?? false);
    return [
      {
        path: here,
        kind,
        choices: all,
        required,
        whole: type === "integer",
        description: raw.description ?? schema.description ?? "",
        initial: schema.default,
        ...(schema.minimum === undefined ? {} : { minimum: schema.minimum }),
        ...(schema.maximum === undefined ? {} : { maximum: schema.maximum }),
      } satisfies Field,
    ];
  });
}

export type Config = Record<string, unknown>;

export function readAt(config: Config, path: string[]): unknown {
  return path.reduce<unknown>(
    (at, key) => (typeof at === "object" && at !== null ? (at as Config)[key] : undefined),
    config,
  );
}

/** A copy with a value at a place; `undefined` and "" remove it, and objects left empty with it. */
export function writeAt(config: Config, path: string[], value: unknown): Config {
  const [key, ...rest] = path;
  if (key === undefined) return config;
  const { [key]: before, ...others } = config;
  if (rest.length === 0) return value === undefined || value === "" ? others : { ...config, [key]: value };
  const inner = writeAt((typeof before === "object" && before !== null ? before : {}) as Config, rest, value);
  return Object.keys(inner).length === 0 ? others : { ...config, [key]: inner };
}
