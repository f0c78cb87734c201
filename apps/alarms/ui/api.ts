// The app's endpoints and what they give. Nothing here keeps state.
import { all, call } from "@console/api/client";
import type { Fault, Id, Instant, JsonValue, Label, Page, Stored } from "@console/api/types";

export const PRIORITIES = ["critical", "high", "medium", "low"] as const;
export type Priority = (typeof PRIORITIES)[number];

export type AlarmState =
  | "normal"
  | "unacknowledged"
  | "acknowledged"
  | "returned"
  | "latched_unacknowledged"
  | "latched_acknowledged"
  | "shelved"
  | "suppressed"
  | "out_of_service";

export interface Note {
  by: string;
  at: Instant;
  text?: string;
}

export interface Alarm {
  point: Id;
  asset?: Id;
  unit: string;
  priority: Priority;
  message: Label;
  class?: string;
  state: AlarmState;
  since: Instant;
  bits: {
    active: boolean;
    acked: boolean;
    latched: boolean;
    shelved_until?: Instant;
    suppressed_by?: string[];
    out_of_service: boolean;
  };
  raised?: Instant;
  cleared?: Instant;
  value?: JsonValue;
  quality?: number;
  raises: number;
  acknowledged?: Note;
  hidden?: Note;
  comment?: Note;
  unwatched?: Fault;
}

export interface Entry {
  alarm: Id;
  point: Id;
  asset?: Id;
  at: Instant;
  what: string;
  by: string;
  from: AlarmState;
  to: AlarmState;
  priority: Priority;
  message: Label;
  value?: JsonValue;
  quality?: number;
  unit: string;
  reason?: string;
  until?: Instant;
}

export type Setpoint = { value: number } | { point: Id };
export type Named = boolean | number | string;
export type Side = "above" | "below" | "either";
export type Condition =
  | { kind: "limit"; level: "lolo" | "lo" | "hi" | "hihi"; limit: number; deadband: number }
  | { kind: "deviation"; setpoint: Setpoint; side: Side; limit: number; deadband: number }
  | { kind: "rate"; side: Side; limit: number; per: "second" | "minute"; deadband: number; over_ms: number }
  | { kind: "discrete"; values: Named[]; others: boolean }
  | { kind: "stale"; after_ms: number };
export type Kind = Condition["kind"];
export const KINDS: Kind[] = ["limit", "deviation", "rate", "discrete", "stale"];

export interface Rationale {
  cause?: string;
  consequence?: string;
  response?: string;
  time_to_respond_s?: number;
  owner?: string;
}

export interface Rule {
  point: Id;
  condition: Condition;
  unit: string;
  on_delay_ms: number;
  off_delay_ms: number;
  on_bad: "hold" | "raise";
  priority: Priority;
  latching: boolean;
  message: Label;
  class?: string;
  rationale: Rationale;
}

export interface Counts {
  revision: number;
  counts: {
    by_priority: number[];
    unacknowledged: number[];
    by_state: Partial<Record<AlarmState, number>>;
    more: boolean;
  };
}

export interface Tally {
  from: Instant;
  to: Instant;
  rows: number;
  raised: number;
  active_ms: number;
  longest_ms: number;
  fleeting: number;
  active: boolean;
  recent: Instant[];
}

export interface Outcomes {
  done: Id[];
  refused: { alarm: Id; fault: Fault }[];
}

export type AlarmItem = Stored<Alarm>;
export type RuleItem = Stored<Rule>;
export type EntryItem = Stored<Entry>;

/** What people do to alarms. */
export type Act = "acknowledge" | "reset" | "shelve" | "unshelve" | "withdraw" | "return";

/** The list holds the most urgent ones; a person reads no more. */
export const LISTED_MAX = 2_000;
/** The server's limit of one request. */
const ACTS_MAX = 1_000;
const JOURNAL_PAGE = 100;
const ROOT = "/apps/alarms";

async function act(what: Act, alarms: Id[], more: { reason?: string; duration_s?: number } = {}): Promise<Outcomes> {
  const outcomes: Outcomes = { done: [], refused: [] };
  for (let i = 0; i < alarms.length; i += ACTS_MAX) {
    const body = { alarms: alarms.slice(i, i + ACTS_MAX), ...more };
    const part = await call<Outcomes>("POST", `${ROOT}/${what}`, { body });
    outcomes.done.push(...part.done);
    outcomes.refused.push(...part.refused);
  }
  return outcomes;
}

export const alarms = {
  revision: () => call<{ revision: number }>("GET", `${ROOT}/revision`),
  counts: () => call<Counts>("GET", `${ROOT}/counts`),
  shown: () => all<AlarmItem>(ROOT, {}, LISTED_MAX),
  hidden: () => all<AlarmItem>(ROOT, { show: "hidden" }, LISTED_MAX),
  every: () => all<AlarmItem>(ROOT, { show: "all" }),
  one: (id: Id) => call<AlarmItem>("GET", `${ROOT}/${id}`),
  act,
  comment: (id: Id, text: string) => call<void>("POST", `${ROOT}/${id}/comments`, { body: { text } }),
  journal: (query: { alarm?: Id; cursor?: string }) =>
    call<Page<EntryItem>>("GET", `${ROOT}/journal`, { query: { ...query, limit: JOURNAL_PAGE } }),
  rules: () => all<RuleItem>(`${ROOT}/rules`),
  rule: (id: Id) => call<RuleItem>("GET", `${ROOT}/rules/${id}`),
  addRule: (body: Rule) => call<RuleItem>("POST", `${ROOT}/rules`, { body }),
  putRule: (id: Id, body: Rule, revision: number | string) =>
    call<RuleItem>("PUT", `${ROOT}/rules/${id}`, { body, revision }),
  removeRule: (id: Id) => call<void>("DELETE", `${ROOT}/rules/${id}`),
  preview: (rule: Rule, hours: number, replaces?: Id) =>
    call<Tally>("POST", `${ROOT}/rules/preview`, { body: { rule, hours, ...(replaces ? { replaces } : {}) } }),
};
