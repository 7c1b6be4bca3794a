// A device of its own: a browser that can be put to sleep, and a way to the demo that can go dead without a word, as a router forgets
// the connections of a device that sleeps.

import { chromium, type Browser } from "@playwright/test";
import { createServer, connect, type AddressInfo, type Socket } from "node:net";
import { chromiumFlags, chromiumPath } from "./chromium.ts";
import { URL_OF_DEMO } from "./demo.ts";

export interface Device {
  browser: Browser;
  /** Stops every process of the browser. */
  sleep(): void;
  /** Lets them go on. */
  wake(): void;
  close(): Promise<void>;
}

export async function startDevice(): Promise<Device> {
  const server = await chromium.launchServer({ executablePath: chromiumPath(), args: chromiumFlags() });
  const browser = await chromium.connect(server.wsEndpoint());
  // Playwright starts a browser as the leader of a group of processes.
  const tell = (signal: NodeJS.Signals): void => void process.kill(-(server.process().pid ?? Number.NaN), signal);
  return {
    browser,
    sleep: () => tell("SIGSTOP"),
    wake: () => tell("SIGCONT"),
    close: () => server.close(),
  };
}

export interface Way {
  url: string;
  /** Nothing comes through the streams any more that are open now, and neither side hears of it. Other connections end. */
  forget(): void;
  close(): void;
}

export async function startWay(): Promise<Way> {
  const demo = new URL(URL_OF_DEMO);
  const open = new Set<{ near: Socket; far: Socket; isStream: boolean }>();
  const end = ({ near, far }: { near: Socket; far: Socket }): void => void (near.destroy(), far.destroy());
  const way = createServer((near) => {
    const far = connect(Number(demo.port), demo.hostname);
    const connection = { near, far, isStream: false };
    open.add(connection);
    near.on("data", (sent) => (connection.isStream ||= sent.includes("GET /live")));
    near.pipe(far).pipe(near);
    for (const side of [near, far]) {
      side.on("error", () => end(connection));
      side.on("close", () => open.delete(connection));
    }
  });
  await new Promise<void>((resolve) => way.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(way.address() as AddressInfo).port}/`,
    forget: () => {
      for (const connection of open) {
        if (connection.isStream) {
          connection.far.unpipe(connection.near).resume();
        } else {
          end(connection);
        }
      }
    },
    close: () => {
      way.close();
      open.forEach(end);
    },
  };
}
