// Pods: killed, crashed, upgraded, scaled by hand.

import { picture, readyPods, shortName } from "../harness/picture.ts";
import { Show } from "../harness/show.ts";
import { expect, test } from "../harness/test.ts";

/** The presenter's show with the autoscaler off and as many pods as asked for, each with its partitions. */
async function scaledTo(presenter: Show, replicas: number): Promise<string[]> {
  await presenter.autoscaler(false);
  await presenter.scale(replicas);
  await expect.poll(() => presenter.readyShown(), { timeout: 20_000 }).toBe(replicas);
  await allOwned(presenter, replicas);
  return readyPods(await picture()).map((pod) => shortName(pod.name));
}

/** Waits until every partition has an owner, and there are as many owners as asked for. */
async function allOwned(show: Show, owners: number): Promise<void> {
  await expect
    .poll(async () => ({ owners: new Set(await show.owners()).size, free: (await show.owners()).includes("") }), {
      timeout: 20_000,
    })
    .toEqual({ owners, free: false });
}

test("a killed pod's partitions move to others, another pod takes its place, and a marker says so", async ({
  known: _,
  presenter,
}) => {
  const pods = await scaledTo(presenter, 3);
  const victim = pods[0]!;
  const lost = (await presenter.owners()).flatMap((owner, partition) => (owner === victim ? [partition] : []));
  expect(lost.length).toBe(4);
  await presenter.hurt(victim, "Kill");
  await expect(presenter.flag(`pod ${victim} killed`)).toBeVisible();
  await expect.poll(async () => (await presenter.owners()).includes(victim)).toBe(false);
  for (const partition of lost) {
    await expect.poll(async () => (await presenter.owners())[partition]).not.toBe("");
  }
  // As a Deployment does it: the same number of pods, one with a new name.
  await expect.poll(() => presenter.readyShown(), { timeout: 20_000 }).toBe(3);
  await allOwned(presenter, 3);
  await expect(presenter.pod(victim)).toHaveCount(0);
  const after = readyPods(await picture()).map((pod) => shortName(pod.name));
  expect(after.filter((pod) => !pods.includes(pod))).toHaveLength(1);
});

test("a crashed pod starts again under its name and counts the restart", async ({ known: _, presenter }) => {
  const pods = await scaledTo(presenter, 2);
  const victim = pods[1]!;
  await presenter.hurt(victim, "Crash");
  await expect(presenter.flag(`pod ${victim} crashed`)).toBeVisible();
  await expect(presenter.pod(victim)).toHaveText(/1 restart/);
  await expect.poll(() => presenter.readyShown(), { timeout: 30_000 }).toBe(2);
  await allOwned(presenter, 2);
  expect(readyPods(await picture()).map((pod) => shortName(pod.name)).sort()).toEqual([...pods].sort());
});

test("a random pod is killed", async ({ known: _, presenter }) => {
  const pods = await scaledTo(presenter, 2);
  await presenter.hurtAny("Kill");
  await expect(presenter.flag(new RegExp(`pod (${pods.join("|")}) killed`))).toBeVisible();
  await expect
    .poll(async () => readyPods(await picture()).map((pod) => shortName(pod.name)), { timeout: 20_000 })
    .not.toEqual(pods);
});

test("the last ready pod is killed only after a confirmation", async ({ known: _, presenter }) => {
  const [last] = readyPods(await picture());
  const victim = shortName(last!.name);
  await presenter.hurt(victim, "Kill");
  await expect(presenter.question).toBeVisible();
  await presenter.answer("No");
  await expect(presenter.question).toBeHidden();
  expect(readyPods(await picture()).map((pod) => pod.name)).toEqual([last!.name]);
  await presenter.hurt(victim, "Kill");
  await presenter.answer("Yes");
  await expect(presenter.flag(`pod ${victim} killed`)).toBeVisible();
  await expect.poll(async () => readyPods(await picture()).map((pod) => pod.name), { timeout: 20_000 }).not.toContain(
    last!.name,
  );
  await expect.poll(() => presenter.readyShown(), { timeout: 20_000 }).toBe(1);
});

test("restarting all asks first, then replaces every pod", async ({ known: _, presenter }) => {
  const pods = await scaledTo(presenter, 2);
  await presenter.restartAll();
  await expect(presenter.question).toBeVisible();
  await presenter.answer("Yes");
  await expect
    .poll(
      async () => {
        const now = readyPods(await picture()).map((pod) => shortName(pod.name));
        return { ready: now.length, old: now.filter((pod) => pods.includes(pod)).length };
      },
      { timeout: 20_000 },
    )
    .toEqual({ ready: 2, old: 0 });
});

test("a rolling upgrade replaces every pod without going below the replicas", async ({ known: _, presenter }) => {
  const pods = await scaledTo(presenter, 2);
  const revision = (await picture()).snapshot.cluster!.revision;
  const begun = Date.now();
  let fewest = 2;
  await presenter.upgrade();
  await expect.poll(() => presenter.told("rolling upgrade", begun)).toBe(true);
  await expect
    .poll(
      async () => {
        const ready = readyPods(await picture());
        fewest = Math.min(fewest, ready.length);
        const old = ready.filter((pod) => pod.revision === revision || pods.includes(shortName(pod.name)));
        return { ready: ready.length, old: old.length };
      },
      { timeout: 40_000, intervals: [100] },
    )
    .toEqual({ ready: 2, old: 0 });
  expect(fewest).toBe(2);
  await allOwned(presenter, 2);
});

test("pods are scaled by hand only while the autoscaler is off, between min and max", async ({ known: _, presenter }) => {
  await expect(presenter.more).toBeDisabled();
  await expect(presenter.fewer).toBeDisabled();
  await presenter.autoscaler(false);
  await presenter.scale(4);
  await expect.poll(() => presenter.readyShown(), { timeout: 20_000 }).toBe(4);
  await expect(presenter.flag("by hand: 3 to 4 pods")).toBeVisible();
  await presenter.more.click();
  await expect(presenter.refusal).toHaveText(/5 is not between 1 and 4 pods/);
  await presenter.close();
  expect((await picture()).snapshot.cluster?.desired).toBe(4);
  await presenter.scale(1);
  await expect.poll(() => presenter.readyShown(), { timeout: 20_000 }).toBe(1);
  await presenter.autoscaler(true);
  await expect(presenter.more).toBeDisabled();
});
