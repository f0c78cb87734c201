// What tables and columns mean, in the user's language; in the server's words where there is no text.
import type { QueryColumn, QueryTable } from "@console/api";
import { has, t } from "@console/i18n";

const textOf = (keys: string[], otherwise: string): string => {
  const key = keys.find(has);
  return key === undefined ? otherwise : t(key);
};

export const tableMeaning = (table: QueryTable): string =>
  textOf([`explorer.table.${table.name}`], table.summary);

/** Tables of the kernel share the meanings of their columns; one of an app has its own. */
export function columnMeaning(table: string, column: QueryColumn): string {
  const shared = table.includes(".") ? [] : [`explorer.column.${column.name}`];
  return textOf([`explorer.column.${table}.${column.name}`, ...shared], column.summary);
}
