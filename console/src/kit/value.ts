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

const PLAIN = /^[+-]?(\d+(\.\d+)?|\.\d+)(e[+-]?\d+)?$/i;

/** What a user typed as plain characters: Chinese input methods write `９５．５`, `95。5` and `−5`. */
export const plainNumber = (text: string): string =>
  text.normalize("NFKC").replace("。", ".").replace("\u2212", "-").trim();

/** A typed number; `undefined` when it is none. Hexadecimal, commas and infinities are none. */
export function parseNumber(text: string): number | undefined {
  const plain = plainNumber(text);
  const number = PLAIN.test(plain) ? Number(plain) : NaN;
  return Number.isFinite(number) ? number : undefined;
}

/** A typed whole number, kept as text: 64 bits do not fit into a JavaScript number. */
export function parseInteger(text: string): string | undefined {
  const plain = plainNumber(text).replace(/^\+/, "");
  return /^-?\d+$/.test(plain) ? plain : undefined;
}

/** Below this a figure is noise of floating point, and shows as 0. */
const NOISE = 1e-9;
const DIGITS = 4;
const DECIMALS_MAX = 4;

/**
 * At most four significant digits, never exponents between 1e-4 and 1e9, thousands parted by a thin space. Zeros at the
 * end are cut; a figure that is not whole keeps one decimal, so that a moving one does not jump in width.
 */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size < NOISE) return "0";
  if (size >= 1e9 || size < 1e-4) return value.toExponential(DIGITS - 1).replace(/\.?0+e/, "e");
  if (Number.isInteger(value)) return groupDigits(String(value));
  const whole = Math.floor(size).toString().length;
  const decimals = Math.max(0, Math.min(DECIMALS_MAX, size >= 1 ? DIGITS - whole : DIGITS));
  return groupDigits(value.toFixed(decimals).replace(/(\.\d+?)0+$/, "$1"));
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
  const named = words.state(stateKey(value));
  if (named) return named;
  if (typeof value === "boolean") return value ? words.on : words.off;
  if (type === "i64" || type === "u64") return groupDigits(String(value));
  if (typeof value === "number") return formatNumber(value);
  return value;
}

/** The key under which a value's state is named. */
const stateKey = (value: JsonValue): string => String(typeof value === "boolean" ? Number(value) : value);

const FAULT_EN = /fault|alarm/i;
const FAULT_ZH = /故障|报警/;
/** "No fault", "无报警": the words stand there, and mean the opposite. */
const DENIED = /\b(no|not|without)\b|[无未非]/i;

/** Whether a value is a state that is named as a fault or an alarm. */
export function isFaultState(value: JsonValue | undefined, states: Point["states"]): boolean {
  if (value === null || value === undefined) return false;
  const { en = "", zh = "" } = states?.[stateKey(value)] ?? {};
  return (FAULT_EN.test(en) && !DENIED.test(en)) || (FAULT_ZH.test(zh) && !DENIED.test(zh));
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

/** From when to when, each with its date unless both are of today; the second without when it is of the first's day. */
export function spanText(from_ms: number, to_ms: number, now_ms = Date.now()): string {
  const one = dateText(from_ms) === dateText(to_ms);
  const start = one ? clockText(from_ms, now_ms) : `${dateText(from_ms)} ${clockText(from_ms, from_ms)}`;
  const end = clockText(to_ms, to_ms);
  return `${start} – ${one ? end : `${dateText(to_ms)} ${end}`}`;
}
