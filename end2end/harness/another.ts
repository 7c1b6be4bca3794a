// Another server on the same host, as a second demo would have one. It has no Kafka, so it disturbs nobody: its pages say that they know nothing.

import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { createInterface } from "node:readline";
import { dirname, join } from "node:path";
import { STATUS_FILE } from "./demo.ts";

export interface Another {
  url: string;
  passcode: string;
  stop(): Promise<void>;
}

/** Starts one on a free port; it ends with this process at the latest. */
export async function startAnother(): Promise<Another> {
  const target = join(dirname(STATUS_FILE), "..");
  const program = join(target, "release", "server");
  const passcode = randomUUID();
  // Nobody listens at the port for discarding. Pods are not started before Kafka answers, so any program will do.
  const options = ["--kafka", "127.0.0.1:9", "--port", "0", "--site", join(target, "site"), "--streams", program];
  const server = spawn(program, ["--exit-with-parent", ...options], {
    env: { ...process.env, KING_PASSCODE: passcode },
    stdio: ["pipe", "ignore", "pipe"],
  });
  const ended = new Promise<void>((resolve) => server.once("close", () => resolve()));
  const said: string[] = [];
  const address = await new Promise<string>((resolve, reject) => {
    createInterface(server.stderr).on("line", (line) => {
      said.push(line);
      const found = /serving.* address=(\S+)/.exec(line);
      if (found?.[1]) {
        resolve(found[1]);
      }
    });
    server.once("error", reject);
    void ended.then(() => reject(new Error(`another server did not start:\n${said.join("\n")}`)));
  });
  const stop = async (): Promise<void> => {
    server.stdin.end();
    await ended;
  };
  return { url: `http://${address}/`, passcode, stop };
}
