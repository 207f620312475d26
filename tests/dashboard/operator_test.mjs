// What an operator does with the dashboard, by keyboard where it can: finds what fails and runs it
// again, pauses a queue and reads why its task waits, drains a worker, loses the broker and gets it
// back.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';

import { scenario } from './scene.mjs';

scenario('what fails is found on the overview, read, redriven, and succeeds', async (scene) => {
  const ready = path.join(scene.folder, 'ready');
  scene.startWorker('checker', 'checks', '--allow-exec=/usr/bin/test');
  for (let i = 0; i < 3; ++i)
    scene.treadle('submit', '--queue=checks', '--attempts=1', '--', '/usr/bin/test', '-e', ready);

  const failing = scene.row('exec:/usr/bin/test fails in checks');
  await failing.waitFor();
  await scene.sees('thing needs attention');
  await scene.sees('3 dead letters');
  await scene.moveTo('j', failing);
  await scene.press('Enter');

  await scene.title('ExitStatus');
  await scene.page.locator('.error-text', { hasText: /exit status 1|ended with.*1|1/ }).waitFor();
  await scene.moveTo('Tab', scene.button('Redrive …'));
  await scene.press('Enter');
  const dialog = scene.page.getByRole('dialog');
  await dialog.waitFor();
  await scene.moveTo('Tab', dialog.getByRole('radio').first());
  await scene.press('ArrowDown');
  assert(await dialog.getByRole('radio', { name: 'All of this group' }).isChecked());
  assert(await dialog.getByLabel('At most a second').isVisible());
  await scene.moveTo('Tab', scene.button('Dry run'));
  await scene.press('Enter');
  await scene.sees('would redrive 3 dead letters; nothing was changed');
  assert.equal(scene.treadle('dead', 'list', 'checks', '-o', 'name').split('\n').length, 3);

  writeFileSync(ready, '');
  await scene.moveTo('Tab', scene.button('Redrive 3'));
  await scene.press('Enter');
  await scene.sees('3 dead letters submitted again');
  await scene.moveTo('Tab', scene.button('Close'));
  await scene.press('Enter', '/');
  await scene.page.keyboard.type('queue:checks state:succeeded');
  await scene.press('Enter');
  await scene.moveTo('j', scene.row('-'));
  await scene.press('Enter');
  await scene.page.locator('main h1 code').waitFor();
  await scene.page.locator('.page-head .state', { hasText: 'succeeded' }).waitFor();
  assert.equal(scene.treadle('dead', 'list', 'checks', '-o', 'name'), '');
});

scenario('a paused queue is what Explain says of its tasks', async (scene) => {
  scene.startWorker('echoer', 'echoes', '--allow-exec=/usr/bin/test');
  scene.treadle('queue', 'create', 'echoes');
  await scene.press('g', 'q');
  await scene.title('Queues');
  await scene.moveTo('j', scene.row('echoes'));
  await scene.press('Enter');
  await scene.title('echoes');
  await scene.moveTo('Tab', scene.button('Pause'));
  await scene.press('Enter');
  await scene.page.locator('.page-head .badge', { hasText: 'paused' }).waitFor();

  const id = scene.treadle('submit', '--queue=echoes', '--type=echo', '--payload={"n":1}');
  await scene.press('/');
  await scene.page.keyboard.type('queue:echoes state:queued');
  await scene.press('Enter');
  await scene.moveTo('j', scene.row(id));
  await scene.press('Enter');
  await scene.title(id);
  await scene.page.locator('.why code', { hasText: 'PAUSED' }).waitFor();
  await scene.moveTo('Tab', scene.button('Show'));
  await scene.press('Enter');
  await scene.page.locator('pre.content', { hasText: '"n": 1' }).waitFor();

  await scene.press('Control+k');
  await scene.page.keyboard.type('echoes');
  await scene.page.getByRole('option', { name: /^echoes/ }).waitFor();
  await scene.press('Enter');
  await scene.title('echoes');
  await scene.moveTo('Tab', scene.button('Resume'));
  await scene.press('Enter');
  await scene.go(`/tasks/${id}`);
  await scene.page.locator('.page-head .state', { hasText: 'succeeded' }).waitFor();
});

