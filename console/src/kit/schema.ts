// Reads a JSON schema (2020-12) of a driver or a door into fields for a form; reads and writes values by path. Pure.
//
// A field that goes with a choice says so in its description, as drivers write it: "Name of the broker. With `client`."
// It then stands in the form only while a choice of the same object has one of the named values.
import type { Schema } from "../api/types";

export type Config = Record<string, unknown>;
/** Keys and list positions from the root, such as `["serial", "baud"]`. */
export type Path = (string | number)[];

export interface Choice {
  value: string;
  description: string;
}

export interface Field {
  path: Path;
  /** `json`: the schema does not say what stands in it. */
  kind: "text" | "secret" | "number" | "switch" | "choice" | "list" | "json";
  choices: Choice[];
  /** Must be given whenever the object that holds it is. */
  required: boolean;
  /** The object that holds it has to be there. */
  held: boolean;
  /** Cannot be found out by leaving it alone: needed, deciding what else is, or going with such a choice. */
  main: boolean;
  /** Of a choice: other fields come and go with it. */
  decides: boolean;
  /** Of a number: no fractions. */
  whole: boolean;
  title: string;
  description: string;
  initial: unknown;
  minimum?: number;
  maximum?: number;
  /** Of a text: it has lines, such as a certificate. */
  lines: boolean;
  /** Of a list: what its items are, and how many there may be. */
  items?: Schema;
  itemsMax?: number;
}

interface Place {
  path: Path;
  /** The object that holds the place has to be there. */
  required: boolean;
  main: boolean;
}

const ROOT: Place = { path: [], required: true, main: true };

/** Follows references, joins `allOf`, and takes "or null" away. */
export function resolve(schema: Schema, root: Schema): Schema {
  if (schema.$ref) {
    const name = schema.$ref.split("/").pop() ?? "";
    const { $ref: _ref, ...own } = schema;
    return { ...resolve(root.$defs?.[name] ?? {}, root), ...own };
  }
  const alternatives = schema.oneOf ?? schema.anyOf;
  const real = alternatives?.filter((one) => one.type !== "null");
  if (alternatives && real?.length === 1 && real.length < alternatives.length) {
    const { oneOf: _one, anyOf: _any, ...own } = schema;
    return { ...resolve(real[0]!, root), ...own };
  }
  if (!schema.allOf) return schema;
  const { allOf, ...own } = schema;
  return [...allOf, own].reduce<Schema>((joined, part) => {
    const { properties, required, ...rest } = resolve(part, root);
    return {
      ...joined,
      ...rest,
      properties: { ...joined.properties, ...properties },
      required: [...(joined.required ?? []), ...(required ?? [])],
    };
  }, {});
}

const typeOf = (schema: Schema): string =>
  Array.isArray(schema.type) ? (schema.type.find((one) => one !== "null") ?? "") : (schema.type ?? "");

const constantOf = (schema: Schema): string | undefined => {
  const value = schema.const ?? (schema.enum?.length === 1 ? schema.enum[0] : undefined);
  return value === undefined || value === null ? undefined : String(value);
};

function choicesOf(schema: Schema, root: Schema): Choice[] {
  if (schema.enum)
    return schema.enum.filter((one) => one !== null).map((one) => ({ value: String(one), description: "" }));
  const variants = (schema.oneOf ?? schema.anyOf ?? []).map((one) => resolve(one, root));
  return variants.flatMap((one) => {
    const value = one.properties ? undefined : constantOf(one);
    return value === undefined ? [] : [{ value, description: one.title ?? one.description ?? "" }];
  });
}

interface Union {
  /** The key whose value says which one it is. */
  tag: string;
  variants: { value: string; schema: Schema }[];
}

/** A choice between objects that are told apart by one constant in each. */
function unionOf(schema: Schema, root: Schema): Union | undefined {
  const objects = (schema.oneOf ?? schema.anyOf ?? []).map((one) => resolve(one, root));
  if (objects.length < 2) return undefined;
  const tag = Object.keys(objects[0]?.properties ?? {}).find((key) =>
    objects.every(({ properties }) => properties?.[key] !== undefined && constantOf(resolve(properties[key], root))),
  );
  if (tag === undefined) return undefined;
  return {
    tag,
    variants: objects.map((one) => ({ value: constantOf(resolve(one.properties![tag]!, root))!, schema: one })),
  };
}

