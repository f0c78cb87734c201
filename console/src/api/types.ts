// Wire types of API v1, as the server's `types` crate writes them. Ids are UUID text, times RFC 3339, i64 and u64 text.

export type Id = string;
export type Instant = string;
export type JsonValue = boolean | number | string | null;

/** Something that went wrong: shown by `code` in the user's language, else `detail`. */
export interface Fault {
  code: string;
  args?: Record<string, string | number>;
  detail: string;
  path?: string;
}

export interface Stored<T> {
  id: Id;
  revision: number | string;
  changed: Instant;
  body: T;
}

export interface Page<T> {
  items: T[];
  next?: string | null;
}

export interface Label {
  zh?: string;
  en?: string;
}

export type Permission = "read" | "command" | "configure" | "administer";
export type Role = "viewer" | "operator" | "engineer" | "admin";
export type Locale = "zh" | "en";

export interface Session {
  token?: string;
  user: { id: Id; name: string; role: Role; locale: Locale };
  organisation: { id: Id; name: string };
  permissions: Permission[];
  expires: Instant;
}

export interface User {
  name: string;
  role: Role;
  locale: Locale;
  enabled: boolean;
}

export type NodeKind = "site" | "area" | "line" | "station" | "asset";

export interface Asset {
  kind: NodeKind;
  name: Label;
  parent?: Id;
  asset_type?: Id;
  zone?: string;
  notes?: Record<string, string>;
}

export type ValueType = "bool" | "i64" | "u64" | "f32" | "f64" | "string" | "bytes";

export interface WritePolicy {
  min: number;
  max: number;
  step?: number | null;
  per_minute: number;
}

export interface Point {
  name: string;
  label?: Label;
  device?: Id;
  address?: string;
  asset?: Id;
  value_type: ValueType;
  unit: string;
  scaling?: { gain: number; offset: number };
  range?: [number, number];
  states?: Record<string, Label>;
  period_ms: number;
  write?: WritePolicy | null;
}

export interface PointItem {
  id: Id;
  point_id: number;
  revision: number | string;
  body: Point;
}

export interface Device {
  name: string;
  driver: string;
  config: Record<string, unknown>;
  enabled: boolean;
  writes_enabled: boolean;
  limits: { writes_per_minute?: number | null };
  source?: number;
  added?: Instant;
}

export type DeviceState = "disabled" | "connecting" | "online" | "waiting" | "failed";

export interface DeviceHealth {
  state: DeviceState;
  since: Instant;
  fault?: Fault | null;
  points: number;
  good: number;
  requests: number | string;
  failures: number | string;
  late_cycles: number | string;
  retry_at?: Instant | null;
  stored_rows?: number | string;
  shed_rows?: number | string;
  /** Why rows are not stored now. */
  refusal?: Fault | null;
}

export interface DeviceItem extends Stored<Device> {
  /** `null` until the supervisor has taken it up. */
  health: DeviceHealth | null;
}

export interface Unit {
  code: string;
  symbol: string;
  dimension: string;
}

/** The part of JSON schema (2020-12) that drivers use for their `config`. */
export interface Schema {
  type?: string | string[];
  title?: string;
  description?: string;
  default?: unknown;
  enum?: unknown[];
  const?: unknown;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  properties?: Record<string, Schema>;
  required?: string[];
  oneOf?: Schema[];
  anyOf?: Schema[];
  allOf?: Schema[];
  items?: Schema;
  maxItems?: number;
  /** A secret: sealed once it is saved, and never given back. */
  writeOnly?: boolean;
  $ref?: string;
  $defs?: Record<string, Schema>;
}

export interface Driver {
  id: string;
  name: Label;
  config_schema: Schema;
  /** Its devices can say what they offer. */
  browses: boolean;
}

/** What a device offers. */
export interface BrowsedNode {
  address: string;
  /** `null` right below the root. */
  parent: string | null;
  name: string;
  kind: "folder" | "value" | "method";
  value_type: ValueType | null;
  writable: boolean;
  facts: [string, string][];
}

export type DoorState = "closed" | "opening" | "open" | "waiting";

