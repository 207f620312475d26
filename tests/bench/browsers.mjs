// Browsers that operators.py has look at the dashboard, each with one page at a time.
//
//   node browsers.mjs ADDRESS COUNT
//
// takes commands from standard input, a line of JSON each, and answers each with one:
//
//   {"visit": PATH, "times": N}   the first browser loads the page so often, and then nothing.
//                                 [{"shownMs": from the navigation to when all of the page's lists
//                                 are there, "calls": the calls that it made}]
//   {"open": [PATH, ...]}         each browser shows one of these, and asks again each second
//   {"close": true}               they show nothing. The calls since "open", in their order
//
// A call is {"page": number, "atMs": since "open", "url", "headers", "body", "tookMs"}.
import { createInterface } from 'node:readline';

import { launchBrowser } from '../dashboard/browser.mjs';

const REFRESH_SECONDS = 1;
const LIMIT_MS = 60_000;

const [address, count] = process.argv.slice(2);
const browsers = await Promise.all(Array.from({ length: Number(count) }, launchBrowser));
let shown = [];

// Runs in the page, before its own scripts.
function watch(refreshSeconds) {
  localStorage.setItem('treadle', JSON.stringify({ refreshSeconds, theme: 'light' }));
  const look = () => {
    const main = document.querySelector('main');
    if (!main?.querySelector('h1') || main.textContent.includes('Loading …')) return;
    window.shownAtMs ??= performance.now();
  };
  new MutationObserver(look).observe(document, { childList: true, subtree: true });
}

async function until(condition, what) {
  const end = Date.now() + LIMIT_MS;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > end) throw new Error(`waited ${LIMIT_MS} ms in vain for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

// A page that has not been anywhere, and the calls that it makes.
class Shown {
  calls = [];
  underWay = 0;

  static async of(browser, number, refreshSeconds) {
    const self = new Shown();
    self.context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
    await self.context.addInitScript(watch, refreshSeconds);
    self.page = await self.context.newPage();
    self.page.setDefaultTimeout(LIMIT_MS);
    self.page.on('request', (request) => (self.underWay += isCall(request)));
    self.page.on('requestfailed', (request) => (self.underWay -= isCall(request)));
    self.page.on('requestfinished', (request) => {
      if (!isCall(request)) return;
      self.underWay -= 1;
      const { startTime, requestStart, responseEnd } = request.timing();
      self.calls.push({
        page: number,
        atMs: startTime,
        url: new URL(request.url()).pathname,
        headers: request.headers(),
        body: request.postData() ?? '',
        tookMs: responseEnd - requestStart,
      });
    });
    return self;
  }

  // Until all is there, and whatever follows from it.
  async load(path) {
    await this.page.goto(`http://${address}${path}`);
    const shownMs = await until(() => this.page.evaluate(() => window.shownAtMs), path);
    await until(() => this.underWay === 0, `the calls of ${path}`);
    return shownMs;
  }
}

const isCall = (request) => Number(request.method() === 'POST');

async function visit(path, times) {
  const visits = [];
  for (let i = 0; i < times; ++i) {
    const one = await Shown.of(browsers[0], 0, 0);
    const shownMs = await one.load(path);
    await one.context.close();
    visits.push({ shownMs, calls: one.calls });
  }
  return visits;
}

async function open(paths) {
  shown = await Promise.all(browsers.map((each, i) => Shown.of(each, i, REFRESH_SECONDS)));
  await Promise.all(shown.map((each, i) => each.load(paths[i % paths.length])));
  for (const each of shown) each.calls = [];
  shown.since = Date.now();
}

async function close() {
  const calls = shown.flatMap((each) => each.calls);
  for (const call of calls) call.atMs -= shown.since;
  await Promise.all(shown.map((each) => each.context.close()));
  return calls.filter(({ atMs }) => atMs >= 0).sort((a, b) => a.atMs - b.atMs);
}

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  const answer = command.visit
    ? await visit(command.visit, command.times)
    : command.open
      ? await open(command.open)
      : await close();
  process.stdout.write(`${JSON.stringify(answer ?? null)}\n`);
}
await Promise.all(browsers.map((each) => each.close()));
