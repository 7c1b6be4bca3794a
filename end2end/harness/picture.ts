// What the server says, apart from what the page draws: to compare the page with, and to wait for what no page shows.

import { URL_OF_DEMO } from "./demo.ts";

/** The part of `model::wire::Picture` that tests look at. */
export interface Picture {
  epoch: number;
  snapshot: {
    at_ms: number;
    lag: { partitions: (number | null)[][] } | null;
    ownership: { state: string; tasks: { pod?: string }[] } | null;
    cluster: {
      pods: Pod[];
      desired: number;
      revision: number;
      capacity: number;
      policy: { enabled: boolean; min: number; max: number };
      decision?: { desired: number };
    } | null;
    load: { base: number; burst?: { factor: number; until_ms: number }; hot?: { partition: number }; shape?: { shape: string } } | null;
    players: { count: number; leaders: { fighter: string; score: number }[] };
    outages: { kafka?: unknown };
    progress: { what: string } | null;
  };
  history: { points: { t: number }[]; markers: { id: number; t: number; e: unknown }[] };
}

/** The part of `model::snapshot::Pod` that tests look at. */
export interface Pod {
  name: string;
  phase: unknown;
  restarts: number;
  revision: number;
}

/** The server's picture of this moment: the one that it renders the show from. (A stream's first may be a second old.) */
export async function picture(): Promise<Picture> {
  const response = await fetch(`${URL_OF_DEMO}/`, { signal: AbortSignal.timeout(5_000) });
  const [, boot] = /<script[^>]*id="boot"[^>]*>(.*?)<\/script>/s.exec(await response.text()) ?? [];
  if (!response.ok || !boot) {
    throw new Error(`the show answered ${response.status}, without its picture`);
  }
  return (JSON.parse(boot) as { picture: Picture }).picture;
}

/** Total lag over all topics; `undefined` while a part of it is unknown. */
export function totalLag({ snapshot }: Picture): number | undefined {
  const lags = snapshot.lag ? snapshot.lag.partitions.flat() : [null];
  return lags.every((lag) => lag !== null) ? lags.reduce((sum, lag) => sum + lag, 0) : undefined;
}

/** The pods that are ready. */
export function readyPods({ snapshot }: Picture): Pod[] {
  return (snapshot.cluster?.pods ?? []).filter((pod) => pod.phase === "Ready");
}

/** What follows the last dash of a pod's name: how the page calls it. */
export function shortName(pod: string): string {
  return pod.slice(pod.lastIndexOf("-") + 1);
}
