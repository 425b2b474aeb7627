// Headless Chromium for the tests: one JSON command a line on standard input, one JSON answer a line on standard
// output. Commands: {do: "open", tab, url}, {do: "fill", tab, fields: {selector: text}}, {do: "click", tab, selector},
// {do: "wait", tab, js}: until the expression is true, {do: "read", tab, js}, {do: "close", tab}: as a crash, no goodbye.
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const PATIENCE = 20_000;
const browser = await chromium.launch({
  executablePath: process.argv[2],
  args: [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--ignore-certificate-errors",
  ],
});
const tabs = new Map();

async function open({ tab, url }) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  page.on("pageerror", (error) => process.stderr.write(`${tab}: ${error}\n`));
  tabs.set(tab, { context, page });
  await page.goto(url);
}

const verbs = {
  open,
  fill: async ({ tab, fields }) => {
    for (const [selector, text] of Object.entries(fields)) await tabs.get(tab).page.fill(selector, text);
  },
  click: ({ tab, selector }) => tabs.get(tab).page.click(selector),
  wait: async ({ tab, js }) => { await tabs.get(tab).page.waitForFunction(js); },
  read: ({ tab, js }) => tabs.get(tab).page.evaluate(js),
  // The page's own farewell must not run: this is a browser that dies.
  close: async ({ tab }) => {
    const { context, page } = tabs.get(tab);
    await page.evaluate("window.onpagehide = null; phone && (phone.stop = () => {})");
    await context.close();
    tabs.delete(tab);
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  try {
    const value = await verbs[command.do](command);
    process.stdout.write(JSON.stringify({ value: value ?? null }) + "\n");
  } catch (error) {
    process.stdout.write(JSON.stringify({ error: String(error) }) + "\n");
  }
}
await browser.close();
