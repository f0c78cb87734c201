// The list of units, read once a session.
import { shallowRef } from "vue";
import { api, itemsOf, type Unit } from "../api";
import { locale } from "../i18n";
import { noteFault } from "./notices";

export const units = shallowRef<Unit[]>([]);
let asked = false;

export function loadUnits(): void {
  if (asked) return;
  asked = true;
  api.units().then(
    (reply) => (units.value = itemsOf(reply)),
    (thrown: unknown) => {
      asked = false;
      noteFault(thrown);
    },
  );
}

/** Count words of the list are Chinese; in English they read so. */
const ENGLISH: Record<string, string> = { "{piece}": "pcs", "{count}": "times", CNY: "CNY" };

/** What is shown for a UCUM code; the code itself until the list is here. */
export function unitSymbol(code: string | undefined): string {
  if (code === undefined || code === "1" || code === "") return "";
  if (locale() === "en" && code in ENGLISH) return ENGLISH[code]!;
  return units.value.find((unit) => unit.code === code)?.symbol ?? code;
}
