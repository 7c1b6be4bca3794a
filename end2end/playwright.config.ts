import { defineConfig } from "@playwright/test";
import { chromiumFlags, chromiumPath } from "./harness/chromium.ts";

// One demo, so one worker; the files run in the order of their names.
export default defineConfig({
  testDir: "tests",
  outputDir: "test-results",
  workers: 1,
  fullyParallel: false,
  forbidOnly: Boolean(process.env.CI),
  // A flaky test is a bug, of the test or of the product: nothing is tried again.
  retries: 0,
  timeout: 90_000,
  expect: { timeout: 10_000 },
  reporter: [["list"]],
  use: {
    baseURL: process.env.KING_URL,
    browserName: "chromium",
    colorScheme: "dark",
    locale: "en-GB",
    screenshot: "only-on-failure",
    launchOptions: { executablePath: chromiumPath(), args: chromiumFlags() },
  },
});
