// What is shown of an answer: its cells as text, how wide they are, and what can be drawn of it. Pure.
import type { Answer, AnswerType, JsonValue } from "@console/api";
import { emptyTrack, type Track } from "@console/kit/tracks";
import { asNumber } from "@console/kit/value";

/** So many rows are read for the screen; a file has all of them. */
export const ROWS_MAX = 10_000;
const DIGITS = 7;
const ROWS_MEASURED_MAX = 200;
const CHARS_MEASURED_MAX = 80;
const CELL_PX_MIN = 56;
const CELL_PX_MAX = 340;
const PAD_PX = 24;

export const isFigure = (type: AnswerType): boolean => ["i32", "i64", "u32", "u64", "f64", "decimal"].includes(type);

const two = (n: number): string => String(n).padStart(2, "0");

/** Wall time with its distance from UTC, so that it can be read and put into a statement as it stands. */
export function timeText(text: string): string {
  const at = new Date(text);
  if (!/(?:Z|[+-]\d\d:\d\d)$/.test(text) || Number.isNaN(at.getTime())) return text.replace("T", " ");
  const away = -at.getTimezoneOffset();
  const zone = `${away < 0 ? "-" : "+"}${two(Math.floor(Math.abs(away) / 60))}:${two(Math.abs(away) % 60)}`;
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  const ms = at.getMilliseconds();
  const fraction = ms ? `.${String(ms).padStart(3, "0")}` : "";
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}${fraction}${zone}`;
}

/** All digits before the point, seven in all after that: a float as it was meant, and no less than a person needs. */
export function figureText(value: number): string {
  const size = Math.abs(value);
  if (Number.isInteger(value) || size >= 1e15) return String(value);
  if (size < 1e-4) return String(Number(value.toPrecision(DIGITS)));
  const whole = size < 1 ? 0 : Math.floor(size).toString().length;
  return String(Number(value.toFixed(Math.max(0, Math.min(DIGITS - whole, DIGITS)))));
}

/** A cell in short; `undefined` for nothing. */
export function cellText(value: JsonValue | undefined, type: AnswerType): string | undefined {
  if (value === null || value === undefined || type === "null") return undefined;
  if (type === "time" && typeof value === "string") return timeText(value);
  return typeof value === "number" ? figureText(value) : String(value);
}

/** Columns of a grid: as wide as what stands in them, and room that is left at the end. `widthOf` measures a text. */
export function gridOf(answer: Answer, widthOf: (text: string) => number): string {
  const rows = answer.rows.slice(0, ROWS_MEASURED_MAX);
  const widths = answer.columns.map(({ name, type }, i) => {
    const texts = rows.map((row) => (cellText(row[i], type) ?? "").slice(0, CHARS_MEASURED_MAX));
    const widest = Math.max(...[name, ...new Set(texts)].map(widthOf));
    return `${Math.ceil(Math.min(Math.max(widest + PAD_PX, CELL_PX_MIN), CELL_PX_MAX))}px`;
  });
  return `${widths.join(" ")} 1fr`;
}

/** What of an answer goes where in a chart, by index of the column. */
export interface Drawing {
  time: number;
  /** Figures that may be drawn. */
  measures: number[];
  /** Texts that may part the rows into curves, the likeliest first. */
  groups: number[];
  unit: number;
}

/** These part the rows, and name the curve also when there is but one. */
const GROUPS_FIRST = ["point", "label", "name", "device", "asset"];
const NO_GROUPS = ["unit", "type", "point_id", "text"];
/** Figures that say something about a row, and are no measurement. */
const NO_MEASURES = ["quality"];

export function drawingOf({ columns, rows }: Answer): Drawing | undefined {
  const named = columns.findIndex((one) => one.type === "time" && one.name === "time");
  const time = named < 0 ? columns.findIndex((one) => one.type === "time") : named;
  const measures = columns.flatMap((one, i) => (isFigure(one.type) && !NO_MEASURES.includes(one.name) ? [i] : []));
  if (time < 0 || measures.length === 0 || rows.length < 2) return undefined;
  const varies = (i: number): boolean => rows.some((row) => row[i] !== rows[0]![i]);
  const rank = (i: number): number => (varies(i) ? 0 : 100) + (GROUPS_FIRST.indexOf(columns[i]!.name) + 1 || 99);
  const parts = (i: number): boolean => varies(i) || GROUPS_FIRST.includes(columns[i]!.name);
  const groups = columns
    .flatMap((one, i) => (one.type === "string" && !NO_GROUPS.includes(one.name) && parts(i) ? [i] : []))
    .sort((a, b) => rank(a) - rank(b));
  return { time, measures, groups, unit: columns.findIndex((one) => one.name === "unit") };
}

/** `value` alone where there is one: the columns beside it say the same in other types. */
export function firstMeasures({ columns }: Answer, drawing: Drawing): number[] {
  const value = drawing.measures.find((i) => columns[i]!.name === "value");
  return value === undefined ? drawing.measures : [value];
}

export interface Series {
  id: string;
  name: string;
  /** UCUM code, if the answer has it. */
  unit: string;
  track: Track;
}

const instant = (value: JsonValue | undefined): number =>
  typeof value === "string" ? Date.parse(/(?:Z|[+-]\d\d:\d\d)$/.test(value) ? value : `${value}Z`) : NaN;

/** One curve for each text of the group and each measure, by name. */
export function seriesOf(answer: Answer, drawing: Drawing, measures: number[], group: number | undefined): Series[] {
  const { columns, rows } = answer;
  const order = rows
    .map((row) => ({ row, at: instant(row[drawing.time]) }))
    .filter(({ at }) => !Number.isNaN(at))
    .sort((a, b) => a.at - b.at);
  const found = new Map<string, Series>();
  for (const { row, at } of order) {
    const part = group === undefined ? "" : String(row[group] ?? "—");
    for (const measure of measures) {
      const id = `${measure} ${part}`;
      const series = found.get(id) ?? {
        id,
        name: [part, measures.length > 1 || !part ? columns[measure]!.name : ""].filter(Boolean).join(" · "),
        unit: String(row[drawing.unit] ?? ""),
        track: emptyTrack(),
      };
      found.set(id, series);
      series.track.time.push(at);
      series.track.mean.push(asNumber(row[measure]));
    }
  }
  return [...found.values()].sort((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }));
}

/** A curve needs two figures to be seen. */
export const isSeen = ({ track }: Series): boolean => track.mean.filter((value) => value !== null).length > 1;
