// Light or dark, remembered in this browser; the system's wish until the user chooses.
import { ref } from "vue";

export type Theme = "light" | "dark";
const KEY = "sinew.theme";

function initial(): Theme {
  const kept = localStorage.getItem(KEY);
  if (kept === "light" || kept === "dark") return kept;
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

export const theme = ref<Theme>("light");

function apply(next: Theme): void {
  theme.value = next;
  document.documentElement.dataset["theme"] = next;
}

export function startTheme(): void {
  apply(initial());
}

export function setTheme(next: Theme): void {
  localStorage.setItem(KEY, next);
  apply(next);
}

/** The present value of a colour token, for canvases. */
export function token(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}
