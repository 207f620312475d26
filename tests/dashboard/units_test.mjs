// The dashboard's rules that need no browser: what JSON leaves out, the words of a search, numbers
// and times, actions on many things.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';

const sources = fileURLToPath(new URL('../../server/dashboard', import.meta.url));
const folder = mkdtempSync(path.join(tmpdir(), 'treadle-units-'));
after(() => rmSync(folder, { recursive: true, force: true }));

async function load(name) {
  const outfile = path.join(folder, `${path.basename(name)}.mjs`);
  const flags = ['--bundle', '--format=esm', '--log-level=warning', `--outfile=${outfile}`];
  execFileSync('esbuild', [path.join(sources, `${name}.ts`), ...flags]);
  return import(pathToFileURL(outfile));
}

test('what JSON leaves out is there, and 64 bits are numbers', async () => {
  const { decode } = await load('wire');
  const shapes = {
    Queue: {
      name: 'string',
      state: 'STATE_NONE',
      stats: '?Stats',
      tags: '[]string',
      paused: 'boolean',
    },
    Stats: { queued: 'number', rates: '[]number' },
  };
  assert.deepEqual(decode(shapes, 'Queue', {}), {
    name: '',
    state: 'STATE_NONE',
    stats: undefined,
    tags: [],
    paused: false,
  });
  const stats = { queued: '9007199254740991', rates: ['1', 2.5] };
  assert.deepEqual(decode(shapes, 'Queue', { stats }).stats, {
    queued: 9007199254740991,
    rates: [1, 2.5],
  });
});

test('the words of a search', async () => {
  const { parseSearch, searchText } = await load('search');
  const search = parseSearch('queue:"my mail" state:failed state:queued type:resize');
  assert.equal(search.queue, 'my mail');
  assert.deepEqual(search.states, ['failed', 'queued']);
  assert.equal(search.type, 'resize');
  assert.equal(search.problem, undefined);
  assert.equal(parseSearch('cnsef1k6a7-1k9').id, 'cnsef1k6a7-1k9');
  assert.match(parseSearch('state:done').problem, /No state is "done"/);
  assert.match(parseSearch('colour:red').problem, /colour:red.*not understood/);
});

test('a search comes back from its words, whatever is in a name', async () => {
  const { parseSearch, searchText } = await load('search');
  for (const queue of ['mail', 'my mail', 'a"b', 'back\\slash "and" more', 'x:y'])
    assert.equal(parseSearch(searchText({ queue })).queue, queue);
});

test('numbers, sizes and times for people', async () => {
  const { bytes, counted, duration, shellWord } = await load('format');
  assert.deepEqual([0, 1023, 1536, 4 * 2 ** 30].map(bytes), ['0 B', '1023 B', '1.5 KiB', '4 GiB']);
  assert.deepEqual([0, 999, 4_200, 59_000, 185_000, 11_100_000, 1_209_600_000].map(duration), [
    '0 ms',
    '999 ms',
    '4.2 s',
    '59 s',
    '3 min 5 s',
    '3 h 5 min',
    '14 d',
  ]);
  assert.equal(counted(1, 'task'), '1 task');
  assert.equal(counted(2_000, 'task'), '2,000 tasks');
  assert.equal(shellWord('plain/word'), 'plain/word');
  assert.equal(shellWord("it's $HOME"), `'it'\\''s $HOME'`);
});

test('what people type for a bound', async () => {
  const { BYTE_UNITS, COUNT_UNITS, TIME_UNITS, parseAmount } = await load('format');
  assert.equal(parseAmount('10k', COUNT_UNITS), 10_000);
  assert.equal(parseAmount('1.5 GiB', BYTE_UNITS), 1.5 * 2 ** 30);
  assert.equal(parseAmount('14 d', TIME_UNITS), 14 * 86_400_000);
  assert.equal(parseAmount('many', COUNT_UNITS), undefined);
  assert.equal(parseAmount('5 parsecs', TIME_UNITS), undefined);
});

// An action that notes what it was asked, and refuses 13.
function noting() {
  const asked = [];
  const act = async (items, values) => {
    asked.push({ items, values });
    return items.map((item) => (item === 13 ? { problem: 'unlucky' } : {}));
  };
  return { asked, action: { kind: (item) => (item % 2 ? 'odd' : 'even'), act } };
}

test('an action goes through all pages, and counts what was refused', async () => {
  const { run, here } = await load('actions/bulk');
  const { asked, action } = noting();
  const items = Array.from({ length: 250 }, (_, i) => i);
  let last;
  const tell = (progress) => (last = progress);
  await run(action, here('all', 'All', items), { reason: 'r' }, tell, new AbortController().signal);
  assert.deepEqual(
    asked.map((call) => call.items.length),
    [100, 100, 50],
  );
  assert.deepEqual(asked[0].values, { reason: 'r' });
  assert.equal(last.seen, 250);
  assert.equal(last.done, 249);
  assert.deepEqual([...last.refused], [['unlucky', 1]]);
});

