// A phone's tap is a record in Kafka, and comes back as one.

import { picture } from "../harness/picture.ts";
import { expect, test } from "../harness/test.ts";

test("a tap comes back with its partition, its pod, its milliseconds and its points; the show has a leaderboard", async ({
  known: _,
  phone,
  show,
}) => {
  await show.open();
  await show.untilLive();
  const fighter = await phone.join();
  await phone.tapUntilPoints();
  await expect(phone.way).toHaveText(/partition \d+/);
  await expect(phone.way).toHaveText(/\d+ ms|\d+\.\d s/);
  const pods = (await picture()).snapshot.cluster!.pods.map((pod) => pod.name.slice(pod.name.lastIndexOf("-") + 1));
  await expect(phone.way).toHaveText(new RegExp(pods.join("|")));
  const score = await phone.score();
  expect(score).toBeGreaterThan(0);
  await expect(show.leaders.filter({ hasText: fighter })).toBeVisible();
  await expect.poll(() => show.scoreOf(fighter)).toBe(score);
  expect((await picture()).snapshot.arena.players).toBe(1);
});

test("a direction is held with a key", async ({ known: _, phone }) => {
  await phone.join();
  await phone.hold("up");
  await phone.tap("X");
  await expect(phone.hits.first()).toHaveText(/↑|up/i);
  await expect(phone.hits.first()).toHaveText(/X/);
});

test("taps that are too fast say so", async ({ known: _, phone }) => {
  await phone.join();
  await expect
    .poll(
      async () => {
        await phone.burstOfTaps(15);
        return phone.limited.isVisible();
      },
      { intervals: [0] },
    )
    .toBe(true);
});

test("a tap that waits behind the lag shows its place in line, and arrives", async ({ known: _, presenter, phone }) => {
  await phone.join();
  await presenter.autoscaler(false);
  await presenter.burst(5);
  await expect.poll(() => presenter.lagShown(), { timeout: 20_000 }).toBeGreaterThan(6_000);
  await phone.tap("O");
  await expect(phone.place).toBeVisible();
  await expect(phone.place).toHaveText(/\d/);
  const first = await phone.placeInLine();
  await expect.poll(() => phone.placeInLine()).toBeLessThan(first);
  await expect(phone.place).toBeHidden({ timeout: 40_000 });
  await expect(phone.way).toHaveText(/\d+ ms|\d+\.\d s/);
});

test("a phone that comes back is the same player", async ({ known: _, phone }) => {
  const fighter = await phone.join();
  await phone.tapUntilPoints();
  const score = await phone.score();
  await phone.page.reload();
  await expect(phone.page.getByText(fighter).first()).toBeVisible();
  expect(await phone.score()).toBe(score);
  await phone.untilLive();
});

test("two phones with one fighter are told apart", async ({ known: _, phone, browser }) => {
  const { Phone } = await import("../harness/phone.ts");
  const other = new Phone(await (await browser.newContext()).newPage());
  await other.open();
  const first = await phone.join();
  const second = await other.join();
  expect(second).not.toBe(first);
  expect(second).toContain(first);
  await other.page.context().close();
});
