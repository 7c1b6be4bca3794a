// The page moves by itself.

import { expect, test } from "../harness/test.ts";

test("the charts move, and the newest point is always of this moment", async ({ show }) => {
  await show.open();
  await show.untilLive();
  const drawn = new Set<string | null>();
  await expect
    .poll(async () => {
      // Ten units are a second, and 6,000 are now.
      expect((await show.curve()).to).toBeGreaterThan(5_970);
      return drawn.add(await show.curves.first().getAttribute("d")).size;
    })
    .toBeGreaterThanOrEqual(4);
});

test("the numbers follow", async ({ show }) => {
  await show.open();
  await show.untilLive();
  const seen = new Set<string>();
  await expect
    .poll(async () => seen.add(await show.produced.innerText()).size + seen.add(await show.lag.innerText()).size, {
      intervals: [100],
    })
    .toBeGreaterThan(4);
});

test("one chip tells the source, one the connection", async ({ show }) => {
  await show.open();
  await expect(show.source).toHaveText(/Kafka \d+\.\d+.*local pods/);
  await expect(show.connection).toHaveText(/live/i);
});
