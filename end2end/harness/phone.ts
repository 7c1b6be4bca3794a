// The game, `/play`, as it lies in a player's hand.

import { expect, type Locator, type Page } from "@playwright/test";
import { figure } from "./show.ts";

/** A phone as the design has it. */
export const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 };

export class Phone {
  readonly fighters: Locator;
  /** Who plays. */
  readonly name: Locator;
  /** What is wrong with the connection or with Kafka; hidden while nothing is. */
  readonly away: Locator;
  /** All buttons that thumbs must reach. */
  readonly pad: Locator;
  /** The way of the last hit: phone, partition, pod, counted. */
  readonly way: Locator;
  /** The last hits, newest first. */
  readonly hits: Locator;
  /** What went wrong with the last hit. */
  readonly trouble: Locator;
  /** What is said of a hit that waits behind the lag. */
  readonly place: Locator;
  private readonly points: Locator;

  constructor(readonly page: Page) {
    this.fighters = page.getByRole("region", { name: "Pick your fighter" }).getByRole("button");
    this.name = page.getByRole("heading", { level: 1 });
    this.away = page.locator(".chip.away");
    this.pad = page.getByRole("region", { name: "Pad" }).getByRole("button");
    this.way = page.locator("section.way");
    const hits = page.getByRole("region", { name: "Your last hits" });
    this.hits = hits.getByRole("listitem");
    this.trouble = hits.locator(".trouble");
    this.place = this.way.getByRole("heading", { name: /waits: records before it|next in line/ });
    this.points = page.locator(".standing b");
  }

  async open(): Promise<void> {
    await this.page.goto("/play");
  }

  /** Waits until frames come: from then on the page also listens to taps. */
  async untilLive(timeout = 15_000): Promise<void> {
    await expect(this.page.getByRole("main")).toHaveClass(/\blive\b/, { timeout });
  }

  /** Picks a fighter; gives the name under which the show knows the player. */
  async join(fighter = 0): Promise<string> {
    await this.untilLive();
    await this.fighters.nth(fighter).tap();
    await expect(this.pad).toHaveCount(6);
    await this.untilLive();
    return await this.name.innerText();
  }

  key(name: "X" | "O"): Locator {
    return this.page.getByRole("button", { name, exact: true });
  }

  async tap(key: "X" | "O"): Promise<void> {
    await this.key(key).tap();
  }

  /** So many taps before the page does anything else. */
  async tapAtOnce(key: "X" | "O", taps: number): Promise<void> {
    await this.key(key).evaluate((button: HTMLElement, taps) => {
      for (let tap = 0; tap < taps; tap += 1) {
        button.click();
      }
    }, taps);
  }

  async aim(direction: "Up" | "Down" | "Left" | "Right"): Promise<void> {
    const arrow = this.page.getByRole("button", { name: direction, exact: true });
    await arrow.tap();
    await expect(arrow).toHaveAttribute("aria-pressed", "true");
  }

  /** Hits until one that has come back was not a miss. */
  async tapUntilPoints(): Promise<void> {
    const before = await this.score();
    await expect
      .poll(
        async () => {
          await this.tap("X");
          await expect(this.way).toHaveClass(/\bcounted\b/);
          return await this.score();
        },
        { timeout: 20_000, intervals: [300] },
      )
      .toBeGreaterThan(before);
    // The points may be those of the last hit but one.
    await expect(this.way).toHaveClass(/\bcounted\b/);
  }

  async score(): Promise<number> {
    return figure(await this.points.innerText());
  }

  /** Records that are counted before the last hit; 0 once it is next, or has come back. */
  async placeInLine(): Promise<number> {
    const waits = /records before it\s+(.+)/u.exec(await this.way.getByRole("heading").innerText());
    return waits ? figure(waits[1] ?? "") : 0;
  }
}
