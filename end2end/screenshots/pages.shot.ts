// The pictures in README and docs: both pages during a lively moment, in dark and light.

import { fileURLToPath } from "node:url";
import type { Browser, Page } from "@playwright/test";
import { Phone, PHONE } from "../harness/phone.ts";
import { Show } from "../harness/show.ts";
import { expect, test } from "../harness/test.ts";

const FOLDER = fileURLToPath(new URL("../../docs/screenshots/", import.meta.url));
const PLAYERS = 6;

async function showAt(browser: Browser, options: Parameters<Browser["newContext"]>[0]): Promise<Show> {
  const context = await browser.newContext(options);
  const show = new Show(await context.newPage());
  await show.open();
  await show.untilLive();
  return show;
}

async function player(browser: Browser, fighter: number): Promise<Phone> {
  const context = await browser.newContext(PHONE);
  const phone = new Phone(await context.newPage());
  await phone.open();
  await phone.join(fighter);
  return phone;
}

async function inBothThemes(name: string, page: Page): Promise<void> {
  for (const colorScheme of ["dark", "light"] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await page.screenshot({ path: `${FOLDER}${name}-${colorScheme}.png` });
  }
}

/** Waits for the end of a wave: the lag is gone, and the pods that it needed. */
async function untilQuiet(show: Show): Promise<void> {
  await expect.poll(() => show.lagShown(), { timeout: 90_000 }).toBeLessThan(1_500);
  await expect.poll(() => show.readyShown(), { timeout: 90_000 }).toBe(1);
}

test("pictures of a lively moment", async ({ browser, known: _, presenter }) => {
  const projector = await showAt(browser, { viewport: { width: 1920, height: 1080 } });
  const desktop = await showAt(browser, { viewport: { width: 1440, height: 900 } });
  const phoneShow = await showAt(browser, PHONE);
  const phones: Phone[] = [];
  for (let fighter = 0; fighter < PLAYERS; fighter += 1) {
    const phone = await player(browser, fighter);
    for (let hit = 0; hit <= PLAYERS - fighter; hit += 1) {
      await phone.tapUntilPoints();
    }
    phones.push(phone);
  }
  // Two waves with their ends, so that the picture has a past.
  await presenter.burst(5);
  await expect.poll(() => presenter.readyShown(), { timeout: 40_000 }).toBeGreaterThan(1);
  await untilQuiet(presenter);
  await presenter.burst(10);
  await expect.poll(() => presenter.readyShown(), { timeout: 40_000 }).toBe(4);
  await presenter.hurtAny("Crash");
  await untilQuiet(presenter);
  // The moment: flooded, pods were added, one of them was killed, players wait in line.
  await presenter.burst(10);
  await expect.poll(() => presenter.readyShown(), { timeout: 40_000 }).toBeGreaterThan(2);
  await presenter.hurtAny("Kill");
  await phones[1]!.aim("Up");
  await phones[1]!.tap("X");
  await phones[1]!.tap("O");
  await inBothThemes("projector", projector.page);
  await inBothThemes("phone", phones[1]!.page);
  await inBothThemes("desktop", desktop.page);
  await inBothThemes("phone-show", phoneShow.page);
  for (const page of [projector.page, desktop.page, phoneShow.page, ...phones.map((phone) => phone.page)]) {
    await page.context().close();
  }
});