/** A listener through which devices come by themselves. */
export interface Door {
  /** The driver whose devices come through it. */
  id: string;
  name: Label;
  config_schema: Schema;
  setting: DoorSetting;
  state: DoorState;
  since: Instant;
  fault?: Fault;
  retry_at?: Instant;
  listening: string[];
  counts: Record<string, number | string>;
  arrivals: number;
}

export interface DoorSetting {
  enabled: boolean;
  config: Record<string, unknown>;
}

/** An unknown caller. */
export interface Arrival {
  key: string;
  from: string;
  first: Instant;
  last: Instant;
  knocks: number | string;
  facts: [string, string][];
  suggested_config: Record<string, unknown>;
  /** Oldest first. */
  heard: Heard[];
}

export interface Heard {
  time: Instant;
  channel: string;
  text?: string;
  hex?: string;
}

export interface Certificate {
  /** The driver that met it. */
  leaf: string;
  standing: "own" | "rejected" | "trusted";
  presented: {
    /** SHA-256 in hex. */
    thumbprint: string;
    subject: string;
    application_uri: string;
    not_before: Instant;
    not_after: Instant;
    from: string;
    /** Base64. */
    der: string;
  };
  first: Instant;
  judged_by?: string;
}

export interface ProbeReport {
  round_trip_ms: number;
  suggested_config?: Record<string, unknown> | null;
  identity: [string, string][];
}

export interface Candidate {
  address: string;
  reading: string;
  value_type: ValueType;
  value: JsonValue;
  plausible: boolean;
}

export interface RawCell {
  address: string;
  hex: string | null;
  /** As people read it, for messages. */
  text?: string;
  /** When it came, for what comes by itself. */
  time?: Instant;
}

export interface Inspection {
  raw: RawCell[];
  candidates: Candidate[];
}

/** The newest state of a point: the value and the quality may stem from different instants. */
export interface Latest {
  point: Id;
  value: JsonValue;
  value_time?: Instant | null;
  quality: number;
  quality_name: string;
  quality_time: Instant;
  recorded?: Instant;
}

/** A sample as the live connection sends it. */
export interface LiveSample {
  point: Id;
  time: Instant;
  value: JsonValue;
  quality: number;
}

export interface RawSample {
  time: Instant;
  value: JsonValue;
  quality: number;
}

/** Buckets of one point, as columns. */
export interface Aggregate {
  point: Id;
  start: number[];
  count: number[];
  bad: number[];
  min: (number | null)[];
  max: (number | null)[];
  mean: (number | null)[];
  first?: (number | null)[];
  last?: (number | null)[];
}

export type CommandState = "proposed" | "sent" | "verified" | "unverified" | "failed" | "expired" | "refused";

export interface Command {
  point: Id;
  device: Id;
  by: string;
  proposed: Instant;
  expires: Instant;
  old: JsonValue;
  new: JsonValue;
  unit: string;
  state: CommandState;
  changed: Instant;
  read_back?: JsonValue;
  fault?: Fault | null;
}

export interface WriteLock {
  locked: boolean;
  by?: string | null;
  since?: Instant | null;
}

export interface ImportReport {
  created: number;
  updated: number;
  unchanged: number;
  errors: Fault[];
}

export type AnswerType =
  | "bool"
  | "i32"
  | "i64"
  | "u32"
  | "u64"
  | "f64"
  | "decimal"
  | "time"
  | "date"
  | "interval"
  | "string"
  | "bytes"
  | "null"
  | "other";
export type AnswerFormat = "csv" | "parquet" | "arrow";

/** What a query gives. 64-bit integers and figures that are not finite are text, times RFC 3339. */
export interface Answer {
  columns: { name: string; type: AnswerType }[];
  rows: JsonValue[][];
  /** There were more rows than were asked for. */
  truncated: boolean;
  /** Why the answer ends early. */
  error?: Fault;
}

export interface QueryColumn {
  name: string;
  type: AnswerType;
  summary: string;
}

export interface QueryTable {
  name: string;
  summary: string;
  columns: QueryColumn[];
}

export interface QueryFunction {
  name: string;
  usage: string;
  summary: string;
}

export interface QueryTables {
  tables: QueryTable[];
  functions: QueryFunction[];
}

/** For a program that acts for the user. */
export interface Token {
  id: Id;
  name: string;
  role: Role;
  made: Instant;
  expires: Instant;
}

export interface NewToken extends Token {
  /** Shown this once. */
  token: string;
}
