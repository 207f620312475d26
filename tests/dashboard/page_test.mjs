// How the page itself behaves: what it asks and when, its addresses, rows, files and buttons.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';

import { scenario, waitUntil } from './scene.mjs';

scenario('j and k go through what needs attention, and stop at its ends', async (scene) => {
  for (const name of ['a', 'b', 'c']) {
    scene.treadle('queue', 'create', name);
    scene.treadle('queue', 'pause', name);
  }
  await scene.row('c is paused').waitFor();
  const focused = () => scene.page.evaluate(() => document.activeElement.textContent);
  const expected = { j: ['a', 'b', 'c', 'c'], k: ['b', 'a', 'a'] };
  for (const key of ['j', 'k']) {
    for (const name of expected[key]) {
      await scene.press(key);
      assert.equal(await focused(), `${name} is paused`);
    }
  }
});

scenario('nothing is asked while the tab is hidden, or the refresh is off', async (scene) => {
  const { page } = scene;
  await page.clock.install();
  await scene.go('/queues');
  await scene.sees('There are no queues yet');
  // From here on the page's timers go off when they are told to.
  await page.clock.pauseAt(Date.now() + 3_600_000);
  const asksFor = (what) => page.waitForRequest((request) => request.url().endsWith(what));
  const asks = (cause) => Promise.all([asksFor('/ListQueues'), asksFor('/GetServerInfo'), cause()]);
  const hide = (hidden) =>
    page.evaluate((value) => {
      Object.defineProperty(document, 'hidden', { value, configurable: true });
      document.dispatchEvent(new Event('visibilitychange'));
    }, hidden);
  const rests = async () => {
    let asked = 0;
    const count = (request) => (asked += Number(request.method() === 'POST'));
    page.on('request', count);
    await page.clock.fastForward('10:00');
    // A call that is made now is told of after all that the timers made.
    await Promise.all([asksFor('/end'), page.evaluate(() => void fetch('/end'))]);
    page.off('request', count);
    return asked === 0;
  };

  await page.waitForLoadState('networkidle');
  await asks(() => page.clock.fastForward('00:05'));
  await hide(true);
  assert(await rests(), 'hidden');
  await asks(() => hide(false));
  await asks(() => page.getByLabel('Refresh').selectOption('off'));
  assert(await rests(), 'off');
  await page.getByLabel('Refresh').blur();
  await asks(() => scene.press('r'));
});

scenario('back, forward and a copied address show the same', async (scene) => {
  for (const name of ['a', 'b', 'c']) scene.treadle('queue', 'create', name);
  await scene.go('/queues?sort=-name&filter=b');
  await scene.row('b').waitFor();
  assert.equal(await scene.page.locator('tbody tr').count(), 1);
  await scene.page.getByRole('searchbox', { name: 'Filter by name' }).fill('');
  await scene.row('c').waitFor();
  const names = await scene.page.locator('.row-link').allTextContents();
  assert.deepEqual(names, ['c', 'b', 'a']);
  await scene.row('a').click();
  await scene.title('a');
  await scene.page.goBack();
  await scene.title('Queues');
  await scene.page.goForward();
  await scene.title('a');
});

scenario('charts ask for what is new, of an hour or a day as the address says', async (scene) => {
  const { page } = scene;
  const asked = [];
  page.on('request', (request) => {
    if (request.url().endsWith('/GetCharts')) asked.push(request.postDataJSON());
  });
  const asks = (what, condition) => waitUntil(() => asked.some(condition), what);
  scene.treadle('submit', '--queue=mail', '--type=letter');
  await page.getByRole('img', { name: /^Tasks: ready 1, running 0/ }).waitFor();
  await asks('a question with a cursor', ({ afterMs }) => afterMs > 0);
  await page.getByLabel('The last').selectOption('day');
  await page.waitForURL('**/?charts=day');
  await asks('a question about the day', ({ span }) => span === 'CHART_SPAN_DAY');
  await page.reload();
  await page.getByLabel('The last').waitFor();
  assert.equal(await page.getByLabel('The last').inputValue(), 'day');
});

scenario('the system page says how store and memory do', async (scene) => {
  scene.treadle('submit', '--queue=mail', '--type=letter', '--payload={"n":12345678}');
  await scene.go('/system');
  const fact = (name, says) =>
    scene.page.locator('.fact', { hasText: name }).locator('dd', { hasText: says }).waitFor();
  await fact('Syncs of the disk', /^half within \d+ ms, 99 % within .*; the last one took/);
  await fact('Requests in a turn', /^\d+ on average, 99 % at most \d+$/);
  await fact('Rows of a turn', /^[\d.]+ (B|KiB) on average, 99 % at most/);
  await fact('Resident', /MiB$/);
  await fact('Payloads kept at hand', /^\d+ B of 256 MiB$/);
  await fact('Received, not taken yet', /^\d+ B of .* for each lane$/);
});