/** Values that a description says its field goes with. */
function companions(description: string): string[] {
  const groups = description.matchAll(/\bwith ((?:`[\w.-]+`(?:, and |, or | and | or |, )?)+)/gi);
  return [...groups].flatMap((group) => [...group[1]!.matchAll(/`([^`]+)`/g)].map((one) => one[1]!));
}

/** A group may be left out whole, such as TLS. */
const leavable = (description: string): boolean => /left out|without it/i.test(description);

/** Fields in the schema's order as they matter with this config; objects within are flattened. */
export function fieldsOf(root: Schema, config: Config, schema: Schema = root, at: Place = ROOT): Field[] {
  const here = resolve(schema, root);
  const union = unionOf(here, root);
  if (union) return unionFields(root, config, union, here, at);
  const properties = Object.entries(here.properties ?? {}).map(([key, raw]) => ({
    key,
    raw,
    schema: resolve(raw, root),
  }));
  const siblings = properties.filter((one) => choicesOf(one.schema, root).length > 0);
  /** The choice that a field goes with; none when its description names no value of any. */
  const deciderOf = (description: string): { key: string; values: string[]; initial: unknown } | undefined => {
    const values = companions(description);
    const decider = values.length
      ? siblings.find(({ schema }) => values.every((v) => choicesOf(schema, root).some((c) => c.value === v)))
      : undefined;
    return decider && { key: decider.key, values, initial: decider.schema.default };
  };
  const textOf = (one: { raw: Schema; schema: Schema }): string => one.raw.description ?? one.schema.description ?? "";
  const deciding = new Set(properties.flatMap((one) => deciderOf(textOf(one))?.key ?? []));
  return properties.flatMap(({ key, raw, schema }) => {
    const path = [...at.path, key];
    const description = textOf({ raw, schema });
    const decider = deciderOf(description);
    if (decider) {
      const now = readAt(config, [...at.path, decider.key]) ?? decider.initial;
      if (!decider.values.includes(String(now))) return [];
    }
    const required = here.required?.includes(key) ?? false;
    const goes = decider !== undefined && schema.default === undefined;
    const place: Place = {
      path,
      required: at.required && required,
      main: at.main && (required || (goes && !leavable(description))),
    };
    if (schema.properties || unionOf(schema, root)) return fieldsOf(root, config, schema, place);
    const kind = kindOf(schema, root);
    const decides = deciding.has(key);
    const main = required || decides || (goes && ["text", "secret", "number"].includes(kind));
    return [
      {
        ...fieldOf(root, schema, kind),
        path,
        description,
        required,
        held: at.required,
        main: at.main && main,
        decides,
      },
    ];
  });
}

/**
 * As people fill them in. A schema's own order says nothing, since it may be that of the alphabet: those named first
 * stand first, then what must be given before what may be, what decides before what follows, groups with lists last.
 */
export function inOrder(fields: Field[], first: string[] = []): Field[] {
  const deep = Math.max(0, ...fields.map(({ path }) => path.length));
  const from = Math.min(...fields.map(({ path }) => path.length)) - 1;
  const groups = new Set(fields.filter(({ kind }) => kind === "list").map(({ path }) => path[from]));
  const rank = (field: Field): number => {
    const at = first.indexOf(field.path.join("."));
    if (at >= 0) return at - first.length;
    const need = (field.required && field.held ? 0 : 2) + (field.decides ? 0 : 1);
    return (groups.has(field.path[from]) ? 4 * (deep + 1) : 0) + need * (deep + 1) + field.path.length;
  };
  return [...fields].sort((a, b) => rank(a) - rank(b));
}

function kindOf(schema: Schema, root: Schema): Field["kind"] {
  if (choicesOf(schema, root).length > 0) return "choice";
  const type = typeOf(schema);
  if (type === "object" || (type === "array" && isOpen(resolve(schema.items ?? {}, root), root))) return "json";
  if (type === "array") return "list";
  if (type === "boolean") return "switch";
  if (type === "integer" || type === "number") return "number";
  return schema.writeOnly ? "secret" : "text";
}

/** Says nothing of what stands in it. */
const isOpen = (schema: Schema, root: Schema): boolean =>
  (typeOf(schema) === "object" || typeOf(schema) === "") && !schema.properties && !unionOf(schema, root);

type Placed = "path" | "description" | "required" | "held" | "main" | "decides";

function fieldOf(root: Schema, schema: Schema, kind: Field["kind"]): Omit<Field, Placed> {
  return {
    kind,
    choices: choicesOf(schema, root),
    whole: typeOf(schema) === "integer",
    title: schema.title ?? "",
    initial: schema.default,
    lines: /\bpem\b/i.test(schema.description ?? ""),
    ...(schema.minimum === undefined ? {} : { minimum: schema.minimum }),
    ...(schema.maximum === undefined ? {} : { maximum: schema.maximum }),
    ...(kind === "list" ? { items: schema.items ?? {} } : {}),
    ...(schema.maxItems === undefined ? {} : { itemsMax: schema.maxItems }),
  };
}

function unionFields(root: Schema, config: Config, union: Union, schema: Schema, at: Place): Field[] {
  const path = [...at.path, union.tag];
  const chosen = union.variants.find((one) => one.value === readAt(config, path));
  const tag: Field = {
    path,
    kind: "choice",
    choices: union.variants.map((one) => ({ value: one.value, description: one.schema.title ?? "" })),
    required: true,
    held: at.required,
    main: at.main,
    decides: true,
    whole: false,
    title: schema.title ?? "",
    description: schema.description ?? "",
    initial: schema.default,
    lines: false,
  };
  if (!chosen) return [tag];
  const { [union.tag]: _tag, ...properties } = chosen.schema.properties ?? {};
  const required = (chosen.schema.required ?? []).filter((key) => key !== union.tag);
  return [tag, ...fieldsOf(root, config, { ...chosen.schema, properties, required }, at)];
}

/** What a form starts from: the first of every choice that has to be made. */
export function startOf(root: Schema, config: Config = {}): Config {
  const open = fieldsOf(root, config).find(
    (field) => field.kind === "choice" && field.required && field.held && readAt(config, field.path) === undefined,
  );
  if (!open) return config;
  return startOf(root, writeAt(config, open.path, (open.initial as string | undefined) ?? open.choices[0]?.value));
}

/** An item that is added to a list. */
export function itemOf(root: Schema, items: Schema): unknown {
  const schema = resolve(items, root);
  if (!schema.properties && !unionOf(schema, root)) return "";
  return startOf({ ...schema, ...(root.$defs ? { $defs: root.$defs } : {}) });
}

/**
 * What is sent: only what matters with the choices made, without empty places, and with every list that an object
 * within has to have. What the schema does not know stays: a newer server may have set it.
 */
export function sentConfig(root: Schema, config: Config): Config {
  const fields = fieldsOf(root, config);
  const known = allPaths(root);
  const shown = new Set(fields.map((field) => field.path.join(".")));
  let sent = config;
  for (const path of known) if (!shown.has(path)) sent = writeAt(sent, path.split("."), undefined);
  for (const { path, kind, required } of fields) {
    if (kind !== "list" || !required || readAt(sent, path) !== undefined) continue;
    if (readAt(sent, path.slice(0, -1)) !== undefined) sent = writeAt(sent, path, []);
  }
  return sent;
}

/** Paths of every field that could ever be shown, whatever is chosen. */
function allPaths(root: Schema, schema: Schema = root, path: string[] = []): string[] {
  const here = resolve(schema, root);
  const variants = (unionOf(here, root)?.variants ?? []).flatMap((one) => allPaths(root, one.schema, path));
  const own = Object.entries(here.properties ?? {}).flatMap(([key, raw]) => {
    const inner = resolve(raw, root);
    return inner.properties || unionOf(inner, root)
      ? allPaths(root, inner, [...path, key])
      : [[...path, key].join(".")];
  });
  return [...new Set([...variants, ...own])];
}

/** A secret as the server gives it back: to be sent again untouched. */
export const isSealed = (value: unknown): boolean =>
  typeof value === "object" && value !== null && Object.keys(value).length === 1 && "$sealed" in value;

export function readAt(config: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (at, key) => (typeof at === "object" && at !== null ? (at as Record<string | number, unknown>)[key] : undefined),
    config,
  );
}

/** A copy with a value at a place; `undefined` and "" remove it, and objects left empty with it. List items stay. */
export function writeAt(config: Config, path: Path, value: unknown): Config {
  const [key, ...rest] = path;
  if (key === undefined) return config;
  const { [key]: before, ...others } = config;
  if (rest.length === 0) return value === undefined || value === "" ? others : { ...config, [key]: value };
  if (Array.isArray(before)) {
    const [at, ...within] = rest as [number, ...Path];
    const item: unknown = within.length ? writeAt((before[at] ?? {}) as Config, within, value) : value;
    return { ...config, [key]: before.map((one, i) => (i === at ? item : one)) };
  }
  const inner = writeAt((typeof before === "object" && before !== null ? before : {}) as Config, rest, value);
  return Object.keys(inner).length === 0 ? others : { ...config, [key]: inner };
}

/** Settings as a list for reading: path and value, secrets without theirs. */
export function linesOf(config: Config, path: string[] = []): [string, unknown][] {
  return Object.entries(config).flatMap(([key, value]): [string, unknown][] => {
    const here = [...path, key];
    if (isSealed(value)) return [[here.join("."), "••••••"]];
    if (Array.isArray(value)) return value.length ? [[here.join("."), listText(value)]] : [];
    if (typeof value === "object" && value !== null) return linesOf(value as Config, here);
    if (value === null) return [];
    return [[here.join("."), value]];
  });
}

const listText = (list: unknown[]): string =>
  list.map((one) => (typeof one === "object" ? itemText(one as Config) : String(one))).join(", ");
const itemText = (item: Config): string =>
  linesOf(item)
    .map(([, value]) => String(value))
    .join(" ");
