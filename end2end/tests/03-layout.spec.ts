// The pages fit where they are shown, from a small phone to a wall.

import { Show } from "../harness/show.ts";
import { expect, test } from "../harness/test.ts";

const SIZES = [
  { width: 360, height: 640 },
  { width: 390, height: 844 },
  { width: 768, height: 1024 },
  { width: 1440, height: 900 },
  { width: 1920, height: 1080 },
  { width: 3840, height: 2160 },
];

/** The innermost elements that are cut by the window's edge; nothing where all fit. */
function sticksOut(): string[] {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= width) {
    return [];
  }
  const isWide = (element: Element) => {
    const box = element.getBoundingClientRect();
    return box.width > 0 && box.right > width + 1 && !element.closest(".unseen");
  };
  const wide = [...document.querySelectorAll("body *")].filter(isWide);
  const innermost = wide.filter((element) => ![...element.children].some(isWide));
  return [`${document.documentElement.scrollWidth} px`, ...innermost.map((element) => element.outerHTML.slice(0, 100))];
}

test("the show fits every screen", async ({ show }) => {
  await show.open();
  await show.untilLive();
  for (const size of SIZES) {
    await show.page.setViewportSize(size);
    await expect.poll(() => show.page.evaluate(sticksOut), `${size.width} px wide`).toEqual([]);
    if (size.width >= 1920) {
      const scroll = () => show.page.evaluate(() => document.documentElement.scrollHeight - innerHeight);
      await expect.poll(scroll, "a projector shows everything at once").toBeLessThanOrEqual(0);
    }
  }
});

test("the presenter's show fits every screen", async ({ presenter }) => {
  for (const size of SIZES) {
    await presenter.page.setViewportSize(size);
    await expect.poll(() => presenter.page.evaluate(sticksOut), `${size.width} px wide`).toEqual([]);
  }
});

test("the game fits every screen, with its pad within reach of thumbs", async ({ phone }) => {
  for (const size of SIZES) {
    await phone.page.setViewportSize(size);
    await expect.poll(() => phone.page.evaluate(sticksOut), `fighters, ${size.width} px wide`).toEqual([]);
  }
  await phone.join();
  for (const size of SIZES) {
    await phone.page.setViewportSize(size);
    await expect.poll(() => phone.page.evaluate(sticksOut), `pad, ${size.width} px wide`).toEqual([]);
    await expect(phone.pad).toHaveCount(6);
    for (const key of await phone.pad.all()) {
      await expect(key).toBeInViewport({ ratio: 1 });
    }
  }
});

/** Words that the last row cannot read. */
function smallWords(): string[] {
  const found = new Set<string>();
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    const text = texts.currentNode.textContent?.trim();
    if (!element || !text || element.closest("script, style, noscript")) {
      continue;
    }
    // Text for screen readers only is clipped to a pixel. A sign of one or two characters that they are spared is a
    // mark, not a word: the sign in a flag, the partitions on a pod's card.
    const { width, height } = element.getBoundingClientRect();
    const isMark = text.length <= 2 && element.closest("[aria-hidden=true]");
    const pixels = Number.parseFloat(getComputedStyle(element).fontSize);
    if (width > 2 && height > 2 && !isMark && pixels < 17.5) {
      found.add(`${pixels.toFixed(1)} px: ${text.slice(0, 40)}`);
    }
  }
  return [...found];
}

test("on a projector the words are large and the key numbers larger", async ({ page }) => {
  await page.setViewportSize({ width: 1920, height: 1080 });
  const show = new Show(page);
  await show.open();
  await show.untilLive();
  const size = (element: Element) => Number.parseFloat(getComputedStyle(element).fontSize);
  expect(await show.lag.evaluate(size)).toBeGreaterThanOrEqual(40);
  expect(await show.ready.evaluate(size)).toBeGreaterThanOrEqual(40);
  expect(await page.evaluate(smallWords)).toEqual([]);
});

test("nothing moves for whom motion is reduced", async ({ page }) => {
  await page.emulateMedia({ reducedMotion: "reduce" });
  for (const path of ["/", "/play"]) {
    await page.goto(path);
    const moving = await page.evaluate(() => {
      const seconds = (list: string) => Math.max(...list.split(",").map((time) => Number.parseFloat(time)));
      return [...document.querySelectorAll("*")]
        .filter((element) => {
          const style = getComputedStyle(element);
          return (
            (style.animationName !== "none" && seconds(style.animationDuration) > 0.01) ||
            seconds(style.transitionDuration) > 0.01
          );
        })
        .map((element) => `${element.tagName} .${element.getAttribute("class")}`);
    });
    expect(moving, path).toEqual([]);
  }
});
