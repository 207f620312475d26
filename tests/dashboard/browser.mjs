// The browser of the dashboard's tests and of its measures: Debian's Chromium, without a window.
import { createRequire } from 'node:module';
import { resolve } from 'node:path';

// Of the packages that package.json names, which are where NODE_PATH says.
export const require = createRequire(`${resolve(process.env.NODE_PATH ?? '.')}/`);
const { chromium } = require('playwright-core');

export function launchBrowser() {
  return chromium.launch({
    executablePath: process.env.TREADLE_CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}
