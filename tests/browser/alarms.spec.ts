// An alarm from its rule to its journal: made and tried in the editor, then raised, acknowledged, cleared, shelved and
// brought back with the keyboard alone.
import { expect, test, type Page } from "@playwright/test";
import { serve, type NodeProcess } from "./node";
import { complain, faultsOfPage, look, NAME, setUp } from "./person";

const LIMIT = 85;
/** Hours ago at which the history went above the limit. */
const EXCURSIONS_H = [50, 30, 10];
const HOUR_MS = 3_600_000;

let node: NodeProcess;
test.beforeEach(async () => {
  node = await serve();
});
test.afterEach(() => node.stop());

/** A temperature that nobody reads: its values are written over the API, as any program could. */
class Temperature {
  private constructor(
    private readonly page: Page,
    private readonly id: string,
  ) {}
  static async add(page: Page): Promise<Temperature> {
    const label = { zh: "排气温度", en: "Discharge temperature" };
    const point = { name: "discharge_temperature", value_type: "f64", unit: "Cel", label };
    const answer = await page.request.post(`${node.url}/api/v1/points`, { data: { points: [point] } });
    expect(answer.status(), await answer.text()).toBe(201);
    return new Temperature(page, (await answer.json()).items[0].id);
  }
  async was(rows: [hours_ago: number, value: number][]): Promise<void> {
    await this.write(rows.map(([hours, value]) => [Date.now() - hours * HOUR_MS, value]));
  }
  async is(value: number): Promise<void> {
    await this.write([[Date.now(), value]]);
  }
  private async write(rows: [ms: number, value: number][]): Promise<void> {
    const data = { rows: rows.map(([ms, value]) => ({ point: this.id, time: new Date(ms).toISOString(), value })) };
    const answer = await this.page.request.post(`${node.url}/api/v1/samples`, { data });
    expect(answer.status(), await answer.text()).toBe(204);
  }
}

const WORDS = {
  zh: {
    tried: `会报 ${EXCURSIONS_H.length} 次`,
    message: "排气温度高",
    point: "排气温度",
    unacknowledged: "未确认",
    acknowledged: "已确认",
    tab: "已搁置",
    reason: "校验仪表",
    time: "15 分钟",
    steps: ["取消搁置", "搁置", "报警", "恢复", "确认", "报警"],
    app: "系统",
  },
  en: {
    tried: `It would have been raised ${EXCURSIONS_H.length} times`,
    message: "Discharge temperature: high",
    point: "Discharge temperature",
    unacknowledged: "Unacknowledged",
    acknowledged: "Acknowledged",
    tab: "Shelved",
    reason: "Calibration",
    time: "15 min",
    steps: ["Unshelved", "Shelved", "Raised", "Cleared", "Acknowledged", "Raised"],
    app: "System",
  },
};

for (const language of ["zh", "en"] as const) {
  const words = WORDS[language];
  test.describe(language, () => {
    test.use({ locale: language === "zh" ? "zh-CN" : "en-GB", viewport: { width: 1280, height: 800 } });

    /** The rule, in the editor, with what it would have done. */
    async function makeRule(page: Page): Promise<void> {
      await page.getByTestId("nav-alarms").click();
      await look(page, `alarms-empty-${language}`);
      const start = page.locator(".alarm-page").getByTestId("empty-action");
      await start.click();
      await expect(page.getByTestId("alarm-tab-rules")).toHaveAttribute("aria-selected", "true");
      await start.click();
      const form = page.getByTestId("rule-form");
      await form.getByTestId("rule-point").click();
      await page.getByRole("option", { name: words.point }).click();
      await form.getByTestId("rule-limit").fill(`${LIMIT}`);
      await form.getByTestId("priority-high").click();
      await form.locator("#rule-on").fill("0");
      await form.getByTestId("rule-preview").click();
      await expect(form.getByTestId("rule-tally")).toHaveText(words.tried);
      await expect(form.getByTestId(`rule-message-${language}`)).toHaveValue(words.message);
      expect(await faultsOfPage(page)).toEqual([]);
      await look(page, `alarms-rule-${language}`);
      await form.getByTestId("rule-save").click();
      await expect(form).toBeHidden();
    }

    test("an alarm goes its whole way", async ({ page }) => {
      const complaints = complain(page);
      await setUp(page, node);
      await expect(page.getByTestId("nav-alarms")).toBeVisible();
      const temperature = await Temperature.add(page);
      await temperature.was([[60, 70], ...EXCURSIONS_H.flatMap((h): [number, number][] => [[h, 92], [h - 1, 71]])]);
      await temperature.is(70);
      await makeRule(page);
      await look(page, `alarms-rules-${language}`);

      // From here on the keyboard alone.
      await page.keyboard.press("1");
      const row = page.getByTestId("alarm-list").getByRole("row").filter({ hasText: words.message });
      const badge = page.getByTestId("badge-alarms");
      await expect(badge).toBeHidden();
      await temperature.is(91.5);
      await expect(row).toContainText(words.unacknowledged);
      await expect(row).toContainText("91.5 °C");
      // Priority is a shape and a number, and no colour alone: 2 is a triangle.
      await expect(row.locator(".priority text")).toHaveText("2");
      await expect(row.locator(".priority path")).toHaveAttribute("d", /^M11 1 21\.5 20\.5/);
      await expect(badge).toHaveText("1");
      expect(await faultsOfPage(page)).toEqual([]);
      await look(page, `alarms-raised-${language}`);

      await page.keyboard.press("a");
      await expect(row).toContainText(words.acknowledged);
      await expect(badge).toBeHidden();
      await temperature.is(72);
      await expect(row).toBeHidden();
      await temperature.is(95);
      await expect(row).toContainText(words.unacknowledged);

      await page.keyboard.press("s");
      const dialog = page.getByTestId("alarm-reason");
      await expect(dialog.locator("#alarm-reason")).toBeFocused();
      await page.keyboard.type(words.reason);
      // Past four reasons to choose from, to the times.
      for (let stop = 0; stop < 5; stop += 1) await page.keyboard.press("Tab");
      await page.keyboard.press("ArrowLeft");
      await expect(dialog.getByRole("radio", { checked: true })).toHaveText(words.time);
      await look(page, `alarms-shelve-${language}`);
      await page.keyboard.press("Enter");
      await expect(dialog).toBeHidden();
      await expect(row).toBeHidden();
      await page.keyboard.press("2");
      await expect(page.getByTestId("alarm-tab-hidden")).toContainText(`${words.tab} 1`);
      await expect(row).toContainText(words.reason);
      await expect(badge).toBeHidden();
      await look(page, `alarms-shelved-${language}`);
      await page.keyboard.press("s");
      await expect(row).toBeHidden();

      await page.keyboard.press("3");
      const journal = page.getByTestId("alarm-journal").locator("tbody tr");
      await expect(journal).toHaveCount(words.steps.length);
      for (const [i, step] of words.steps.entries()) {
        await expect(journal.nth(i).locator("td").nth(2)).toContainText(step);
        await expect(journal.nth(i).locator("td").first()).toHaveText(/\d\d:\d\d:\d\d$/);
        const byPerson = ![2, 3, 5].includes(i);
        await expect(journal.nth(i)).toContainText(byPerson ? NAME : words.app);
      }
      await expect(journal.nth(1)).toContainText(words.reason);
      await look(page, `alarms-journal-${language}`);
      expect(await faultsOfPage(page)).toEqual([]);
      expect(complaints).toEqual([]);
    });
  });
}
