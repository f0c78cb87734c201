// A question in SQL: typed with the plant's own names, answered as a table, as a curve and as a file, and handed on as
// a link. What is wrong is marked where it is wrong.
import { readFileSync } from "node:fs";
import { expect, test, type Page } from "@playwright/test";
import { serve, type NodeProcess } from "./node";
import { complain, faultsOfPage, look, setUp } from "./person";

const HOURS = 12;
const HOUR_MS = 3_600_000;
const POINT = "discharge_temperature";

let node: NodeProcess;
test.beforeEach(async () => {
  node = await serve();
});
test.afterEach(() => node.stop());

/** A temperature with a value an hour, written over the API as any program could. */
async function addHistory(page: Page): Promise<void> {
  const label = { zh: "排气温度", en: "Discharge temperature" };
  const point = { name: POINT, value_type: "f64", unit: "Cel", label };
  const made = await page.request.post(`${node.url}/api/v1/points`, { data: { points: [point] } });
  expect(made.status(), await made.text()).toBe(201);
  const id = (await made.json()).items[0].id;
  const rows = Array.from({ length: HOURS }, (_, hour) => ({
    point: id,
    time: new Date(Date.now() - (HOURS - hour) * HOUR_MS).toISOString(),
    value: 70 + hour / 2,
  }));
  const stored = await page.request.post(`${node.url}/api/v1/samples`, { data: { rows } });
  expect(stored.status(), await stored.text()).toBe(204);
}

const WORDS = {
  zh: { found: "排气", rows: `${HOURS} 行`, place: "第 1 行第 1 个字符", cancelled: "已取消。" },
  en: { found: "discharge", rows: `${HOURS} rows`, place: "line 1, character 1", cancelled: "Cancelled." },
};

for (const language of ["zh", "en"] as const) {
  const words = WORDS[language];
  test.describe(language, () => {
    test.use({ locale: language === "zh" ? "zh-CN" : "en-GB", viewport: { width: 1280, height: 800 } });

    /** Types a new statement and closes what is offered. */
    async function write(page: Page, sql: string): Promise<void> {
      await page.locator(".cm-content").focus();
      await page.keyboard.press("ControlOrMeta+a");
      await page.keyboard.insertText(sql);
      await page.keyboard.press("Escape");
    }

    test("a question is asked, seen, saved and handed on", async ({ page }) => {
      const complaints = complain(page);
      await setUp(page, node);
      await expect(page.getByTestId("nav-explorer")).toBeVisible();
      await addHistory(page);
      await page.getByTestId("nav-explorer").click();
      await expect(page.getByTestId("start-hourly")).toContainText(POINT);
      await expect(page.getByTestId("column-samples-value")).toBeVisible();
      expect(await faultsOfPage(page)).toEqual([]);
      await look(page, `explorer-start-${language}`);

      // Names are completed: tables after `from`, points inside of quotes by the name that people know.
      await write(page, "select time, point, value from ");
      await page.keyboard.type("sam");
      await page.locator(".cm-tooltip-autocomplete").getByRole("option", { name: "samples" }).click();
      await page.keyboard.type(" where point = '");
      await page.keyboard.type(words.found);
      await expect(page.locator(".cm-tooltip-autocomplete")).toContainText(POINT);
      await page.locator(".cm-tooltip-autocomplete").getByRole("option").filter({ hasText: POINT }).first().click();
      await expect(page.locator(".cm-content")).toContainText(`'${POINT}'`);
      await look(page, `explorer-completed-${language}`);
      await page.keyboard.press("ControlOrMeta+Enter");
      await expect(page.getByTestId("answer-count")).toContainText(words.rows);
      const table = page.getByTestId("answer-table");
      await expect(table.getByRole("cell", { name: POINT })).toHaveCount(HOURS);
      await expect(table.getByRole("cell", { name: "75.5" })).toBeVisible();
      expect(await faultsOfPage(page)).toEqual([]);
      await look(page, `explorer-table-${language}`);

      const [download] = await Promise.all([
        page.waitForEvent("download"),
        page.getByTestId("answer-save-csv").click(),
      ]);
      expect(download.suggestedFilename()).toMatch(/\.csv$/);
      const csv = readFileSync(await download.path(), "utf8").trimEnd().split("\n");
      expect(csv[0]).toBe("\ufefftime,point,value");
      expect(csv).toHaveLength(HOURS + 1);

      await page.getByTestId("answer-as-chart").click();
      await expect(page.getByTestId("answer-canvas").locator("canvas")).toBeVisible();
      await expect(page.getByTestId("answer-chart")).toContainText(POINT);
      expect(await faultsOfPage(page)).toEqual([]);
      await look(page, `explorer-chart-${language}`);

      // The link has the statement and how it is looked at.
      const other = await page.context().newPage();
      const others = complain(other);
      await other.goto(page.url());
      await expect(other.locator(".cm-content")).toContainText(POINT);
      await expect(other.getByTestId("answer-count")).toContainText(words.rows);
      await expect(other.getByTestId("answer-canvas").locator("canvas")).toBeVisible();
      await other.getByTestId("reference-recent").click();
      await expect(other.getByTestId("recent-0")).toContainText(POINT);
      expect(others).toEqual([]);
      expect(complaints).toEqual([]);
    });

    test("what is wrong is marked, what takes long is cancelled", async ({ page }) => {
      const complaints = complain(page);
      await setUp(page, node);
      await page.getByTestId("nav-explorer").click();
      await write(page, "selec value from samples");
      await page.getByTestId("explorer-run").click();
      const fault = page.locator('[data-code="sql.syntax"]');
      await expect(fault).toContainText(words.place);
      await expect(page.locator(".cm-wrong-line")).toBeVisible();
      await expect(page.getByTestId("answer-table")).toBeHidden();
      await look(page, `explorer-wrong-${language}`);
      await write(page, "select nothing from samples");
      await expect(page.locator(".cm-wrong-line")).toBeHidden();
      await page.getByTestId("explorer-run").click();
      await expect(page.locator('[data-code="sql.unknown"]')).toBeVisible();

      // A server that does not answer yet.
      await page.route("**/api/v1/query", () => undefined);
      await write(page, "select 1 as one");
      await page.getByTestId("explorer-run").click();
      await expect(page.getByTestId("explorer-busy")).toBeVisible();
      await look(page, `explorer-busy-${language}`);
      await page.getByTestId("explorer-cancel").click();
      await expect(page.getByText(words.cancelled)).toBeVisible();
      await page.unroute("**/api/v1/query");
      await page.getByTestId("explorer-run").click();
      await expect(page.getByTestId("answer-table").getByRole("cell")).toHaveText("1");
      expect(complaints).toEqual([]);
    });
  });
}
