// A point as a form edits it: figures stay text until they are saved, so that an empty box means "not set". Pure.
import type { Point } from "@console/api/types";

export interface PointForm {
  zh: string;
  en: string;
  name: string;
  unit: string;
  address: string;
  asset: string;
  period_ms: number;
  gain: string;
  offset: string;
  range_min: string;
  range_max: string;
  writable: boolean;
  write_min: string;
  write_max: string;
  write_step: string;
  per_minute: number;
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
    period_ms: point.period_ms,
    gain: textOf(point.scaling?.gain ?? 1),
    offset: textOf(point.scaling?.offset ?? 0),
    range_min: textOf(point.range?.[0]),
    range_max: textOf(point.range?.[1]),
    writable: Boolean(point.write),
    write_min: textOf(point.write?.min ?? point.range?.[0]),
    write_max: textOf(point.write?.max ?? point.range?.[1]),
    write_step: textOf(point.write?.step),
    per_minute: point.write?.per_minute ?? PER_MINUTE_DEFAULT,
  };
}

const numberOf = (text: string, otherwise: number): number => (text.trim() === "" ? otherwise : Number(text));

/** The point with the form's content. Scaling of 1 and 0 is none, and keeps the native type. */
export function pointOf(point: Point, form: PointForm): Point {
  const { label: _label, scaling, range: _range, write: _write, asset: _asset, ...kept } = point;
  const gain = numberOf(form.gain, 1);
  const offset = numberOf(form.offset, 0);
  const scaled = gain !== 1 || offset !== 0 || scaling !== undefined;
  return {
    ...kept,
    name: form.name.trim(),
    label: { zh: form.zh.trim(), en: form.en.trim() },
    unit: form.unit,
    period_ms: form.period_ms,
    ...(point.device ? { address: form.address.trim() } : {}),
    ...(form.asset ? { asset: form.asset } : {}),
    ...(scaled ? { scaling: { gain, offset }, value_type: "f64" as const } : {}),
    ...(form.range_min.trim() !== "" && form.range_max.trim() !== ""
      ? { range: [Number(form.range_min), Number(form.range_max)] as [number, number] }
      : {}),
    ...(form.writable
      ? {
          write: {
            min: Number(form.write_min),
            max: Number(form.write_max),
            per_minute: form.per_minute,
            ...(form.write_step.trim() === "" ? {} : { step: Number(form.write_step) }),
          },
        }
      : {}),
  };
}
