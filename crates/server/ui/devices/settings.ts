// A driver's settings beyond what its schema says: what its leaf adds, and guesses that hold for any. Pure.
import type { Driver, Label } from "@console/api/types";
import { fieldsOf, isSealed, linesOf, readAt, type Config } from "@console/kit/schema";
import { formOf } from "@console/leaves";

/** Settings that say where a device is, whatever its protocol; the first one there is counts. */
const PLACES = ["endpoint_url", "url", "host", "serial.path", "dtu_id", "client_id", "username"];

/** Where a device is, in a few words. */
export function placeOf(config: Config): string {
  const at = PLACES.map((path) => readAt(config, path.split("."))).find((value) => value && !isSealed(value));
  const port = config["host"] && config["port"] ? `:${String(config["port"])}` : "";
  const unit = config["unit_id"] === undefined ? "" : ` #${String(config["unit_id"])}`;
  return at ? `${String(at)}${port}${unit}` : "";
}

/** A first guess at the name of a device. */
export const nameFor = (driver: Driver, nameOf: (label: Label) => string, config: Config): string =>
  formOf(driver.id).place?.(config) ?? `${nameOf(driver.name)} ${placeOf(config)}`.trim();

/**
 * What a probe found better, as path, what was set, and what would be. A setting that was left alone counts as its
 * default, and a choice whose default nobody names as its first value, so that nothing is new that was meant all along.
 */
export function changesOf(driver: Driver, config: Config, better: Config): [string, unknown, unknown][] {
  const before = new Map(linesOf(config));
  const fields = new Map(fieldsOf(driver.config_schema, better).map((field) => [field.path.join("."), field]));
  return linesOf(better).flatMap(([path, value]): [string, unknown, unknown][] => {
    const field = fields.get(path);
    const had = before.get(path) ?? field?.initial;
    const meant = had ?? field?.choices[0]?.value;
    return JSON.stringify(meant) === JSON.stringify(value) ? [] : [[path, had, value]];
  });
}
