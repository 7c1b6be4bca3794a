// What browsers, and what lies between them and us, do to a page.

import { setTimeout } from "node:timers/promises";
import { type Page } from "@playwright/test";
import { startAnother } from "../harness/another.ts";
import { URL_OF_DEMO } from "../harness/demo.ts";
import { startDevice, startWay } from "../harness/device.ts";
import { Show } from "../harness/show.ts";
import { expect, test } from "../harness/test.ts";

/** What a translator does before the page's script runs: each text gets an element of its own, and one more is put first. */
function translate(): void {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const texts: Text[] = [];
  while (walker.nextNode()) {
    texts.push(walker.currentNode as Text);
  }
  for (const text of texts.filter((text) => text.data.trim() && text.parentElement?.tagName !== "SCRIPT")) {
    const font = document.createElement("font");
    text.replaceWith(font);
    font.append(text);
  }
  document.body.prepend(document.createElement("div"));
}

/** Opens a page whose module comes only after something was done to the page; how often the page itself was asked for. */
async function openAfter(page: Page, path: string, meanwhile: () => void): Promise<{ pages: number }> {
  const seen = { pages: 0 };
  page.on("request", (request) => {
    seen.pages += Number(request.url() === `${URL_OF_DEMO}${path}`);
  });
  let release = (): void => {};
  const done = new Promise<void>((resolve) => (release = resolve));
  await page.route("**/*.wasm", async (route) => {
    await done;
    await route.continue();
  });
  await page.goto(path, { waitUntil: "commit" });
  await page.waitForLoadState("domcontentloaded");
  await page.evaluate(meanwhile);
  release();
  return seen;
}

const SLEEP_MS = 6_000;

interface Seen {
  /** When the newest frame was made. */
  newestMs: number;
  frames: number;
  longestSleepMs: number;
  oldAsLiveMs: number;
}

/** Looks at each frame of the stream and at each that is painted, and adds up how long "live" stood over what was old. */
function watch(): void {
  const OLD_MS = 3_000;
  const seen: Seen = { newestMs: 0, frames: 0, longestSleepMs: 0, oldAsLiveMs: 0 };
  Object.assign(window, { seen });
  const hear = ({ data }: MessageEvent<string>): void => {
    const frame = JSON.parse(data) as { t?: number; snapshot?: { at_ms: number } };
    seen.newestMs = frame.t ?? frame.snapshot?.at_ms ?? 0;
    seen.frames += 1;
  };
  window.EventSource = class extends window.EventSource {
    constructor(url: string | URL) {
      super(url);
      ["picture", "tick"].forEach((name) => this.addEventListener(name, hear));
    }
  };
  let lookedMs = Date.now();
  const look = (): void => {
    const nowMs = Date.now();
    const passedMs = nowMs - lookedMs;
    lookedMs = nowMs;
    seen.longestSleepMs = Math.max(seen.longestSleepMs, passedMs);
    const isLive = document.querySelector(".chip.link")?.classList.contains("live");
    if (isLive && passedMs < OLD_MS && seen.newestMs > 0 && nowMs - seen.newestMs > OLD_MS) {
      seen.oldAsLiveMs += passedMs;
    }
    requestAnimationFrame(look);
  };
  look();
}

test("a translated show works, since it is taken from the server again", async ({ show }) => {
  const seen = await openAfter(show.page, "/", translate);
  await show.untilLive();
  await expect(show.towers).toHaveCount(12);
  await expect(show.page.locator("font")).toHaveCount(0);
  expect(seen.pages).toBe(2);
});

test("a translated phone joins and taps", async ({ known: _, phone }) => {
  await openAfter(phone.page, "/play", translate);
  await phone.join();
  await phone.tap("X");
  await expect(phone.hits).toHaveCount(1);
});

test("an untouched page is asked for once", async ({ page }) => {
  for (const path of ["/", "/play"]) {
    const seen = await openAfter(page, path, () => {});
    await expect(page.locator("html[data-live]")).toHaveCount(1);
    expect(seen.pages, path).toBe(1);
    await page.unrouteAll();
  }
});

test("keys work by their position where a layout has no Latin letters", async ({ known: _, phone }) => {
  await phone.join();
  await phone.page.evaluate(() => {
    document.dispatchEvent(new KeyboardEvent("keydown", { key: "ч", code: "KeyX" }));
  });
  await expect(phone.hits).toHaveCount(1);
  await expect(phone.hits.first()).toHaveText(/X/);
});

test("a page that nobody sees gives its stream up at once, and has it again when somebody looks", async ({ show }) => {
  const streams = { opened: 0, ended: 0 };
  const isStream = (url: string): boolean => url.startsWith(`${URL_OF_DEMO}/live`);
  show.page.on("request", (request) => (streams.opened += Number(isStream(request.url()))));
  for (const end of ["requestfinished", "requestfailed"] as const) {
    show.page.on(end as "requestfailed", (request) => (streams.ended += Number(isStream(request.url()))));
  }
  await show.open();
  await show.untilLive();
  const see = (isHidden: boolean): Promise<void> =>
    show.page.evaluate((isHidden) => {
      Object.defineProperty(document, "hidden", { configurable: true, get: () => isHidden });
      document.dispatchEvent(new Event("visibilitychange"));
    }, isHidden);
  await see(true);
  await expect.poll(() => streams).toEqual({ opened: 1, ended: 1 });
  await see(false);
  await expect.poll(() => streams.opened).toBe(2);
  await show.untilLive();
});

test("a device that wakes is live again at once, and shows nothing old as live", async () => {
  const [way, device] = [await startWay(), await startDevice()];
  const page = await device.browser.newPage();
  await page.addInitScript(watch);
  const show = new Show(page);
  await page.goto(way.url);
  await show.untilLive();
  device.sleep();
  // Some frames wait for the device, and then no more come.
  await setTimeout(1_000);
  way.forget();
  await setTimeout(SLEEP_MS);
  const wokeMs = Date.now();
  device.wake();
  const seen = (): Promise<Seen> => page.evaluate(() => (window as unknown as { seen: Seen }).seen);
  // Sooner than the watchdog gives a silent stream up.
  await expect.poll(async () => (await seen()).newestMs, { timeout: 5_000 }).toBeGreaterThan(wokeMs);
  await show.untilLive();
  const { longestSleepMs, frames, oldAsLiveMs } = await seen();
  expect(longestSleepMs, "the device slept").toBeGreaterThan(SLEEP_MS);
  expect(frames, "frames were looked at").toBeGreaterThan(1);
  expect(oldAsLiveMs, "so long something old was called live").toBeLessThan(1_000);
  await device.close();
  way.close();
});

test("demos of one host leave each other's presenter signed in", async ({ known: _, presenter }) => {
  // Two more, since both chose their ports themselves.
  const more = [await startAnother(), await startAnother()];
  const shows = [presenter];
  for (const { url, passcode } of more) {
    const other = new Show(await presenter.page.context().newPage());
    await other.page.goto(url);
    await other.signIn(passcode);
    shows.push(other);
  }
  for (const show of shows) {
    await show.page.reload();
    await expect(show.bar).toBeVisible();
  }
  for (const another of more) {
    await another.stop();
  }
});

test("a proxy that holds the stream back is named", async ({ page }) => {
  await page.route("**/live**", () => {});
  const show = new Show(page);
  await show.open();
  await expect(show.connection).toHaveText(/a proxy between may hold the stream back/, { timeout: 20_000 });
});
