// What the server sends is a page already: numbers and charts, before any script has run.

import { URL_OF_DEMO } from "../harness/demo.ts";
import { Phone } from "../harness/phone.ts";
import { Show } from "../harness/show.ts";
import { expect, test } from "../harness/test.ts";

test.describe("without JavaScript", () => {
  test.use({ javaScriptEnabled: false });

  test("the show has its numbers", async ({ page, known: _ }) => {
    const show = new Show(page);
    await show.open();
    await expect(show.lag).toHaveText(/\d/);
    await expect(show.ready).toHaveText(/^1$/);
    await expect(show.produced).toHaveText(/\d/);
    await expect(show.consumed).toHaveText(/\d/);
    await expect(show.pods).toHaveCount(1);
    await expect(show.towers).toHaveCount(12);
    await expect(show.source).toHaveText(/Kafka.*local pods/);
    await expect(show.decision).toHaveText(/\d/);
    await expect(show.page.getByText(/2\sk rec\/s/u).first(), "pods are limited, and it says so").toBeVisible();
  });

  test("the show has its charts", async ({ page, known: _ }) => {
    const show = new Show(page);
    await show.open();
    // An idle line is one stroke: from somewhere to now.
    for (const input of ["requests", "responses"]) {
      await expect(show.page.locator(`.curve.${input}`).first()).toHaveAttribute("d", /^M\d+ \d+L\d+ \d+/);
    }
    expect((await show.curve()).to).toBeGreaterThan(5_900);
    await expect(show.lives).not.toHaveCount(0);
    await expect(show.qrCode).toBeVisible();
    await expect(show.wayIn).toHaveAttribute("href", /\/play$/);
  });

  test("the game has its fighters", async ({ page }) => {
    const phone = new Phone(page);
    await phone.open();
    await expect(phone.fighters).toHaveCount(24);
  });
});

test("going live changes nothing that was drawn, and the browser has nothing to say", async ({ show, phone }) => {
  await show.open();
  await show.untilLive();
  await phone.untilLive();
  // The fixtures listen: a hydration that does not find what it expects warns in the console.
});

test("a first visit is light", async ({ show }) => {
  await show.open();
  await show.untilLive();
  const loaded = await show.page.evaluate(() => {
    const entries = performance.getEntries().filter((entry) => entry instanceof PerformanceResourceTiming);
    return entries.map(({ name, encodedBodySize }) => ({ name, encodedBodySize }));
  });
  const parts = loaded.filter(({ encodedBodySize }) => encodedBodySize > 0);
  expect(parts.length, "the document, script, WebAssembly, style and font").toBeGreaterThanOrEqual(5);
  const bytes = parts.reduce((sum, { encodedBodySize }) => sum + encodedBodySize, 0);
  expect(bytes, JSON.stringify(parts)).toBeLessThan(240_000);
});

test("what the pages load is theirs alone", async ({ page }) => {
  const elsewhere: string[] = [];
  page.on("request", (request) => {
    if (!request.url().startsWith(URL_OF_DEMO) && !request.url().startsWith("data:")) {
      elsewhere.push(request.url());
    }
  });
  for (const path of ["/", "/play"]) {
    await page.goto(path);
    await expect(page.locator("html[data-live]")).toHaveCount(1);
  }
  expect(elsewhere).toEqual([]);
});
