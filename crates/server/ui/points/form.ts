// A point as a form edits it: figures stay text until they are saved, so that an empty box means "not set". Pure.
import type { Point } from "@console/api/types";
import { parseNumber } from "@console/kit/value";

export interface PointForm {
  zh: string;
  en: string;
  name: string;
  unit: string;
  address: string;
  asset: string;
  period_ms: string;
  gain: string;
  offset: string;
  range_min: string;
  range_max: string;
  writable: boolean;
  write_min: string;
  write_max: string;
  write_step: string;
  per_minute: string;
}

const PER_MINUTE_DEFAULT = 6;
const textOf = (value: number | null | undefined): string =>
  value === null || value === undefined ? "" : String(value);

export function formOf(point: Point): PointForm {
  return {
    zh: point.label?.zh ?? "",
    en: point.label?.en ?? "",
    name: point.name,
    unit: point.unit,
    address: point.address ?? "",
    asset: point.asset ?? "",
    period_ms: textOf(point.period_ms),
    gain: textOf(point.scaling?.gain ?? 1),
    offset: textOf(point.scaling?.offset ?? 0),
    range_min: textOf(point.range?.[0]),
    range_max: textOf(point.range?.[1]),
    writable: Boolean(point.write),
    write_min: textOf(point.write?.min ?? point.range?.[0]),
    write_max: textOf(point.write?.max ?? point.range?.[1]),
    write_step: textOf(point.write?.step),
    per_minute: textOf(point.write?.per_minute ?? PER_MINUTE_DEFAULT),
  };
}

/** The boxes refuse what is no number, so only an empty one is left to `otherwise`. */
const numberOf = (text: string, otherwise: number): number => parseNumber(text) ?? otherwise;

/** The point with the form's content. Scaling of 1 and 0 is none, and keeps the native type. */
export function pointOf(point: Point, form: PointForm): Point {
  const { label: _label, scaling, range: _range, write: _write, asset: _asset, ...kept } = point;
  const gain = numberOf(form.gain, 1);
  const offset = numberOf(form.offset, 0);
  const range_min = parseNumber(form.range_min);
  const range_max = parseNumber(form.range_max);
  const write_step = parseNumber(form.write_step);
  const scaled = gain !== 1 || offset !== 0 || scaling !== undefined;
  return {
    ...kept,
    name: form.name.trim(),
    label: { zh: form.zh.trim(), en: form.en.trim() },
    unit: form.unit,
    period_ms: numberOf(form.period_ms, point.period_ms),
    ...(point.device ? { address: form.address.trim() } : {}),
    ...(form.asset ? { asset: form.asset } : {}),
    ...(scaled ? { scaling: { gain, offset }, value_type: "f64" as const } : {}),
    ...(range_min !== undefined && range_max !== undefined
      ? { range: [range_min, range_max] as [number, number] }
      : {}),
    ...(form.writable
      ? {
          write: {
            min: parseNumber(form.write_min)!,
            max: parseNumber(form.write_max)!,
            per_minute: numberOf(form.per_minute, PER_MINUTE_DEFAULT),
            ...(write_step === undefined ? {} : { step: write_step }),
          },
        }
      : {}),
  };
}
