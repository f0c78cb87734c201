// The statements that this user ran last in this browser, the newest first.
import { ref } from "vue";
import { session } from "@console/session";

const KEPT_MAX = 20;

const key = (): string => `sinew.explorer.recent.${session.value?.user.id ?? ""}`;

function kept(): string[] {
  try {
    const found: unknown = JSON.parse(localStorage.getItem(key()) ?? "[]");
    return Array.isArray(found) ? found.filter((one) => typeof one === "string").slice(0, KEPT_MAX) : [];
  } catch {
    return [];
  }
}

export const recent = ref<string[]>([]);

export function loadRecent(): void {
  recent.value = kept();
}

export function remember(sql: string): void {
  const text = sql.trim();
  if (text === "") return;
  recent.value = [text, ...kept().filter((one) => one !== text)].slice(0, KEPT_MAX);
  try {
    localStorage.setItem(key(), JSON.stringify(recent.value));
  } catch {
    // A full or closed store: the list lives as long as the page.
  }
}

export function forgetRecent(): void {
  recent.value = [];
  localStorage.removeItem(key());
}
