// A broker, a worker and a browser for one test, and what a test does with them. The programs are
// looked for where TREADLE_BIN says, the packages where NODE_PATH does.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';

import { launchBrowser, require } from './browser.mjs';

export const axeSource = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

const BIN = path.resolve(process.env.TREADLE_BIN ?? 'build/default/bin');

// How long anything may take on a slow and busy machine. Nothing waits this long when all is well.
export const LIMIT_MS = 60_000;

export async function waitUntil(condition, what) {
  const end = Date.now() + LIMIT_MS;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > end) throw new Error(`waited ${LIMIT_MS} ms in vain for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

// One broker with its HTTP port, the workers that a test starts, and a page that shows the
// dashboard. All of it ends with `close`, or with this process.
export class Scene {
  folder = mkdtempSync(path.join(tmpdir(), 'treadle-dashboard-'));
  flags = [];
  children = new Set();

  static async open({ flags = ['--dashboard-actions'], ...browser } = {}) {
    const scene = new Scene();
    scene.flags = flags;
    try {
      await scene.startBroker();
      await scene.openPage(browser);
    } catch (error) {
      await scene.close();
      throw error;
    }
    return scene;
  }

  async close() {
    await this.browser?.close();
    await Promise.all([...this.children].map((child) => end(child, 'SIGKILL')));
    rmSync(this.folder, { recursive: true, force: true });
  }

  start(name, ...args) {
    const log = openSync(path.join(this.folder, `${name}.log`), 'a');
    const command = ['--pdeathsig', 'KILL', path.join(BIN, name), ...args];
    const child = spawn('setpriv', command, { stdio: ['ignore', log, log] });
    this.children.add(child);
    child.once('exit', () => this.children.delete(child));
    return child;
  }

  // Again on the same ports once it has been there: a browser comes back to the same address.
  async startBroker() {
    const files = ['port', 'http-port'].map((name) => path.join(this.folder, name));
    files.forEach((file) => rmSync(file, { force: true }));
    this.broker = this.start(
      'treadle-server',
      `--data-dir=${this.folder}/data`,
      `--listen=127.0.0.1:${this.port ?? 0}`,
      `--port-file=${files[0]}`,
      `--http-listen=127.0.0.1:${this.httpPort ?? 0}`,
      `--http-port-file=${files[1]}`,
      ...this.flags,
    );
    [this.port, this.httpPort] = await Promise.all(files.map((file) => this.readPort(file)));
  }

  readPort(file) {
    return waitUntil(() => {
      if (this.broker.exitCode !== null)
        throw new Error(`no broker: ${this.logOf('treadle-server')}`);
      return existsSync(file) && Number(readFileSync(file, 'utf8'));
    }, `the broker to write ${file}`);
  }

  logOf(name) {
    return readFileSync(path.join(this.folder, `${name}.log`), 'utf8').slice(-2_000);
  }

  killBroker() {
    return end(this.broker, 'SIGKILL');
  }

  startWorker(name, queue, ...flags) {
    const broker = `--broker=127.0.0.1:${this.port}`;
    return this.start('treadle-worker', broker, `--name=${name}`, `--queue=${queue}`, ...flags);
  }

  // What the command line prints.
  treadle(...args) {
    const env = { ...process.env, TREADLE_BROKER: `127.0.0.1:${this.port}` };
    const options = { env, encoding: 'utf8', timeout: LIMIT_MS };
    return execFileSync(path.join(BIN, 'treadle'), args, options).trim();
  }

  async openPage({ colorScheme = 'light', viewport = { width: 1280, height: 900 } } = {}) {
    this.browser = await launchBrowser();
    const context = await this.browser.newContext({ colorScheme, viewport, acceptDownloads: true });
    context.setDefaultTimeout(LIMIT_MS);
    this.page = await context.newPage();
    // Whatever the page complains of is a failure of its own: a broken policy, a lost promise.
    this.complaints = [];
    this.page.on('pageerror', (error) => this.complaints.push(error.message));
    this.page.on('console', (message) => {
      const lost = message.text().includes('Failed to load resource');
      if (message.type() === 'error' && !lost) this.complaints.push(message.text());
    });
    await this.go('/');
  }

  async go(address) {
    await this.page.goto(`http://127.0.0.1:${this.httpPort}${address}`);
    await this.page.locator('main h1').waitFor();
  }

  // Waits for a text anywhere on the page.
  sees(text) {
    return this.page.getByText(text).first().waitFor();
  }

  title(text) {
    return this.page.locator('main h1', { hasText: text }).waitFor();
  }

  press(...keys) {
    return keys.reduce(
      (before, key) => before.then(() => this.page.keyboard.press(key)),
      Promise.resolve(),
    );
  }

  // Moves the focus by `key` until it is on what matches; a person would look where it is, too.
  async moveTo(key, locator) {
    await locator.waitFor();
    for (let pressed = 0; pressed < 200; ++pressed) {
      if (await locator.evaluate((element) => element === document.activeElement)) return;
      await this.press(key);
    }
    throw new Error(`${key} does not lead to ${locator}`);
  }

  row(text) {
    return this.page.locator('main .row-link', { hasText: text }).first();
  }

  button(name) {
    return this.page.getByRole('button', { name }).first();
  }
}

function end(child, signal) {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill(signal);
  return ended;
}

// Runs a test in a scene of its own; at its end the browser must have had nothing to complain of.
export function scenario(name, run, options) {
  test(name, async () => {
    const scene = await Scene.open(options);
    try {
      await run(scene);
      assert.deepEqual(scene.complaints, []);
    } finally {
      await scene.close();
    }
  });
}
