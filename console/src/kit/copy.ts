// Handing things out of the page: to the clipboard and as a file.
import { t } from "../i18n";
import { noteDone } from "./notices";

/** The clipboard proper is kept from pages over plain HTTP, which is how most plants open the console. */
function copyBySelection(text: string): void {
  const box = document.createElement("textarea");
  box.value = text;
  box.style.position = "fixed";
  box.style.opacity = "0";
  document.body.append(box);
  box.select();
  document.execCommand("copy");
  box.remove();
}

export async function copyText(text: string): Promise<void> {
  if (window.isSecureContext) await navigator.clipboard.writeText(text);
  else copyBySelection(text);
  noteDone(t("copied"));
}

export function saveFile(name: string, content: BlobPart, type: string): void {
  const address = URL.createObjectURL(new Blob([content], { type }));
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  URL.revokeObjectURL(address);
}