test('a dry run counts and does nothing', async () => {
  const { run, here } = await load('actions/bulk');
  const { asked, action } = noting();
  let last;
  const tell = (progress) => (last = progress);
  const { signal } = new AbortController();
  await run(action, here('all', 'All', [1, 2, 3]), undefined, tell, signal);
  assert.equal(asked.length, 0);
  assert.deepEqual(
    [...last.kinds],
    [
      ['odd', 2],
      ['even', 1],
    ],
  );
});

test('an action that is stopped says how far it came', async () => {
  const { run, here } = await load('actions/bulk');
  const { action } = noting();
  const abort = new AbortController();
  let last;
  const tell = (progress) => {
    last = progress;
    abort.abort();
  };
  const items = Array.from({ length: 250 }, (_, i) => i);
  await assert.rejects(run(action, here('all', 'All', items), {}, tell, abort.signal));
  assert.equal(last.seen, 100);
});

test('one call that fails is told beside those that did not', async () => {
  const { eachOf } = await load('actions/bulk');
  const results = await eachOf([1, 2, 3], async (item) => {
    if (item === 2) throw new Error('no');
  });
  assert.deepEqual(results, [{}, { problem: 'no' }, {}]);
});

// A queue as the broker tells of it, with nothing to say about it but what is given.
function queueOf(name, { stats, ...rest } = {}) {
  const config = { name, maxTasks: 100, maxBytes: 1_000 };
  const counts = { queued: 0, scheduled: 0, waitingBytes: 0, waitingSubmitters: 0, oldestAgeMs: 0 };
  return { config, stats: { ...counts, ...stats }, paused: false, closed: false, ...rest };
}

const NOW_MS = 1_800_000_000_000;

async function titles(known) {
  const { findAttention } = await load('attention');
  return findAttention({ nowMs: NOW_MS, ...known }).map(({ level, title }) => `${level}: ${title}`);
}

test('what is well needs no attention', async () => {
  const queues = [
    queueOf('mail', { stats: { queued: 99, waitingBytes: 999, oldestAgeMs: 59_000 } }),
  ];
  const workers = [{ workerId: 'w', name: 'w', connected: true, draining: false }];
  const groups = [{ queue: 'mail', group: 'g', count: 3, lastAtMs: NOW_MS - 3_600_000 }];
  assert.deepEqual(await titles({ queues, workers, groups, server: { diskHungMs: 0 } }), []);
});

test('what needs attention, the bad before what may be meant so', async () => {
  const queues = [
    queueOf('still', { paused: true, stats: { queued: 1, oldestAgeMs: 90_000 } }),
    queueOf('shut', { closed: true }),
    queueOf('full', { stats: { queued: 60, scheduled: 40 } }),
    queueOf('large', { stats: { waitingBytes: 1_000 } }),
  ];
  const workers = [
    { workerId: 'a', name: 'gone', connected: false, draining: false },
    { workerId: 'b', name: 'leaving', connected: true, draining: true },
  ];
  const group = { queue: 'mail', group: 'g', type: 'send', errorType: 'Refused' };
  const groups = [{ ...group, errorMessage: 'no', count: 3, lastAtMs: NOW_MS - 1_000 }];
  assert.deepEqual(await titles({ queues, workers, groups, server: { diskHungMs: 4_000 } }), [
    "bad: The broker's disk has not answered for 4.0 s",
    'bad: full is full',
    'bad: large is full',
    'bad: send fails in mail: Refused',
    'bad: gone has lost its connection',
    'warning: still is paused',
    'warning: shut is closed',
    'warning: leaving is draining',
  ]);
});

test('of many alike, attention is asked for once', async () => {
  const queues = Array.from({ length: 5_000 }, (_, i) => queueOf(`q${i}`, { paused: true }));
  assert.deepEqual(await titles({ queues }), ['warning: 5,000 queues are paused']);
});

test('what waits is explained by its oldest task', async () => {
  const { findAttention, oldest } = await load('attention');
  const queues = ['a', 'b', 'c', 'd'].map((name, i) =>
    queueOf(name, { stats: { queued: 1, oldestAgeMs: (i + 1) * 100_000 } }),
  );
  assert.deepEqual(oldest(queues), ['d', 'c', 'b']);
  const reason = {
    text: 'w1 has it',
    advice: 'wait',
    workers: ['w1'],
    end: 'REASON_END_BY_OTHERS',
  };
  const waiting = [{ queue: 'd', taskId: 's-1', reason }];
  const [first, rest] = findAttention({ queues, waiting, nowMs: NOW_MS });
  assert.equal(first.title, 'd: a task has waited for 6 min 40 s');
  assert.equal(first.text, 'w1 has it. Wait.');
  assert.equal(first.href, '/tasks/s-1');
  assert.equal(rest.title, '3 more queues have tasks that wait for long');
});