scenario('tasks are searched in the words of the broker', async (scene) => {
  scene.treadle('queue', 'create', 'mail');
  const submit = (type) => scene.treadle('submit', '--queue=mail', `--type=${type}`);
  const [letter, parcel] = [submit('letter'), submit('parcel')];
  await scene.press('/');
  await scene.page.keyboard.type('queue:mail -type:parcel');
  await scene.press('Enter');
  await scene.row(letter).waitFor();
  assert.equal(await scene.row(parcel).count(), 0);
  const command = await scene.button('Copy as command').getAttribute('title');
  assert.equal(command, "treadle task list 'queue:mail -type:parcel' --all");

  await scene.page.getByRole('navigation', { name: 'States' }).getByText('cancelled').click();
  await scene.sees('No task matches');
  const box = scene.page.getByRole('combobox', { name: 'Search for tasks' });
  assert.equal(await box.inputValue(), 'queue:mail -type:parcel state:cancelled');
  await scene.go('/tasks?q=queu:mail');
  await scene.sees("unknown field 'queu': did you mean 'queue'?");

  await scene.press('/');
  await box.fill(parcel);
  await scene.press('Enter');
  await scene.title(parcel);
});

scenario('dead letters are searched, and what is found is acted on alone', async (scene) => {
  const programs = ['/usr/bin/false', '/usr/bin/test'];
  scene.startWorker('checker', 'checks', ...programs.map((program) => `--allow-exec=${program}`));
  const submit = (program) =>
    scene.treadle('submit', '--queue=checks', '--attempts=1', '--', program);
  const [one, other] = programs.map(submit);
  await scene.go('/dead/checks/all');
  await scene.row(one).waitFor();
  await scene.row(other).waitFor();
  await scene.page
    .getByRole('combobox', { name: 'Search these dead letters' })
    .fill('type~FALSE attempts:1');
  await scene.press('Enter');
  await scene.row(other).waitFor({ state: 'detached' });
  await scene.button('Delete …').click();
  await scene.page.getByLabel('All that the filter takes').check();
  await scene.button('Delete all').click();
  await scene.sees('1 dead letter deleted');
  assert.equal(scene.treadle('dead', 'list', 'checks', '-o', 'name'), other);
});

scenario('all that a search finds is cancelled by a job of the broker', async (scene) => {
  const submit = (type, ...more) =>
    scene.treadle('submit', '--queue=mail', `--type=${type}`, ...more);
  const letter = submit('letter', '--header', 'tenant=acme');
  const other = submit('letter');
  await scene.go('/tasks?q=type:letter header.tenant:acme sort:-age');
  await scene.row(letter).waitFor();
  await scene.button('Cancel …').click();
  await scene.page.getByLabel('All that the search finds').check();
  await scene.page.getByLabel('At most a second').fill('100');
  await scene.button('Dry run').click();
  await scene.sees('This would cancel 1 task');
  await scene.button('Cancel 1').click();
  await scene.sees('1 task cancelled');
  assert.equal(scene.treadle('task', 'list', '-o', 'name'), other);
  await scene.go('/system');
  await scene.sees('type:letter header.tenant:acme');
});

scenario('what a filter shows is saved as CSV', async (scene) => {
  scene.treadle('queue', 'create', 'mail');
  scene.treadle('queue', 'create', 'other');
  await scene.go('/queues?filter=mail');
  await scene.row('mail').waitFor();
  const download = scene.page.waitForEvent('download');
  await scene.button('CSV').click();
  const stream = await (await download).createReadStream();
  let text = '';
  for await (const chunk of stream) text += chunk;
  const [names, row, end] = text.split('\r\n');
  assert.match(names, /^config\.name,.*stats\.queued/);
  assert.match(row, /^mail,DISCIPLINE_FIFO,/);
  assert.equal(end, '');
});

scenario(
  'a broker that allows no actions has no buttons for them',
  async (scene) => {
    scene.treadle('queue', 'create', 'mail');
    await scene.go('/queues/mail');
    await scene.sees('Tasks that may wait');
    for (const name of ['Pause', 'Purge …', 'Delete …', 'Change'])
      assert.equal(await scene.page.getByRole('button', { name, exact: true }).count(), 0, name);
  },
  { flags: [] },
);

scenario(
  'ten thousand queues are a page of a hundred, and are filtered at once',
  async (scene) => {
    // One call makes them all, each by its first task.
    const lines = Array.from({ length: 9_990 }, (_, i) =>
      JSON.stringify({ type: 't', queue: `tenant-${String(i).padStart(5, '0')}` }),
    );
    const batch = path.join(scene.folder, 'batch.jsonl');
    writeFileSync(batch, lines.join('\n'));
    scene.treadle('submit', '--batch', batch, '-o', 'quiet');
    await scene.go('/queues?sort=-name');
    await scene.row('tenant-09989').waitFor();
    assert.equal(await scene.page.locator('tbody tr').count(), 100);
    await scene.page.getByRole('searchbox', { name: 'Filter by name' }).fill('04321');
    await scene.row('tenant-04321').waitFor();
    assert.equal(await scene.page.locator('tbody tr').count(), 1);
    await scene.sees('1 queue of 9,990');
  },
  { flags: ['--queues-max=12000'] },
);
