// A rule as a form edits it: figures stay text until they are sent, so that an empty box means "not set". Pure.
import type { Id, Point } from "@console/api/types";
import { parseInteger, parseNumber } from "@console/kit/value";
import type { Condition, Kind, Named, Priority, Rule, Side } from "./api";

export interface RuleForm {
  kind: Kind;
  level: "lolo" | "lo" | "hi" | "hihi";
  side: Side;
  limit: string;
  deadband: string;
  unit: string;
  setpoint_from: "value" | "point";
  setpoint: string;
  setpoint_point: Id;
  per: "second" | "minute";
  over_s: string;
  values: string[];
  others: boolean;
  after_s: string;
  on_delay_s: string;
  off_delay_s: string;
  on_bad: "hold" | "raise";
  priority: Priority;
  latching: boolean;
  zh: string;
  en: string;
  class: string;
  cause: string;
  consequence: string;
  response: string;
  respond_min: string;
  owner: string;
}

/** Calm to start with: a temperature's usual delay, no deadband before the limit is known. */
const ON_DELAY_S = "5";
const STALE_S = "60";

const seconds = (ms: number): string => String(ms / 1_000);
const ms = (text: string): number => Math.round((parseNumber(text) ?? 0) * 1_000);
const figure = (text: string): number => parseNumber(text) ?? 0;

/** Numbers meet limits, everything else meets values. */
export const kindsOf = (point: Point | undefined): Kind[] =>
  point && ["bool", "string", "bytes"].includes(point.value_type)
    ? ["discrete", "stale"]
    : ["limit", "deviation", "rate", "discrete", "stale"];

export function freshForm(point: Point | undefined): RuleForm {
  return {
    kind: kindsOf(point)[0]!,
    level: "hi",
    side: "either",
    limit: point?.range ? String(point.range[1]) : "",
    deadband: "0",
    unit: point?.unit ?? "",
    setpoint_from: "value",
    setpoint: "",
    setpoint_point: "",
    per: "minute",
    over_s: "10",
    values: [],
    others: false,
    after_s: STALE_S,
    on_delay_s: ON_DELAY_S,
    off_delay_s: "0",
    on_bad: "hold",
    priority: "medium",
    latching: false,
    zh: "",
    en: "",
    class: "",
    cause: "",
    consequence: "",
    response: "",
    respond_min: "",
    owner: "",
  };
}

export function formOf(rule: Rule, point: Point | undefined): RuleForm {
  const { condition: c, rationale: why } = rule;
  return {
    ...freshForm(point),
    kind: c.kind,
    unit: rule.unit,
    ...("level" in c ? { level: c.level } : {}),
    ...("side" in c ? { side: c.side } : {}),
    ...("limit" in c ? { limit: String(c.limit), deadband: String(c.deadband) } : {}),
    ...(c.kind === "deviation" && "value" in c.setpoint
      ? { setpoint_from: "value" as const, setpoint: String(c.setpoint.value) }
      : {}),
    ...(c.kind === "deviation" && "point" in c.setpoint
      ? { setpoint_from: "point" as const, setpoint_point: c.setpoint.point }
      : {}),
    ...(c.kind === "rate" ? { per: c.per, over_s: seconds(c.over_ms) } : {}),
    ...(c.kind === "discrete" ? { values: c.values.map(String), others: c.others } : {}),
    ...(c.kind === "stale" ? { after_s: seconds(c.after_ms) } : {}),
    on_delay_s: seconds(rule.on_delay_ms),
    off_delay_s: seconds(rule.off_delay_ms),
    on_bad: rule.on_bad,
    priority: rule.priority,
    latching: rule.latching,
    zh: rule.message.zh ?? "",
    en: rule.message.en ?? "",
    class: rule.class ?? "",
    cause: why.cause ?? "",
    consequence: why.consequence ?? "",
    response: why.response ?? "",
    respond_min: why.time_to_respond_s === undefined ? "" : String(why.time_to_respond_s / 60),
    owner: why.owner ?? "",
  };
}

/** A typed value of a state, as the type of the point has it. */
export function namedOf(text: string, point: Point): Named {
  if (point.value_type === "bool") return text === "1" || text === "true";
  if (point.value_type === "string") return text;
  return Number(parseInteger(text) ?? text);
}

function conditionOf(form: RuleForm, point: Point): Condition {
  const [limit, deadband] = [figure(form.limit), figure(form.deadband)];
  switch (form.kind) {
    case "limit":
      return { kind: "limit", level: form.level, limit, deadband };
    case "deviation": {
      const setpoint =
        form.setpoint_from === "value" ? { value: figure(form.setpoint) } : { point: form.setpoint_point };
      return { kind: "deviation", setpoint, side: form.side, limit, deadband };
    }
    case "rate":
      return { kind: "rate", side: form.side, limit, per: form.per, deadband, over_ms: ms(form.over_s) };
    case "discrete":
      return { kind: "discrete", values: form.values.map((text) => namedOf(text, point)), others: form.others };
    case "stale":
      return { kind: "stale", after_ms: ms(form.after_s) };
  }
}

export function ruleOf(form: RuleForm, id: Id, point: Point): Rule {
  const respond = parseNumber(form.respond_min);
  return {
    point: id,
    condition: conditionOf(form, point),
    unit: form.unit,
    on_delay_ms: ms(form.on_delay_s),
    off_delay_ms: ms(form.off_delay_s),
    on_bad: form.on_bad,
    priority: form.priority,
    latching: form.latching,
    message: { zh: form.zh, en: form.en },
    class: form.class,
    rationale: {
      cause: form.cause,
      consequence: form.consequence,
      response: form.response,
      ...(respond === undefined ? {} : { time_to_respond_s: Math.round(respond * 60) }),
      owner: form.owner,
    },
  };
}
