// The demo under test, as its environment describes it: where it is, how to present, which processes it is made of.

import { readFileSync } from "node:fs";

/** One process of the demo, as `status.json` lists it. */
interface Service {
  pid: number;
  /** The foreign process that a guard of ours runs, where there is one. */
  guarded_pid?: number | null;
  starts: number;
}

interface Status {
  url: string;
  passcode: string;
  kafka: string;
  services: Record<string, Service | undefined>;
}

/** The demo's services that a test may kill. */
export type ServiceName = "kafka" | "server" | "datagen";

/** The show's address, without a slash at its end. */
export const URL_OF_DEMO = required("KING_URL").replace(/\/$/, "");
/** The presenter's passcode. */
export const PASSCODE = required("KING_PASSCODE");

/** Where the demo says how it is. */
export const STATUS_FILE = required("KING_STATUS");

/** The service's own process now; `undefined` while it is not one of the demo's, or does not run. */
export function pidOf(name: ServiceName): number | undefined {
  const service = status().services[name];
  return service?.guarded_pid ?? service?.pid;
}

/** How often the demo has started a service. */
export function startsOf(name: ServiceName): number {
  return status().services[name]?.starts ?? 0;
}

/** Ends a service as the kernel would: it cannot say goodbye. */
export function killService(name: ServiceName): void {
  const pid = pidOf(name);
  if (!pid) {
    throw new Error(`${name} is not a process of this demo`);
  }
  process.kill(pid, "SIGKILL");
}

function status(): Status {
  return JSON.parse(readFileSync(STATUS_FILE, "utf8")) as Status;
}

function required(name: string): string {
  const value = process.env[name];
  if (!value) {
    throw new Error(`${name} is not set: \`cargo xtask test e2e\` starts a demo and sets it.`);
  }
  return value;
}
