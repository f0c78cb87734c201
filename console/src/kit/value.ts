// How values, ages and qualities are written. Pure; nothing here knows Vue.
import type { JsonValue, Point, ValueType } from "../api/types";

export type QualityClass = "good" | "uncertain" | "bad";

/** OPC UA status code: the two top bits are the class (OPC 10000-4, 7.39). */
export function qualityClass(quality: number): QualityClass {
  const top = quality >>> 30;
  return top === 0 ? "good" : top === 1 ? "uncertain" : "bad";
}

const QUALITY_NAMES: Record<number, string> = {
  0x40900000: "last-usable",
  0x80890000: "configuration",
  0x80310000: "no-communication",
  0x80330000: "address",
  0x808b0000: "device-failure",
  0x808d0000: "out-of-service",
  0x803c0000: "out-of-range",
};

/** Message key of the reason. */
export function qualityKey(quality: number): string {
  return `quality.${QUALITY_NAMES[quality >>> 0] ?? qualityClass(quality)}`;
}

/** A number for drawing and comparing; `null` for text and nothing. */
export function asNumber(value: JsonValue | undefined): number | null {
  if (typeof value === "boolean") return value ? 1 : 0;
  if (value === null || value === undefined || value === "") return null;
  const number = Number(value);
  return Number.isFinite(number) ? number : null;
}

const DIGITS = 4;
const DECIMALS_MAX = 4;

/** Four significant digits, never exponents between 1e-4 and 1e9, thousands parted by a thin space. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e9 || size < 1e-4)) return value.toExponential(3);
  const whole = Math.floor(size).toString().length;
  const decimals = size === 0 ? 0 : Math.max(0, Math.min(DECIMALS_MAX, size >= 1 ? DIGITS - whole : DIGITS));
  return groupDigits(value.toFixed(decimals));
}

const AXIS_DECIMALS_MAX = 7;

/** A label of a value axis: as many decimals as the step needs. */
export function axisNumber(value: number, step: number): string {
  if (Math.abs(value) >= 1e9 || step < 1e-6) return value.toExponential(2);
  let decimals = 0;
  while (decimals < AXIS_DECIMALS_MAX && Math.abs(step * 10 ** decimals - Math.round(step * 10 ** decimals)) > 1e-6)
    decimals += 1;
  return groupDigits(value.toFixed(decimals));
}

function groupDigits(text: string): string {
  const [whole = "", fraction] = text.split(".");
  const digits = whole.replace("-", "");
  const grouped = digits.length > 4 ? whole.replace(/\B(?=(\d{3})+$)/g, "\u2009") : whole;
  return fraction === undefined ? grouped : `${grouped}.${fraction}`;
}

export interface ValueWords {
  on: string;
  off: string;
  /** A state's name in the user's language. */
  state: (key: string) => string | undefined;
}

/** A value as text, without its unit. */
export function formatValue(value: JsonValue | undefined, type: ValueType, words: ValueWords): string {
  if (value === null || value === undefined) return "—";
  const named = words.state(String(typeof value === "boolean" ? Number(value) : value));
  if (named) return named;
  if (typeof value === "boolean") return value ? words.on : words.off;
  if (type === "i64" || type === "u64") return groupDigits(String(value));
  if (typeof value === "number") return formatNumber(value);
  return value;
}

/** Whether a value lies outside of the usual range. */
export function outOfRange(value: JsonValue | undefined, range: Point["range"]): boolean {
  const number = asNumber(value);
  return number !== null && range !== undefined && (number < range[0] || number > range[1]);
}

export interface AgeText {
  key: string;
  count: number;
}

/** An age as a message key and a count: seconds, minutes, hours, days. */
export function ageText(age_ms: number): AgeText {
  const s = Math.max(0, Math.round(age_ms / 1_000));
  if (s < 90) return { key: "age.s", count: s };
  const min = Math.round(s / 60);
  if (min < 90) return { key: "age.min", count: min };
  const h = Math.round(min / 60);
  if (h < 48) return { key: "age.h", count: h };
  return { key: "age.d", count: Math.round(h / 24) };
}

const two = (n: number): string => String(n).padStart(2, "0");

/** Local wall time, `10:31:05`; with the date when it is another day. */
export function clockText(ms: number, now_ms = Date.now()): string {
  const at = new Date(ms);
  const time = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  return at.toDateString() === new Date(now_ms).toDateString() ? time : `${dateText(ms)} ${time}`;
}

/** `2026-11-21`. */
export function dateText(ms: number): string {
  const at = new Date(ms);
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}
