// What the server says, apart from what the page draws: one picture from the live stream, to compare the page with
// and to wait for what no page shows.

import { URL_OF_DEMO } from "./demo.ts";

/** The part of `model::wire::Picture` that tests look at. */
export interface Picture {
  epoch: number;
  snapshot: {
    at_ms: number;
    lag: { rq: (number | null)[]; rs: (number | null)[] } | null;
    ownership: { state: string; partitions: { pod?: string }[] } | null;
    cluster: {
      pods: Pod[];
      desired: number;
      revision: number;
      capacity: number;
      policy: { enabled: boolean; min: number; max: number };
    } | null;
    load: { base: number; burst?: { factor: number; until_ms: number }; hot?: { partition: number } } | null;
    arena: { players: number; leaders: { fighter: string; score: number }[] };
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

/** The first picture of a new stream. */
export async function picture(): Promise<Picture> {
  const stream = new AbortController();
  const signal = AbortSignal.any([stream.signal, AbortSignal.timeout(5_000)]);
  const response = await fetch(`${URL_OF_DEMO}/live`, { signal, headers: { accept: "text/event-stream" } });
  if (!response.ok || !response.body) {
    throw new Error(`/live answered ${response.status}`);
  }
  let text = "";
  try {
    for await (const part of response.body.pipeThrough(new TextDecoderStream())) {
      text += part;
      // An event ends with an empty line; what follows the last one is incomplete.
      const event = text.split("\n\n").slice(0, -1).find((event) => /^event: ?picture$/m.test(event));
      if (event) {
        const data = event.split("\n").filter((line) => line.startsWith("data:"));
        return JSON.parse(data.map((line) => line.slice(5).trimStart()).join("\n")) as Picture;
      }
    }
  } finally {
    stream.abort();
  }
  throw new Error("the stream ended before its picture");
}

/** Total lag over both inputs; `undefined` while a part of it is unknown. */
export function totalLag({ snapshot }: Picture): number | undefined {
  const lags = snapshot.lag ? [...snapshot.lag.rq, ...snapshot.lag.rs] : [null];
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
