// The pages for people who do not look, or do not point.

import AxeBuilder from "@axe-core/playwright";
import type { Page } from "@playwright/test";
import { expect, test } from "../harness/test.ts";

/** What axe finds wrong, one line a finding. */
async function findings(page: Page): Promise<string[]> {
  const { violations } = await new AxeBuilder({ page }).analyze();
  return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.target.join(" ")}`));
}

for (const colorScheme of ["dark", "light"] as const) {
  test(`axe finds nothing on the show, ${colorScheme}`, async ({ show, presenter }) => {
    for (const { page } of [show, presenter]) {
      await page.emulateMedia({ colorScheme });
    }
    await show.open();
    await show.untilLive();
    expect(await findings(show.page), "as a visitor").toEqual([]);
    expect(await findings(presenter.page), "as the presenter").toEqual([]);
  });

  test(`axe finds nothing on the game, ${colorScheme}`, async ({ phone }) => {
    await phone.page.emulateMedia({ colorScheme });
    expect(await findings(phone.page), "choosing a fighter").toEqual([]);
    await phone.join();
    await phone.tapUntilPoints();
    expect(await findings(phone.page), "playing").toEqual([]);
  });
}

test("landmarks and headings tell where things are", async ({ show, phone }) => {
  await show.open();
  for (const page of [show.page, phone.page]) {
    await expect(page.getByRole("main")).toHaveCount(1);
    await expect(page.getByRole("heading", { level: 1 })).toHaveCount(1);
  }
  expect(await show.page.getByRole("region").count()).toBeGreaterThanOrEqual(4);
  await expect(show.page.locator("html")).toHaveAttribute("lang", "en");
});

/** How a control is called, as it says itself. */
function calledItself(element: Element): string {
  return (element.getAttribute("aria-label") ?? element.textContent ?? "").trim();
}

/** Presses Tab until nothing new is reached; gives the names of all that had the focus. */
async function reachedByTab(page: Page): Promise<string[]> {
  const names: string[] = [];
  await page.locator("body").focus();
  for (let step = 0; step < 150; step += 1) {
    await page.keyboard.press("Tab");
    const focused = page.locator(":focus");
    if ((await focused.count()) === 0) {
      break;
    }
    names.push(await focused.evaluate(calledItself));
  }
  return names;
}

test("the keyboard reaches every control of the presenter", async ({ presenter }) => {
  const reached = await reachedByTab(presenter.page);
  let compared = 0;
  for (const control of await presenter.commands.all()) {
    if ((await control.isVisible()) && (await control.isEnabled())) {
      expect(reached).toContain(await control.evaluate(calledItself));
      compared += 1;
    }
  }
  expect(compared).toBeGreaterThanOrEqual(5);
});

test("the focus can be seen", async ({ presenter }) => {
  await presenter.commands.first().focus();
  await presenter.page.keyboard.press("Tab");
  const ring = await presenter.page.locator(":focus-visible").evaluate((element) => {
    const style = getComputedStyle(element);
    return style.outlineStyle !== "none" && Number.parseFloat(style.outlineWidth) >= 2;
  });
  expect(ring).toBe(true);
});

test("the game is played with a keyboard", async ({ known: _, phone }) => {
  await phone.untilLive();
  await phone.fighters.first().focus();
  await phone.page.keyboard.press("Enter");
  await expect(phone.pad).toHaveCount(6);
  await phone.untilLive();
  await phone.key("X").focus();
  await phone.page.keyboard.press("Enter");
  await expect(phone.hits).toHaveCount(1);
  await phone.page.keyboard.press("ArrowLeft");
  await phone.page.keyboard.press("o");
  await expect(phone.hits).toHaveCount(2);
  await expect(phone.hits.first()).toHaveText(/← O/);
});

test("every number of the charts is in a table or a label for screen readers", async ({ show }) => {
  await show.open();
  const unnamed = await show.page.evaluate(() =>
    [...document.querySelectorAll("svg")]
      .filter((svg) => !svg.closest("[aria-hidden=true]"))
      .filter((svg) => svg.getAttribute("role") !== "img" || !(svg.getAttribute("aria-label") ?? svg.getAttribute("aria-labelledby")))
      .map((svg) => svg.outerHTML.slice(0, 80)),
  );
  expect(unnamed).toEqual([]);
});
