// The show, `/`, as a visitor and as the presenter: where its parts are and what can be done with them.

import { expect, type Locator, type Page } from "@playwright/test";
import { PASSCODE } from "./demo.ts";

/** How a pod is hurt: SIGTERM, or SIGKILL. */
export type Manner = "Kill" | "Crash";

export class Show {
  readonly connection: Locator;
  readonly source: Locator;
  readonly outage: Locator;
  /** The loudest figure: the lag of the input that is further behind. */
  readonly lag: Locator;
  /** How old that figure is, while Kafka is away. */
  readonly lagAge: Locator;
  readonly ready: Locator;
  readonly produced: Locator;
  readonly consumed: Locator;
  readonly players: Locator;
  readonly curves: Locator;
  readonly lives: Locator;
  readonly flags: Locator;
  readonly towers: Locator;
  readonly pods: Locator;
  readonly decision: Locator;
  readonly leaders: Locator;
  /** The way in for phones. */
  readonly wayIn: Locator;
  readonly qrCode: Locator;
  /** Everything that only the presenter has. */
  readonly commands: Locator;
  readonly signInProblem: Locator;
  readonly question: Locator;
  /** Why a command was not carried out. */
  readonly refusal: Locator;
  readonly progress: Locator;
  /** What the generator is asked for, what it makes, and what runs. */
  readonly load: Locator;
  readonly fewer: Locator;
  readonly more: Locator;
  /** The bar with the buttons that only the presenter has. */
  readonly bar: Locator;
  private readonly desired: Locator;

  constructor(readonly page: Page) {
    const region = (name: string | RegExp) => page.getByRole("region", { name });
    this.connection = page.locator(".chip.link");
    this.source = page.locator(".chip.source");
    this.outage = page.locator(".chip.away");
    const lag = region(/^Lag/);
    this.lag = lag.locator(".worst");
    this.lagAge = lag.locator("h2 .old");
    this.ready = lag.locator(".ready");
    const figureNamed = (name: string) =>
      page.locator(".figures > div").filter({ has: page.getByText(name, { exact: true }) }).locator("dd");
    this.produced = figureNamed("produced");
    this.consumed = figureNamed("consumed");
    this.players = figureNamed("players");
    this.curves = lag.locator("svg .curve[d^=M]");
    this.lives = lag.locator("svg .bar[d^=M]");
    this.flags = lag.locator(".flags:visible");
    this.towers = region(/^Partitions/).getByRole("listitem");
    this.pods = region(/^Pods/).getByRole("listitem").filter({ has: page.getByRole("heading") });
    this.decision = region(/decision/).locator(".sentence");
    this.leaders = region("Fighters").getByRole("row").filter({ has: page.getByRole("rowheader") });
    this.wayIn = region("Fighters").getByRole("link", { name: /^Play at/ });
    this.qrCode = this.wayIn.locator("svg");
    this.commands = page.locator("main :is(button, select, input):not(.sign-in *)");
    this.signInProblem = page.locator(".sign-in").getByRole("alert");
    this.question = page.getByRole("alert").filter({ has: page.getByRole("button", { name: "Yes" }) });
    this.refusal = page.getByRole("alert").filter({ has: page.getByRole("button", { name: "Close" }) });
    this.bar = region("Presenter");
    this.progress = this.bar.getByRole("status").filter({ hasText: /\d of \d/ });
    this.load = this.bar.locator("legend").filter({ hasText: /^Load/ });
    this.fewer = this.bar.getByRole("button", { name: "One pod fewer" });
    this.more = this.bar.getByRole("button", { name: "One pod more" });
    this.desired = this.bar.getByRole("status", { name: "Desired replicas" });
  }

  async open(): Promise<void> {
    await this.page.goto("/");
  }

  /** Waits until frames come: from then on the page also listens to clicks. */
  async untilLive(timeout = 15_000): Promise<void> {
    await expect(this.connection).toHaveText("live", { timeout });
  }

  // What it shows.

  tower(partition: number): Locator {
    return this.towers.nth(partition);
  }

  /** The mark over a tower that gets more than its share. */
  hotMark(partition: number): Locator {
    return this.tower(partition).locator(".hot");
  }

  pod(shortName: string): Locator {
    return this.pods.filter({ has: this.page.getByRole("heading", { name: shortName }) });
  }

  /** Who works on each partition; an empty name where nobody does. */
  async owners(): Promise<string[]> {
    const said = await this.towers.locator(".foot").allTextContents();
    return said.map((text) => /owned by pod (\w+)/.exec(text)?.[1] ?? "");
  }

  /** Whether the page's table of events tells of something that happened after `since`, by this process's clock. */
  async told(what: string | RegExp, since: number): Promise<boolean> {
    const rows = this.page.getByRole("table", { name: "What happened" }).getByRole("row").filter({ hasText: what });
    const ages = (await rows.allTextContents()).map((row) => /^(\d+)\ss ago/u.exec(row)?.[1]);
    return ages.some((age) => age !== undefined && Number(age) * 1_000 <= Date.now() - since);
  }

