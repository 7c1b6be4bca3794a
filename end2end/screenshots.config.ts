import { defineConfig } from "@playwright/test";
import tests from "./playwright.config.ts";

// The pictures in docs/screenshots: taken from a demo like the tests' one, on purpose, not as a test.
export default defineConfig({ ...tests, testDir: "screenshots", testMatch: "*.shot.ts", timeout: 600_000 });
