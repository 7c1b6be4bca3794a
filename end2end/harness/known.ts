// The state that every test begins with: what the presenter's Reset promises.

import { expect, type Browser } from "@playwright/test";
import { picture, readyPods, totalLag, type Picture } from "./picture.ts";
import { Show } from "./show.ts";

/** Resets the demo as a presenter would, unless it is at its defaults already. */
export async function becomeKnown(browser: Browser): Promise<void> {
  if (unlike(await picture()).length === 0) {
    return;
  }
  // A test may have switched JavaScript off for its own pages.
  const context = await browser.newContext({ javaScriptEnabled: true });
  const presenter = new Show(await context.newPage());
  await presenter.open();
  await presenter.signIn();
  await presenter.reset();
  await expect.poll(async () => unlike(await picture()), { timeout: 25_000, intervals: [250] }).toEqual([]);
  await context.close();
}

/** What is not as a reset leaves it. */
function unlike(now: Picture): string[] {
  const { cluster, load, players, ownership, progress, outages } = now.snapshot;
  const lag = totalLag(now);
  const isSo: [string, boolean | undefined][] = [
    ["nothing is under way", progress === null],
    ["Kafka answers", outages.kafka === undefined],
    ["one pod", cluster?.desired === 1 && cluster.pods.length === 1 && readyPods(now).length === 1],
    ["no pod was restarted", cluster?.pods.every((pod) => pod.restarts === 0)],
    ["the autoscaler is on", cluster?.policy.enabled && cluster.policy.min === 1 && cluster.policy.max === 4],
    ["the autoscaler has looked", cluster?.decision !== undefined],
    ["the load is the default", load?.base === 400 && !load.hot && !load.shape && !(load.burst && load.burst.until_ms > now.snapshot.at_ms)],
    ["nobody has points", players.leaders.length === 0],
    ["the lag is small", lag !== undefined && lag < 2_000],
    ["every partition has its owner", ownership?.tasks.length === 12 && ownership.tasks.every(({ pod }) => pod)],
  ];
  return isSo.filter(([, so]) => !so).map(([what]) => what);
}
