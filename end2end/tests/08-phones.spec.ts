// A phone's tap is a record in Kafka, and comes back as one.

import { Phone, PHONE } from "../harness/phone.ts";
import { picture, shortName } from "../harness/picture.ts";
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
  const pods = (await picture()).snapshot.cluster!.pods.map((pod) => shortName(pod.name));
  const way = await phone.way.getByRole("listitem").allInnerTexts();
  expect(way).toHaveLength(4);
  expect(way[1]).toMatch(/partition \d+\s+\d+\sms/u);
  expect(way[2]).toMatch(new RegExp(`(${pods.join("|")})\\s+\\d+\\sms`, "u"));
  expect(way[3]).toMatch(/counted\s+\d+\sms/u);
  const score = await phone.score();
  expect(score).toBeGreaterThan(0);
  await expect.poll(() => show.scoreOf(fighter)).toBe(score);
  await expect(show.players).toHaveText(/^[1-9]/);
});

test("a hit takes the direction that is aimed at", async ({ known: _, phone }) => {
  await phone.join();
  await phone.aim("Up");
  await phone.tap("X");
  await expect(phone.hits).toHaveCount(1);
  await expect(phone.hits.first()).toHaveText(/↑ X/);
});

test("a presenter shows a player out, who may choose a fighter anew", async ({ known: _, presenter, phone }) => {
  const fighter = await phone.join();
  await phone.tapUntilPoints();
  await expect.poll(() => presenter.scoreOf(fighter)).toBeGreaterThan(0);
  await presenter.page.getByRole("button", { name: `Remove ${fighter}`, exact: true }).click();
  await expect.poll(() => presenter.scoreOf(fighter)).toBeUndefined();
  await phone.page.reload();
  await expect(phone.fighters.first()).toBeVisible();
  await phone.join();
  await phone.tap("X");
  await expect(phone.hits).toHaveCount(1);
});

test("taps that are too fast say so", async ({ known: _, phone }) => {
  await phone.join();
  // Five a second, and ten at once: a hand is not that fast, and a test may be as slow as its machine.
  await phone.tapAtOnce("X", 20);
  await expect(phone.trouble).toHaveText(/Too fast/);
});

test("a tap that waits behind the lag shows its place in line, and arrives", async ({ known: _, presenter, phone }) => {
  await phone.join();
  await presenter.autoscaler(false);
  await presenter.burst(5);
  await expect.poll(() => presenter.lagShown(), { timeout: 20_000 }).toBeGreaterThan(6_000);
  await phone.tap("O");
  await expect(phone.place).toBeVisible();
  await expect.poll(() => phone.placeInLine()).toBeGreaterThan(0);
  const first = await phone.placeInLine();
  await expect.poll(() => phone.placeInLine()).toBeLessThan(first);
  await expect(phone.way).toHaveClass(/\bcounted\b/, { timeout: 45_000 });
  // It waited longer than any hit on a quiet day.
  expect(await phone.way.getByRole("heading").innerText()).toMatch(/came back in [\d.]+\ss/u);
});

test("a phone that comes back is the same player", async ({ known: _, phone }) => {
  const fighter = await phone.join();
  await phone.tapUntilPoints();
  const score = await phone.score();
  await phone.page.reload();
  await expect(phone.name).toHaveText(fighter);
  expect(await phone.score()).toBe(score);
  await phone.untilLive();
});

test("two phones with one fighter are told apart", async ({ known: _, phone, browser }) => {
  const other = new Phone(await (await browser.newContext(PHONE)).newPage());
  await other.open();
  const first = await phone.join();
  const second = await other.join();
  // Players stay over a reset, so that nobody has to pick again: the first name of this test may have a number already.
  expect(first).toMatch(/^Iron Heron( \d+)?$/);
  expect(second).toMatch(/^Iron Heron \d+$/);
  expect(second).not.toBe(first);
  await other.page.context().close();
});
