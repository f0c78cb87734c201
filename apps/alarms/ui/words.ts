// Rules, durations and values in words. Everything reads the current language.
import type { JsonValue } from "@console/api/types";
import { nameOf, t } from "@console/i18n";
import { unitSymbol } from "@console/kit/units";
import { formatNumber, formatValue } from "@console/kit/value";
import type { Rule } from "./api";
import { pointOf } from "./points";

const UNITS: [unit: string, s: number][] = [
  ["d", 86_400],
  ["h", 3_600],
  ["min", 60],
];

/** `5 s`, `1.5 min`, `8 h`, `7 d`: one decimal where it is not whole. */
export function durationText(ms: number): string {
  const s = ms / 1_000;
  const [unit, length] = UNITS.find(([, length]) => s >= length) ?? ["s", 1];
  return t(`alarms.duration.${unit}`, { n: formatNumber(Math.round((s / length) * 10) / 10) });
}

const withUnit = (value: number, unit: string): string => `${formatNumber(value)} ${unitSymbol(unit)}`.trim();

/** A value of a point as its other pages write it, with its unit. */
export function valueText(value: JsonValue | undefined, point: string, unit: string): string {
  const body = pointOf(point)?.body;
  const states = body?.states;
  const text = formatValue(value, body?.value_type ?? "f64", {
    on: t("value.on"),
    off: t("value.off"),
    state: (key) => (states?.[key] ? nameOf(states[key]) : undefined),
  });
  return value === undefined || value === null ? "" : `${text} ${unitSymbol(unit)}`.trim();
}

/** The condition as one reads it: `高 > 85 °C，死区 2`. */
export function conditionText(rule: Rule): string {
  const { condition: c, unit } = rule;
  const parts: string[] = [];
  if (c.kind === "limit") {
    const sign = c.level === "hi" || c.level === "hihi" ? ">" : "<";
    parts.push(`${t(`alarms.level.${c.level}`)} ${sign} ${withUnit(c.limit, unit)}`);
  } else if (c.kind === "deviation") {
    const from = "value" in c.setpoint ? withUnit(c.setpoint.value, unit) : pointName(c.setpoint.point);
    parts.push(t("alarms.says.deviation", { side: t(`alarms.side.${c.side}`), from, limit: withUnit(c.limit, unit) }));
  } else if (c.kind === "rate") {
    const limit = `${withUnit(c.limit, unit)}/${c.per === "second" ? "s" : "min"}`;
    parts.push(t("alarms.says.rate", { side: t(`alarms.side.${c.side}`), limit }));
  } else if (c.kind === "discrete") {
    const values = c.values.map((value) => valueText(value, rule.point, "1")).join(t("alarms.says.or"));
    parts.push(t(c.others ? "alarms.says.others" : "alarms.says.discrete", { values }));
  } else {
    parts.push(t("alarms.says.stale", { time: durationText(c.after_ms) }));
  }
  if ("deadband" in c && c.deadband > 0) parts.push(t("alarms.says.deadband", { n: formatNumber(c.deadband) }));
  if (rule.on_delay_ms > 0) parts.push(t("alarms.says.on-delay", { time: durationText(rule.on_delay_ms) }));
  if (rule.off_delay_ms > 0) parts.push(t("alarms.says.off-delay", { time: durationText(rule.off_delay_ms) }));
  return parts.join(t("alarms.says.comma"));
}

export function pointName(id: string): string {
  const point = pointOf(id);
  return point ? nameOf(point.body.label, point.body.name) : "…";
}
