// The `test` of this suite: Playwright's, with a demo in a known state, the two pages as objects, and a watch over the
// browser's console.

import { test as base, expect, type BrowserContext, type Page } from "@playwright/test";
import { becomeKnown } from "./known.ts";
import { Phone, PHONE } from "./phone.ts";
import { Show } from "./show.ts";

interface Fixtures {
  /** The demo with its defaults: one pod, no lag to speak of, nobody has points. */
  known: void;
  /** The show as a visitor sees it. */
  show: Show;
  /** The show with the presenter's buttons, in a browser of its own. */
  presenter: Show;
  /** A phone that has the game open, in a browser of its own, without a fighter yet. */
  phone: Phone;
  /** What a browser may complain about in this test; nothing otherwise. */
  complaints: { allowed: RegExp[] };
}

export const test = base.extend<Fixtures>({
  complaints: async ({}, use) => {
    await use({ allowed: [] });
  },

  known: async ({ browser }, use) => {
    await becomeKnown(browser);
    await use();
  },

  show: async ({ page, complaints }, use) => {
    const heard = listen(page);
    await use(new Show(page));
    expectSilence(heard, complaints.allowed);
  },

  presenter: async ({ browser, complaints }, use) => {
    await inNewContext(await browser.newContext(), complaints, async (page) => {
      const show = new Show(page);
      await show.open();
      await show.signIn();
      await use(show);
    });
  },

  phone: async ({ browser, complaints }, use) => {
    await inNewContext(await browser.newContext(PHONE), complaints, async (page) => {
      const phone = new Phone(page);
      await phone.open();
      await use(phone);
    });
  },
});

async function inNewContext(
  context: BrowserContext,
  complaints: { allowed: RegExp[] },
  body: (page: Page) => Promise<void>,
): Promise<void> {
  const page = await context.newPage();
  const heard = listen(page);
  await body(page);
  await context.close();
  expectSilence(heard, complaints.allowed);
}

/** Everything that the page's console says as a warning or worse, and every error that nothing caught. */
export function listen(page: Page): string[] {
  const heard: string[] = [];
  page.on("console", (message) => {
    if (["warning", "error", "assert"].includes(message.type())) {
      heard.push(`${message.type()}: ${message.text()}`);
    }
  });
  page.on("pageerror", (error) => heard.push(`uncaught: ${error.message}`));
  return heard;
}

/** Fails where a console said something that the test did not expect; a hydration that went wrong says so there. */
export function expectSilence(heard: string[], allowed: RegExp[] = []): void {
  expect(heard.filter((line) => !allowed.some((pattern) => pattern.test(line)))).toEqual([]);
}

export { expect };
