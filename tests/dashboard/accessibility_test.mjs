// axe-core finds nothing on any page, light and dark, and in the dialogs.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { LIMIT_MS, Scene, axeSource, waitUntil } from './scene.mjs';

// What axe finds, as 'where: rule: what it is: in which elements'.
async function check(scene, where) {
  // Evaluated from outside, which the page's policy says nothing about.
  await scene.page.evaluate(axeSource);
  const { violations } = await scene.page.evaluate(() => window.axe.run());
  return violations.map(
    ({ id, help, nodes }) =>
      `${where}: ${id}: ${help}: ${nodes
        .map(({ html }) => html)
        .slice(0, 3)
        .join(' | ')}`,
  );
}

// Something of everything: what runs, waits, failed, is paused.
async function fill(scene) {
  scene.startWorker(
    'checker',
    'checks',
    '--allow-exec=/usr/bin/test',
    '--allow-exec=/usr/bin/sleep',
  );
  const submit = (queue, ...words) =>
    scene.treadle('submit', `--queue=${queue}`, '--attempts=1', ...words);
  const failed = submit('checks', '--', '/usr/bin/test', '-e', '/nonexistent');
  submit('checks', '--', '/usr/bin/sleep', '600');
  const waiting = submit('nobody', '--type=report', '--payload={"n":1}');
  scene.treadle('queue', 'create', 'still');
  scene.treadle('queue', 'pause', 'still');
  const letters = () => scene.treadle('dead', 'list', 'checks', '-o', 'name');
  await waitUntil(() => letters() === failed, 'a task to fail');
  const groups = JSON.parse(scene.treadle('dead', 'groups', '-o', 'json'));
  const workers = JSON.parse(scene.treadle('worker', 'list', '-o', 'json'));
  return [
    '/',
    '/queues',
    '/queues/checks',
    '/tasks',
    '/tasks?q=what:is',
    `/tasks/${failed}`,
    `/tasks/${waiting}`,
    '/dead',
    `/dead/checks/${groups[0].group}`,
    '/workers',
    `/workers/${workers[0].worker_id}`,
    '/system',
    '/queues/no/such/page',
  ];
}

for (const colorScheme of ['light', 'dark']) {
  test(
    `every page, ${colorScheme}`,
    async () => {
      const scene = await Scene.open({ colorScheme });
      const found = [];
      try {
        const pages = await fill(scene);
        for (const address of pages) {
          await scene.go(address);
          await waitUntil(async () => !(await scene.page.getByText('Loading …').count()), address);
          found.push(...(await check(scene, address)));
        }
        await scene.go('/dead');
        await scene.press('?');
        await scene.page.getByRole('dialog').waitFor();
        found.push(...(await check(scene, 'the keys')));
        await scene.press('Escape', 'Control+k');
        await scene.page.getByRole('combobox', { name: 'Page, queue, worker or task' }).waitFor();
        found.push(...(await check(scene, 'the palette')));
        await scene.press('Escape');
        await scene.row('ExitStatus').click();
        await scene.button('Redrive …').click();
        await scene.button('Dry run').click();
        await scene.sees('nothing was changed');
        found.push(...(await check(scene, 'an action')));
        assert.deepEqual([...found, ...scene.complaints], []);
      } finally {
        await scene.close();
      }
    },
    { timeout: 5 * LIMIT_MS },
  );
}
