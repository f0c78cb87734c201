// A device that nobody knows comes to the node's own broker: the listener is opened, the device is seen with what it
// sends, claimed, and its values are live in a few clicks.
import { createServer } from "node:net";
import { expect, test, type Page } from "@playwright/test";
import { serve, thingsboard, type NodeProcess, type Running } from "./node";
import { Clicks, complain, faultsOfPage, look, setUp } from "./person";

const CLICKS_MAX = 6;
/** The device is sent away to come back known; its own pauses between two tries grow. */
const BACK_WITHIN_MS = 30_000;
const TOKEN = "A1B2C3D4E5F6G7H8I9J0";
/** What the device says over and over. */
const TEMPERATURE = "21.5";

let node: NodeProcess;
let device: Running | undefined;
test.beforeEach(async () => {
  node = await serve();
});
test.afterEach(async () => {
  await device?.stop();
  device = undefined;
  await node.stop();
});

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const address = server.address();
  await new Promise((done) => server.close(done));
  if (typeof address !== "object" || address === null) throw new Error("no port");
  return address.port;
}

const WORDS = {
  zh: { open: "已打开", none: "没有待确认的来访者", good: "正常" },
  en: { open: "Open", none: "Nobody is waiting", good: "Good" },
};

for (const language of ["zh", "en"] as const) {
  const words = WORDS[language];
  test.describe(language, () => {
    test.use({ locale: language === "zh" ? "zh-CN" : "en-GB", viewport: { width: 1280, height: 800 } });

    async function openListener(page: Page, port: number): Promise<void> {
      await page.getByTestId("nav-devices").click();
      await page.getByTestId("tab-doors").click();
      await expect(page.getByTestId("door-mqtt")).toBeVisible();
      await look(page, `doors-closed-${language}`);
      await page.getByTestId("door-edit-mqtt").click();
      await page.getByTestId("config-listen").fill(`127.0.0.1:${port}`);
      await look(page, `doors-edit-${language}`);
      expect(await faultsOfPage(page)).toEqual([]);
      await page.getByTestId("door-save-mqtt").click();
      await expect(page.getByTestId("door-save-mqtt")).toBeHidden();
      await page.getByTestId("door-enabled-mqtt").click();
      await expect(page.getByTestId("door-mqtt")).toContainText(words.open);
      await expect(page.getByTestId("door-mqtt")).toContainText(`127.0.0.1:${port}`);
      await look(page, `doors-open-${language}`);
    }

    test("a device that comes by itself is claimed", async ({ page }) => {
      const complaints = complain(page);
      await setUp(page, node);
      const port = await freePort();
      await openListener(page, port);
      await page.getByTestId("tab-arrivals").click();
      await expect(page.getByText(words.none)).toBeVisible();

      device = thingsboard(port, TOKEN);
      await expect(page.getByTestId("badge-devices")).toHaveText("1");
      const open = page.locator('[data-testid^="arrival-open-"]');
      await expect(open).toBeVisible();
      await look(page, `arrivals-${language}`);
      const clicks = new Clicks();
      await clicks.on(open);
      const arrival = page.locator(".arrival");
      await expect(arrival).toContainText("v1/devices/me/telemetry");
      await expect(arrival).toContainText('"temperature": 21.5');
      await look(page, `arrivals-heard-${language}`);
      expect(await faultsOfPage(page)).toEqual([]);

      await clicks.on(page.locator('[data-testid^="arrival-claim-"]'));
      const temperature = page.locator('[data-testid^="said-"]').filter({ hasText: "temperature" }).first();
      await expect(temperature).toContainText(TEMPERATURE);
      await look(page, `claim-${language}`);
      expect(await faultsOfPage(page)).toEqual([]);
      await clicks.on(temperature);
      await clicks.on(page.locator('[data-testid^="said-"]').filter({ hasText: "running" }).first());
      await look(page, `claim-chosen-${language}`);
      await clicks.on(page.getByTestId("wizard-save"));
      await expect(page.getByRole("heading", { name: TOKEN })).toBeVisible();
      const rows = page.getByRole("row");
      await expect(rows.filter({ hasText: "temperature" })).toContainText(TEMPERATURE, { timeout: BACK_WITHIN_MS });
      await expect(rows.filter({ hasText: "temperature" })).toContainText(words.good);
      await expect(rows.filter({ hasText: "running" })).toContainText(words.good);
      console.log(`${language}: live values ${clicks.count} clicks after the list, one of them to see the messages`);
      expect(clicks.count).toBeLessThanOrEqual(CLICKS_MAX);
      await look(page, `claimed-${language}`);

      // It waits no longer.
      await expect(page.getByTestId("badge-devices")).toBeHidden();
      await page.getByTestId("nav-devices").click();
      await page.getByTestId("tab-arrivals").click();
      await expect(page.getByText(words.none)).toBeVisible();
      expect(complaints).toEqual([]);
    });
  });
}
