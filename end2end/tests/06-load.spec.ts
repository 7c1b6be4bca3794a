// Load, lag, pods: the story of the show.

import { picture, readyPods, totalLag } from "../harness/picture.ts";
import { expect, test } from "../harness/test.ts";

test("a burst of x10 raises the lag, pods follow, and the lag drains", async ({ known: _, presenter, show }) => {
  test.setTimeout(180_000);
  await show.open();
  await show.untilLive();
  expect(await show.readyShown()).toBe(1);
  const before = await show.lagShown();
  const begun = Date.now();
  await presenter.burst(10);
  await expect.poll(() => show.lagShown(), { timeout: 15_000 }).toBeGreaterThan(before + 5_000);
  await expect.poll(() => show.told("load multiplied by 10", begun)).toBe(true);
  await expect(show.flag(/load multiplied by 10/)).toBeVisible();
  await expect.poll(() => show.readyShown(), { timeout: 30_000 }).toBe(4);
  expect(await show.told("autoscaler: 1 to", begun)).toBe(true);
  await expect(show.flag(/autoscaler: 1 to/)).toBeVisible();
  await expect(show.decision).toHaveText(/\d/);
  await expect.poll(() => show.owners().then((owners) => new Set(owners).size), { timeout: 20_000 }).toBe(4);
  // The burst ends after 20 s; four pods are faster than the base rate.
  await expect.poll(() => show.lagShown(), { timeout: 60_000 }).toBeLessThan(1_500);
  // Then nothing is left to do for four: the window of 30 s, and a look every 5 s.
  await expect.poll(() => show.readyShown(), { timeout: 60_000 }).toBe(1);
  expect((await picture()).snapshot.cluster?.desired).toBe(1);
});

test("the base rate and a hot partition change what is produced", async ({ known: _, presenter, show }) => {
  await show.open();
  await show.untilLive();
  await presenter.base(1_000);
  await expect.poll(() => show.producedShown(), { timeout: 15_000 }).toBeGreaterThan(1_500);
  await presenter.hot(5);
  await expect(show.hotMark(5)).toBeVisible();
  await expect(show.flag(/partition 5 made hot/)).toBeVisible();
  await presenter.hot(undefined);
  await expect(show.hotMark(5)).toBeHidden();
});

test("the arrow keys go from one thing that happened to the next", async ({ known: _, presenter, show }) => {
  await show.open();
  await show.untilLive();
  const begun = Date.now();
  await presenter.base(500);
  await expect.poll(() => show.told("base load set", begun)).toBe(true);
  await presenter.hot(7);
  await expect(show.flag(/partition 7 made hot/)).toBeVisible();
  const stops = show.page.getByRole("group", { name: /What happened/ });
  await stops.focus();
  await expect(stops).toHaveText(/\d\ss ago: partition 7 made hot/u);
  await stops.press("ArrowLeft");
  await expect(stops).toHaveText(/ago: base load set to 500/);
  // The chart is drawn anew each second, and the words stay.
  await expect(stops).toHaveText(/[3-9]\ss ago: base load/u, { timeout: 10_000 });
  await stops.press("ArrowRight");
  await expect(stops).toHaveText(/partition 7 made hot/);
  await stops.blur();
  await expect(stops).toHaveText("");
});

test("a shape raises the load, says what runs, and ends with a tap or a key", async ({ known: _, presenter, show }) => {
  await show.open();
  await show.untilLive();
  const begun = Date.now();
  await presenter.shape("Load as a step").click();
  await expect(presenter.load).toHaveText(/1\.6\sk frames\/s asked.* · step, until ended/);
  await expect(presenter.shape("Load as a step")).toHaveAttribute("aria-pressed", "true");
  await expect.poll(() => show.producedShown(), { timeout: 15_000 }).toBeGreaterThan(2_500);
  await expect.poll(() => show.told("load follows a shape: step", begun)).toBe(true);
  await expect(show.flag(/load follows a shape: step/)).toBeVisible();
  // A ramp begins where a normal day is, and says when it is over.
  await presenter.page.keyboard.press("7");
  await expect(presenter.load).toHaveText(/ · ramp, [1-6]?\d\ss left/);
  await expect(presenter.shape("Load as a ramp")).toHaveAttribute("aria-pressed", "true");
  await presenter.shape("Normal load").click();
  await expect(presenter.load).toHaveText(/400 frames\/s asked/);
  await expect(presenter.load).not.toHaveText(/ · /);
  await expect.poll(() => show.producedShown(), { timeout: 15_000 }).toBeLessThan(1_200);
  expect((await picture()).snapshot.load?.shape).toBeUndefined();
});

test("reset puts everything back within 15 s, and says how far it is", async ({ known: _, presenter, show }) => {
  await show.open();
  await show.untilLive();
  await presenter.autoscaler(false);
  await presenter.scale(2);
  await presenter.burst(10);
  await expect.poll(() => show.lagShown(), { timeout: 15_000 }).toBeGreaterThan(10_000);
  const begun = Date.now();
  await presenter.reset();
  await expect(presenter.progress).toHaveText(/Reset \d of \d: ./);
  await expect(presenter.progress).toBeHidden({ timeout: 15_000 });
  await expect.poll(() => show.readyShown(), { timeout: 15_000 - (Date.now() - begun) }).toBe(1);
  await expect.poll(() => show.lagShown(), { timeout: 15_000 - (Date.now() - begun) }).toBeLessThan(2_000);
  const now = await picture();
  expect(readyPods(now)).toHaveLength(1);
  expect(totalLag(now)).toBeLessThan(3_000);
  expect(now.snapshot.load).toMatchObject({ base: 400 });
  expect(now.snapshot.load?.burst).toBeUndefined();
  expect(now.snapshot.cluster?.policy.enabled).toBe(true);
  await expect.poll(() => show.told("everything was reset", begun)).toBe(true);
});
