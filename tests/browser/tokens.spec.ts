// A token for a program: made, shown once, used to write and to ask, revoked.
import { expect, request, test } from "@playwright/test";
import { serve, type NodeProcess } from "./node";
import { complain, faultsOfPage, look, setUp } from "./person";

const NAME = "Telegraf";
const HEX = /^[0-9a-f]{32,}$/;

let node: NodeProcess;
test.beforeEach(async () => {
  node = await serve();
});
test.afterEach(() => node.stop());

/** What a program can do that has nothing but the token: statuses of a write and of a question. */
async function asProgram(token: string): Promise<{ write: number; ask: number; answer: string }> {
  const program = await request.newContext();
  const written = await program.post(`${node.url}/api/v2/write?bucket=sinew&precision=s`, {
    headers: { Authorization: `Token ${token}`, "Content-Type": "text/plain" },
    data: `press,line=one force=12.5 ${Math.floor(Date.now() / 1_000)}`,
  });
  const asked = await program.post(`${node.url}/api/v1/query`, {
    headers: { Authorization: `Bearer ${token}` },
    data: { sql: "select value from latest", format: "csv" },
  });
  const answer = await asked.text();
  await program.dispose();
  return { write: written.status(), ask: asked.status(), answer };
}

const WORDS = {
  zh: { empty: "还没有令牌", left: "还有 30 天", role: "工程师" },
  en: { empty: "No tokens yet", left: "in 30 days", role: "Engineer" },
};

for (const language of ["zh", "en"] as const) {
  const words = WORDS[language];
  test.describe(language, () => {
    test.use({ locale: language === "zh" ? "zh-CN" : "en-GB", viewport: { width: 1280, height: 800 } });

    test("a token is made, used and revoked", async ({ page }) => {
      const complaints = complain(page);
      await setUp(page, node);
      await page.getByTestId("nav-tokens").click();
      await expect(page.getByText(words.empty)).toBeVisible();
      expect(await faultsOfPage(page)).toEqual([]);
      await look(page, `tokens-empty-${language}`);

      await page.getByTestId("token-add").click();
      await page.getByTestId("token-name").fill(NAME);
      await page.getByTestId("token-role").selectOption("engineer");
      await page.getByTestId("token-days").fill("30");
      expect(await faultsOfPage(page)).toEqual([]);
      await look(page, `tokens-new-${language}`);
      await page.getByTestId("token-make").click();
      const token = await page.getByTestId("token-text").innerText();
      expect(token).toMatch(HEX);
      const telegraf = page.getByTestId("token-telegraf");
      await expect(telegraf).toContainText("[[outputs.influxdb_v2]]");
      await expect(telegraf).toContainText(`urls = ["${node.url}"]`);
      await expect(telegraf).toContainText(`token = "${token}"`);
      await expect(page.getByTestId("token-no-write")).toBeHidden();
      await expect(page.getByTestId("token-curl")).toContainText(`curl ${node.url}/api/v1/query`);
      expect(await faultsOfPage(page)).toEqual([]);
      await look(page, `tokens-made-${language}`);
      expect(await asProgram(token)).toEqual({ write: 204, ask: 200, answer: "value\n12.5\n" });

      // It is shown this once.
      await page.getByTestId("token-done").click();
      await page.reload();
      const row = page.getByTestId(`token-${NAME}`);
      await expect(row).toContainText(words.role);
      await expect(row).toContainText(words.left);
      expect(await page.content()).not.toContain(token);
      expect(await faultsOfPage(page)).toEqual([]);
      await look(page, `tokens-list-${language}`);

      await page.getByTestId(`token-revoke-${NAME}`).click();
      await look(page, `tokens-revoke-${language}`);
      await page.getByTestId("token-revoke-confirm").click();
      await expect(page.getByText(words.empty)).toBeVisible();
      const after = await asProgram(token);
      expect([after.write, after.ask]).toEqual([401, 401]);
      expect(complaints).toEqual([]);
    });
  });
}
