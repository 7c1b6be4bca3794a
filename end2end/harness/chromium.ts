// Which browser the tests drive, and how it is started. It is always one that the machine already has.

import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];
const MAC_APPS = [
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
];

/** The browser's executable: `CHROMIUM_PATH`, else the first known name on `PATH`, else an application of macOS. */
export function chromiumPath(): string {
  const directories = (process.env.PATH ?? "").split(delimiter).filter(Boolean);
  const onPath = NAMES.flatMap((name) => directories.map((directory) => join(directory, name)));
  const found = [process.env.CHROMIUM_PATH, ...onPath, ...MAC_APPS].find((path) => path && isExecutable(path));
  if (!found) {
    throw new Error("There is no Chromium or Chrome on this machine: install one, or name it in CHROMIUM_PATH.");
  }
  return found;
}

/** Flags that keep the browser quiet: nothing in a test may depend on what a browser fetches for itself. */
export function chromiumFlags(): string[] {
  const flags = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-gpu",
  ];
  // Chromium's sandbox refuses to run as root, which is what containers are.
  return process.getuid?.() === 0 ? ["--no-sandbox", ...flags] : flags;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
