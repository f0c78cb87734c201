// An OPC UA server that only speaks encrypted: its certificate is refused until a person has compared and trusted it,
// then it is browsed and its values are live.
import { expect, test } from "@playwright/test";
import { asyncua, serve, type NodeProcess, type OpcuaPeer } from "./node";
import { Clicks, complain, faultsOfPage, look, setUp } from "./person";

const CLICKS_MAX = 8;
/** The node makes its own key before its first encrypted connection, which takes a slow machine many seconds. */
const OWN_KEY_WITHIN_MS = 40_000;

let node: NodeProcess;
let server: OpcuaPeer | undefined;
test.beforeEach(async () => {
  [node, server] = await Promise.all([serve(), asyncua()]);
});
test.afterEach(async () => {
  await server?.stop();
  await node.stop();
});

const WORDS = {
  zh: { refused: "证书还没有批准", good: "正常", trusted: "已信任" },
  en: { refused: "approved", good: "Good", trusted: "Trusted" },
};

for (const language of ["zh", "en"] as const) {
  const words = WORDS[language];
  test.describe(language, () => {
    test.use({ locale: language === "zh" ? "zh-CN" : "en-GB", viewport: { width: 1280, height: 800 } });

    test("a server is trusted by its thumbprint, then browsed", async ({ page }) => {
      const complaints = complain(page);
      await setUp(page, node);
      const clicks = new Clicks();
      await clicks.on(page.getByTestId("empty-action"));
      await clicks.on(page.getByTestId("driver-opcua"));
      await page.getByTestId("config-endpoint_url").fill(server!.url);
      await look(page, `opcua-connect-${language}`);
      expect(await faultsOfPage(page)).toEqual([]);
      await clicks.on(page.getByTestId("wizard-test"));

      // Refused: the certificate is shown at once, to be compared with what the server shows.
      await expect(page.getByTestId("fault")).toContainText(words.refused, { timeout: OWN_KEY_WITHIN_MS });
      const dialog = page.getByTestId("trust-dialog");
      await expect(dialog).toBeVisible();
      await look(page, `opcua-trust-${language}`);
      const shown = (await dialog.getByTestId("thumbprint").innerText()).replaceAll(/\s/g, "").toLowerCase();
      expect(shown).toBe(server!.thumbprint);
      await clicks.on(dialog.getByTestId("trust-confirm"));

      const browse = page.getByTestId("browse-search");
      await expect(browse).toBeVisible();
      await look(page, `opcua-browse-${language}`);
      expect(await faultsOfPage(page)).toEqual([]);
      await clicks.on(page.getByTestId("node-Plant").getByRole("button", { name: "Plant" }).first());
      for (const name of ["float", "counter"]) await clicks.on(page.getByTestId(`node-${name}`).getByRole("checkbox"));
      await expect(page.locator(".pick-right")).toContainText("21.5");
      await look(page, `opcua-chosen-${language}`);
      await clicks.on(page.getByTestId("wizard-save"));
      const rows = page.getByRole("row");
      const isLive = async (): Promise<void> => {
        await expect(rows.filter({ hasText: "float" })).toContainText("21.5");
        await expect(rows.filter({ hasText: "float" })).toContainText(words.good);
        const counter = rows.filter({ hasText: "counter" }).locator(".num").first();
        const before = await counter.innerText();
        await expect(counter).not.toHaveText(before);
      };
      await isLive();
      console.log(`${language}: live values of a server that was not trusted after ${clicks.count} clicks`);
      expect(clicks.count).toBeLessThanOrEqual(CLICKS_MAX);
      expect(await faultsOfPage(page)).toEqual([]);
      await look(page, `opcua-live-${language}`);
      const device = page.url();

      // Trust is taken back, and given again from where the fault is shown.
      const listed = page.getByTestId(`certificate-${server!.thumbprint.slice(0, 8)}`);
      await page.getByTestId("nav-devices").click();
      await page.getByTestId("tab-certificates").click();
      await expect(listed).toContainText(words.trusted);
      await look(page, `certificates-${language}`);
      expect(await faultsOfPage(page)).toEqual([]);
      await listed.getByTestId("reject").click();
      await expect(listed).toHaveAttribute("data-standing", "rejected");
      await page.goto(device);
      // Who is connected stays so; the next connection is judged anew.
      await page.getByTestId("device-enabled").click();
      await expect(page.getByTestId("device-state")).toHaveAttribute("data-state", "disabled");
      await page.getByTestId("device-enabled").click();
      await expect(page.getByTestId("fault")).toContainText(words.refused);
      await look(page, `opcua-refused-${language}`);
      await page.getByTestId("see-certificate").click();
      await dialog.getByTestId("trust-confirm").click();
      await expect(listed).toHaveAttribute("data-standing", "trusted");
      await page.goto(device);
      await isLive();
      expect(complaints).toEqual([]);
    });
  });
}