scenario('a worker is drained, and ends', async (scene) => {
  const worker = scene.startWorker('leaver', 'default', '--allow-exec=/usr/bin/test');
  await scene.press('g', 'w');
  await scene.moveTo('j', scene.row('leaver'));
  await scene.press('x');
  await scene.sees('1 row selected');
  await scene.moveTo('Shift+Tab', scene.button('Drain …'));
  await scene.press('Enter');
  await scene.moveTo('Tab', scene.button('Dry run'));
  await scene.press('Enter');
  await scene.sees('leaver, running 0 tasks');
  assert.equal(worker.exitCode, null);
  await scene.moveTo('Tab', scene.button('Drain 1'));
  await scene.press('Enter');
  await scene.sees('1 worker told to end');
  await scene.moveTo('Tab', scene.button('Close'));
  await scene.press('Enter');
  await scene.sees('No worker is attached');
});

scenario('a broker that is lost is told of, and comes back by itself', async (scene) => {
  scene.treadle('queue', 'create', 'kept');
  await scene.press('g', 'q');
  await scene.row('kept').waitFor();
  await scene.killBroker();
  await scene.page.getByRole('alert').filter({ hasText: 'The broker does not answer' }).waitFor();
  assert(await scene.row('kept').isVisible(), 'what it said last is still there');

  await scene.startBroker();
  await scene.page.getByRole('alert').waitFor({ state: 'detached' });
  scene.treadle('queue', 'create', 'new');
  await scene.row('new').waitFor();
});

scenario('a bound is changed, and no other with it', async (scene) => {
  scene.treadle('queue', 'create', 'mail', '--max-tasks=500');
  await scene.go('/queues/mail');
  await scene.button('Change').click();
  await scene.page.getByLabel('Tasks that may wait').fill('many');
  await scene.sees('Write numbers as 10k');
  assert(await scene.button('Save').isDisabled());
  await scene.page.getByLabel('Tasks that may wait').fill('20k');
  // Somebody else changes another one meanwhile.
  scene.treadle('queue', 'update', 'mail', '--dead-letters=7');
  await scene.button('Save').click();
  await scene.sees('mail has new bounds');
  await scene.sees('20,000');
  const [queue] = [JSON.parse(scene.treadle('queue', 'show', 'mail', '-o', 'json'))].flat();
  assert.equal(queue.config.max_tasks, 20_000);
  assert.equal(queue.config.dead_letters.max_tasks, 7);
});

scenario('what no worker runs may fail after a while', async (scene) => {
  const after = () =>
    Number(
      [JSON.parse(scene.treadle('queue', 'show', 'mail', '-o', 'json'))].flat()[0].config
        .fail_unserved_after_ms,
    );
  scene.treadle('queue', 'create', 'mail');
  await scene.go('/queues/mail');
  await scene.sees('ever: it waits');
  await scene.button('Change').click();
  await scene.page.getByLabel('Fails what no worker could run for').fill('10 min');
  await scene.button('Save').click();
  await scene.sees('mail has new bounds');
  assert.equal(after(), 600_000);

  await scene.button('Change').click();
  await scene.page.getByLabel('Fails what no worker could run for').fill('0 ms');
  await scene.button('Save').click();
  await scene.sees('ever: it waits');
  assert.equal(after(), 0);
});

scenario('a circuit breaker is set, shown and taken away', async (scene) => {
  const breaker = () =>
    [JSON.parse(scene.treadle('queue', 'show', 'mail', '-o', 'json'))].flat()[0].config
      .circuit_breaker;
  scene.treadle('queue', 'create', 'mail');
  await scene.go('/queues/mail');
  await scene.button('Change breaker').click();
  await scene.page.getByLabel('Pauses the queue when of a hundred attempts').fill('50');
  await scene.page.getByLabel('That have ended within').fill('2 min');
  await scene.page.getByLabel('And resumes it after').fill('5 min');
  await scene.button('Save').click();
  await scene.sees('mail has a circuit breaker');
  await scene.sees('50 have failed');
  assert.deepEqual([breaker().failure_percent, breaker().min_attempts].map(Number), [50, 20]);
  assert.deepEqual(
    [breaker().window_ms, breaker().resume_after_ms].map(Number),
    [120_000, 300_000],
  );

  await scene.button('Change breaker').click();
  await scene.page.getByLabel('Of at least so many attempts').fill('10');
  // Somebody else changes the queue meanwhile.
  scene.treadle('queue', 'update', 'mail', '--breaker=70');
  await scene.button('Save').click();
  await scene.sees('somebody has changed it since');
  assert.equal(Number(breaker().failure_percent), 70);

  await scene.sees('70 have failed');
  await scene.button('Change breaker').click();
  await scene.page.getByLabel('Pauses the queue when of a hundred attempts').fill('0');
  await scene.button('Save').click();
  await scene.sees('mail has no circuit breaker');
  assert.equal(breaker(), null);
});
