// What dies comes back, and the page says what it missed.

import { killService, pidOf, startsOf } from "../harness/demo.ts";
import { picture, type Picture } from "../harness/picture.ts";
import { expect, test } from "../harness/test.ts";

/** A browser says so itself, where a request finds no server. */
const NO_SERVER = /net::ERR_|Failed to load resource|Failed to fetch|NetworkError/;

/** Holes in the history that no marker explains, in milliseconds. */
function unsaidGaps({ history }: Picture): number[] {
  const explained = history.markers.filter(({ e }) => ["ServerRestarted", "KafkaAway"].includes(e as string));
  return history.points.flatMap(({ t }, index) => {
    const before = history.points[index - 1]?.t ?? t;
    const said = explained.some((marker) => marker.t >= before - 2_000 && marker.t <= t + 2_000);
    return t - before > 2_500 && !said ? [t - before] : [];
  });
}

test("a killed server: reconnecting, then ten minutes of history again, and a marker", async ({
  known: _,
  presenter,
  phone,
  complaints,
}) => {
  complaints.allowed.push(NO_SERVER);
  const fighter = await phone.join();
  const before = await picture();
  const oldest = before.history.points[0]!.t;
  const drawn = await presenter.curve();
  const begun = Date.now();
  const starts = startsOf("server");
  killService("server");
  await expect(presenter.connection).toHaveText(/reconnecting/i);
  await expect(phone.away).toHaveText(/reconnecting/i);
  await expect.poll(() => startsOf("server"), { timeout: 15_000 }).toBeGreaterThan(starts);
  // The page is not loaded again: it finds the new server by itself.
  await presenter.untilLive(30_000);
  await expect.poll(() => presenter.told("the server was started again", begun)).toBe(true);
  await expect(presenter.flag(/the server was started again/)).toBeVisible();
  await expect.poll(() => presenter.readyShown(), { timeout: 20_000 }).toBe(1);
  const after = await picture();
  expect(after.epoch).not.toBe(before.epoch);
  // Nothing older is lost, but for what has become older than ten minutes.
  const horizon = after.snapshot.at_ms - 600_000;
  expect(after.history.points[0]!.t).toBeLessThanOrEqual(Math.max(oldest, horizon) + 2_000);
  const redrawn = await presenter.curve();
  // A point comes once a second, which is ten units: the first one lies anywhere in its second.
  expect(redrawn.from).toBeLessThanOrEqual(drawn.from + 20);
  expect(redrawn.to).toBeGreaterThan(5_970);
  expect(unsaidGaps(after)).toEqual([]);
  // The presenter is still signed in, and the buttons work.
  await expect(presenter.commands.first()).toBeVisible();
  await presenter.hot(4);
  await expect(presenter.hotMark(4)).toBeVisible();
  await presenter.page.reload();
  await expect(presenter.commands.first()).toBeVisible();
  await phone.untilLive(30_000);
  await expect(phone.name).toHaveText(fighter);
});

test("a killed Kafka: the page says that it is away and how old the numbers are, and recovers", async ({
  known: _,
  show,
  complaints,
}) => {
  test.skip(pidOf("kafka") === undefined, "this demo uses somebody else's Kafka");
  test.setTimeout(180_000);
  complaints.allowed.push(NO_SERVER);
  await show.open();
  await show.untilLive();
  const begun = Date.now();
  killService("kafka");
  await expect(show.outage).toHaveText(/Kafka away since \d+\ss/u, { timeout: 20_000 });
  await expect(show.lagAge).toHaveText(/\d+\ss ago/u);
  await expect(show.outage).toBeHidden({ timeout: 60_000 });
  await expect(show.lagAge).toBeEmpty();
  await expect.poll(() => show.told("Kafka did not answer", begun)).toBe(true);
  await expect.poll(async () => (await show.curve()).to).toBeGreaterThan(5_970);
  // The pods are back at work: each partition has its owner, and what waited meanwhile drains.
  await expect.poll(async () => (await show.owners()).includes(""), { timeout: 45_000 }).toBe(false);
  await expect.poll(() => show.readyShown(), { timeout: 30_000 }).toBeGreaterThanOrEqual(1);
  await expect.poll(() => show.lagShown(), { timeout: 45_000 }).toBeLessThan(1_500);
});
