// Who may press a button: the presenter, from the show's own page, and nobody else.

import { request } from "@playwright/test";
import { PASSCODE, URL_OF_DEMO } from "../harness/demo.ts";
import { picture } from "../harness/picture.ts";
import { Show } from "../harness/show.ts";
import { expect, test } from "../harness/test.ts";

const PRESENT = `${URL_OF_DEMO}/api/present`;
/** A command that would show at once if it were carried out. */
const HOT_PARTITION = { command: { Hot: { partition: 3 } } };

async function hotPartition(): Promise<number | undefined> {
  return (await picture()).snapshot.load?.hot?.partition;
}

test("a stranger sees no button of the presenter", async ({ show }) => {
  await show.open();
  await show.untilLive();
  await expect(show.commands).toHaveCount(0);
});

test("a stranger's forged call is refused", async ({ known: _ }) => {
  const stranger = await request.newContext({ extraHTTPHeaders: { origin: URL_OF_DEMO } });
  expect((await stranger.post(PRESENT, { data: HOT_PARTITION })).status()).toBe(403);
  const forged = await request.newContext({
    extraHTTPHeaders: { origin: URL_OF_DEMO, cookie: "king-presenter=1; presenter=true; role=presenter" },
  });
  expect((await forged.post(PRESENT, { data: HOT_PARTITION })).status()).toBe(403);
  expect(await hotPartition()).toBeUndefined();
});

test("the presenter's cookie is refused to a page of another origin", async ({ known: _, presenter }) => {
  const cookies = await presenter.page.context().cookies();
  const cookie = cookies.map(({ name, value }) => `${name}=${value}`).join("; ");
  for (const origin of ["https://evil.example", "http://127.0.0.1:1", "null"]) {
    const other = await request.newContext({ extraHTTPHeaders: { origin, cookie } });
    expect((await other.post(PRESENT, { data: HOT_PARTITION })).status(), `Origin ${origin}`).toBe(403);
    await other.dispose();
  }
  expect(await hotPartition()).toBeUndefined();
  // The same call from the show's own origin is the presenter's: it was the origin that was refused.
  const own = await request.newContext({ extraHTTPHeaders: { origin: URL_OF_DEMO, cookie } });
  expect((await own.post(PRESENT, { data: { command: { Hot: { partition: null } } } })).status()).toBe(200);
});

test("the presenter's cookie is out of a script's reach", async ({ presenter }) => {
  const cookies = await presenter.page.context().cookies();
  expect(cookies.length).toBeGreaterThan(0);
  for (const cookie of cookies) {
    expect(cookie.httpOnly, cookie.name).toBe(true);
    expect(["Strict", "Lax"], cookie.name).toContain(cookie.sameSite);
  }
  expect(presenter.page.url()).not.toContain(PASSCODE);
});

test("no action is taken by a GET", async ({ presenter }) => {
  for (const action of ["present", "sign_in", "sign_out", "join", "tap"]) {
    const answer = await presenter.page.request.get(`${URL_OF_DEMO}/api/${action}`);
    expect([404, 405], action).toContain(answer.status());
  }
});

test("a wrong passcode makes a stranger wait, and not the presenter behind the same address", async ({
  show,
  presenter,
}) => {
  await presenter.signOut();
  await show.open();
  await show.untilLive();
  await show.enterPasscode("a guess");
  await expect(show.signInProblem).toBeVisible();
  await show.enterPasscode(PASSCODE);
  await expect(show.signInProblem).toHaveText(/Too many attempts/);
  await expect(show.commands).toHaveCount(0);
  await presenter.signIn();
  // A second later the stranger may try again.
  await expect(async () => {
    await show.enterPasscode(PASSCODE);
    await expect(show.commands.first()).toBeVisible({ timeout: 2_000 });
  }).toPass();
});

test("signing out takes the buttons away", async ({ presenter }) => {
  await presenter.signOut();
  await expect(presenter.commands).toHaveCount(0);
  const again = new Show(await presenter.page.context().newPage());
  await again.open();
  await again.untilLive();
  await expect(again.commands).toHaveCount(0);
});