  /** The sign of the flag on the time axis that stands for an event; it may stand for others too. */
  flag(what: string | RegExp): Locator {
    return this.flags.getByTitle(what).and(this.page.locator(":not(.point)")).last().locator("i");
  }

  async lagShown(): Promise<number> {
    return figure(await this.lag.innerText());
  }

  async readyShown(): Promise<number> {
    return figure(await this.ready.innerText());
  }

  async producedShown(): Promise<number> {
    return figure(await this.produced.innerText());
  }

  /** From where to where the requests' curve is drawn, in tenths of a second of its ten minutes, and in how many pieces. */
  async curve(): Promise<{ from: number; to: number; pieces: number }> {
    const path = (await this.page.locator(".curve.requests").first().getAttribute("d")) ?? "";
    const xs = [...path.matchAll(/[ML](\d+)/g)].map(([, x]) => Number(x));
    return { from: Math.min(...xs), to: Math.max(...xs), pieces: path.split("M").length - 1 };
  }

  /** The score on the leaderboard; `undefined` for who is not on it. */
  async scoreOf(fighter: string): Promise<number | undefined> {
    const line = this.leaders.filter({ has: this.page.getByRole("rowheader", { name: fighter, exact: true }) });
    return (await line.count()) === 0 ? undefined : figure(await line.locator(".score").innerText());
  }

  // What the presenter does.

  async enterPasscode(passcode: string): Promise<void> {
    const field = this.page.getByLabel("Passcode");
    if (!(await field.isVisible())) {
      await this.page.locator(".sign-in summary").click();
    }
    await field.fill(passcode);
    await this.page.getByRole("button", { name: "Sign in" }).click();
  }

  /** Signs in through the form; the page is loaded again with the presenter's buttons. */
  async signIn(passcode = PASSCODE): Promise<void> {
    await this.untilLive();
    await this.enterPasscode(passcode);
    await expect(this.bar).toBeVisible();
    await this.untilLive();
  }

  async signOut(): Promise<void> {
    await this.bar.getByRole("button", { name: "Leave" }).click();
  }

  async burst(factor: 2 | 5 | 10): Promise<void> {
    await this.bar.getByRole("button", { name: `×${factor}`, exact: true }).click();
  }

  /** The button of a shape of the load, for example `Load as a step`. */
  shape(name: string): Locator {
    return this.bar.getByRole("button", { name, exact: true });
  }

  async base(framesPerSecond: number): Promise<void> {
    await this.bar.getByRole("slider").fill(String(framesPerSecond));
  }

  async hot(partition: number | undefined): Promise<void> {
    await this.bar.getByRole("combobox", { name: /^hot/ }).selectOption(partition === undefined ? "" : String(partition));
  }

  async hurt(pod: string, manner: Manner): Promise<void> {
    await this.page.getByRole("button", { name: `${manner} pod ${pod}` }).click();
  }

  async hurtAny(manner: Manner): Promise<void> {
    await this.bar.getByRole("button", { name: manner, exact: true }).click();
  }

  async restartAll(): Promise<void> {
    await this.bar.getByRole("button", { name: "All pods" }).click();
  }

  async upgrade(): Promise<void> {
    await this.bar.getByRole("button", { name: "Upgrade" }).click();
  }

  async autoscaler(on: boolean): Promise<void> {
    const autoscaler = this.bar.getByRole("switch");
    if ((await autoscaler.getAttribute("aria-checked")) !== String(on)) {
      await autoscaler.click();
    }
    await expect(autoscaler).toHaveAttribute("aria-checked", String(on));
  }

  /** Sets the replicas by hand, step by step as a person would. */
  async scale(replicas: number): Promise<void> {
    for (let now = figure(await this.desired.innerText()); now !== replicas; ) {
      now += Math.sign(replicas - now);
      await (now > figure(await this.desired.innerText()) ? this.more : this.fewer).click();
      await expect(this.desired).toHaveText(String(now));
    }
  }

  /** Asks for a reset and says yes where the page asks back; does not wait for its end. */
  async reset(): Promise<void> {
    await this.bar.getByRole("button", { name: "Reset" }).click();
    await expect(this.question.or(this.progress).first()).toBeVisible();
    if (await this.question.isVisible()) {
      await this.answer("Yes");
    }
  }

  /** Reads a refusal away. */
  async close(): Promise<void> {
    await this.refusal.getByRole("button", { name: "Close" }).click();
    await expect(this.refusal).toBeHidden();
  }

  async answer(answer: "Yes" | "No"): Promise<void> {
    await this.question.getByRole("button", { name: answer }).click();
  }
}

/** A figure as people read it: `950`, `101.8 k`, `6.5 k/s`; not a number where it is not known. */
export function figure(text: string): number {
  const [, digits, scale] = /^([\d.\s]+?)\s*([kMG])?(\/s)?$/u.exec(text.trim()) ?? [];
  const scales: Record<string, number> = { k: 1e3, M: 1e6, G: 1e9 };
  return digits === undefined ? Number.NaN : Number(digits.replace(/\s/gu, "")) * (scales[scale ?? ""] ?? 1);
}
