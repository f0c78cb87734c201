// Texts of the fields that a driver's or a door's schema describes. A leaf brings them along in its own catalogue:
// `driver.<id>.field.<name>`, `.hint.<name>` and `.choice.<name>.<value>`. The name is the path joined by dots, or the
// end of it: the longest one that has a text counts. What has none shows what the schema says.
import type { Choice, Field, Path } from "../kit/schema";
import { has, t } from ".";

/** Where texts are looked for: those of the door before those of the driver that it belongs to. */
export const ofDriver = (driver: string): string[] => [`driver.${driver}`];
export const ofDoor = (door: string): string[] => [`door.${door}`, `driver.${door}`];

/** The whole path, then ever shorter ends of it; positions in lists are no part of it. */
function namesOf(path: Path): string[] {
  const keys = path.filter((key) => typeof key === "string");
  return keys.map((_, from) => keys.slice(from).join("."));
}

function found(scopes: string[], part: string, path: Path, more = ""): string | undefined {
  const keys = namesOf(path).flatMap((name) => scopes.map((scope) => `${scope}.${part}.${name}${more}`));
  const key = keys.find(has);
  return key && t(key);
}

/** Without a text a field is called by its keys; within a list by those of its item. */
export function labelOf(scopes: string[], path: Path, title = ""): string {
  const item = path.findLastIndex((key) => typeof key === "number");
  return found(scopes, "field", path) ?? (title || namesOf(path.slice(item + 1))[0]!);
}

export function hintOf(scopes: string[], field: Field): string {
  const named = found(scopes, "field", field.path) !== undefined;
  // A description is English, and stands in for a label that is missing.
  return found(scopes, "hint", field.path) ?? (named ? "" : field.description);
}

export const choiceOf = (scopes: string[], path: Path, choice: Choice): string =>
  found(scopes, "choice", path, `.${choice.value}`) ?? (choice.description || choice.value);

/** A value of a setting, for reading. */
export function settingText(scopes: string[], path: Path, value: unknown): string {
  if (typeof value === "boolean") return t(value ? "form.yes" : "form.no");
  return choiceOf(scopes, path, { value: String(value), description: "" });
}
