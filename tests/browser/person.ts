// A person at the console, for the journeys: signs up, counts clicks, notices what the browser complains about.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Locator, Page } from "@playwright/test";
import type { NodeProcess } from "./node";

export const NAME = "anna";

/** Clicks are counted from sign-in on; typing is not clicking. */
export class Clicks {
  count = 0;
  async on(target: Locator): Promise<void> {
    this.count += 1;
    await target.click();
  }
}

/** What the browser wrote to its console, but for refusals that are part of the journey. */
export function complain(page: Page): string[] {
  const complaints: string[] = [];
  page.on("console", (message) => {
    const expected = /Failed to load resource: the server responded with a status of (401|409|422)/;
    if (["error", "warning"].includes(message.type()) && !expected.test(message.text())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  return complaints;
}

/** Makes the organisation and its first administrator. */
export async function setUp(page: Page, node: NodeProcess): Promise<void> {
  await page.goto(node.url);
  await page.getByTestId("setup-code").fill(node.setupCode!);
  await page.getByTestId("setup-organisation").fill("Works One");
  await page.getByTestId("setup-name").fill(NAME);
  await page.getByTestId("setup-password").fill("correct horse battery");
  await page.getByTestId("setup-go").click();
}

const SIZES = [
  { width: 1280, height: 800 },
  { width: 390, height: 844 },
];

/** With LOOK=folder: pictures of the page as it stands, wide and narrow, light and dark. Nothing is reloaded. */
export async function look(page: Page, name: string): Promise<void> {
  const folder = process.env.LOOK;
  if (!folder) return;
  mkdirSync(folder, { recursive: true });
  const before = page.viewportSize()!;
  for (const size of SIZES) {
    await page.setViewportSize(size);
    for (const theme of ["dark", "light"]) {
      await page.evaluate((to) => (document.documentElement.dataset["theme"] = to), theme);
      await page.waitForTimeout(150);
      await page.screenshot({ path: join(folder, `${name}-${size.width}-${theme}.png`) });
    }
  }
  await page.setViewportSize(before);
}

const NARROW = { width: 390, height: 844 };

/** No key of a catalogue is left as it is, nothing that can be pressed is without a name, and a phone holds the page. */
export async function faultsOfPage(page: Page): Promise<string[]> {
  const before = page.viewportSize()!;
  await page.setViewportSize(NARROW);
  const narrow = await page.evaluate(tooWide);
  await page.setViewportSize(before);
  return [...narrow, ...(await page.evaluate(unnamed)), ...(await page.evaluate(tooWide))];
}

/** Runs in the page. */
function tooWide(): string[] {
  const parts = [document.documentElement, ...document.querySelectorAll(".frame-page, .el-drawer__body, .el-dialog")];
  const wide = parts.filter((one) => one.scrollWidth > one.clientWidth);
  return wide.map((one) => `${one.className || "the page"} is ${one.scrollWidth} px wide, ${one.clientWidth} are there`);
}

/** Runs in the page. */
function unnamed(): string[] {
  const wrong: string[] = [];
  const roots = "alarms|arrivals|browse|certificates|devices|door|doors|driver|explorer|fault|points|tokens|trend|wizard";
  const key = new RegExp(`\\b(?:${roots})\\.[a-z_-]+\\.[a-z_.-]+`).exec(document.body.innerText);
  if (key) wrong.push(`a key is shown: ${key[0]}`);
  const named = (one: Element): boolean => {
    const label = one.getAttribute("aria-label") ?? one.getAttribute("title") ?? one.textContent?.trim();
    const by = one.getAttribute("aria-labelledby")?.split(" ");
    const labels = (one as HTMLInputElement).labels?.length ?? 0;
    return Boolean(label) || labels > 0 || Boolean(by?.every((id) => document.getElementById(id)));
  };
  for (const one of document.querySelectorAll("button, a[href], input, textarea, [role=tab], [role=radio]")) {
    if (one.checkVisibility() && !named(one)) wrong.push(`without a name: ${one.outerHTML.slice(0, 160)}`);
  }
  const ids = [...document.querySelectorAll("[id]")].map((one) => one.id);
  for (const id of new Set(ids.filter((id, i) => ids.indexOf(id) !== i))) wrong.push(`twice the id ${id}`);
  return wrong;
}
