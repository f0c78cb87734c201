// The demo as a newcomer sees it: a live plant, a trend that moves, both languages, light and dark.
import { expect, test } from "@playwright/test";
import { demo, type NodeProcess } from "./node";

const FIRST_VALUE_S_MAX = 60;

let node: NodeProcess;
let started: number;
test.beforeAll(async () => {
  started = Date.now();
  node = await demo();
});
test.afterAll(() => node.stop());

test.use({ locale: "zh-CN" });

test("the demo shows a live plant and a trend that moves", async ({ page }) => {
  await page.goto(node.link!);
  const panels = page.locator('[data-testid^="asset-"]');
  await expect(panels.filter({ hasText: /\d\s*(kW|bar|°C|V|r\/min)/ }).first()).toBeVisible();
  const seconds = (Date.now() - started) / 1_000;
  console.log(`first live value after ${seconds.toFixed(1)} s`);
  expect(seconds).toBeLessThan(FIRST_VALUE_S_MAX);

  // It lives: some value changes within a few seconds.
  const all = () => panels.allInnerTexts().then((texts) => texts.join("|"));
  const before = await all();
  await expect.poll(all).not.toBe(before);
  await expect(page.getByTestId("live-state")).toHaveAttribute("data-state", "open");

  // Both languages and both themes; nothing is left as a key.
  for (const shot of ["zh-light", "zh-dark", "en-dark", "en-light"]) {
    if (shot === "zh-dark" || shot === "en-light") await page.getByTestId("theme").click();
    if (shot === "en-dark") await page.getByTestId("language").click();
    for (const path of ["overview", "devices", "points", "trend", "explorer", "tokens"]) {
      await page.goto(`${node.url}/#/${path}`);
      await expect(page.getByTestId(`nav-${path}`)).toHaveAttribute("aria-current", "page");
      await page.waitForLoadState("networkidle");
      expect(await page.locator("body").innerText()).not.toMatch(/\b[a-z]+\.[a-z-]+\.[a-z-]+\b/);
      await page.screenshot({ path: `test-results/${path}-${shot}.png` });
    }
  }

  await page.goto(`${node.url}/#/points`);
  await page.locator('[data-testid="trend-spindle_load"]').first().click();
  const canvas = page.locator("canvas").first();
  await expect(canvas).toBeVisible();
  const drawn = () => canvas.evaluate((element) => (element as HTMLCanvasElement).toDataURL());
  const first = await drawn();
  await expect.poll(drawn).not.toBe(first);
  await page.screenshot({ path: "test-results/trend.png" });

  // A link is good once.
  const again = await page.request.post(`${node.url}/api/v1/session/link`, {
    data: { token: node.link!.split("/").at(-1) },
  });
  expect(again.ok()).toBe(false);
  expect((await again.json()).code).toBe("link.used");
});
