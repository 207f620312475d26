import {
  closeQueues,
  deleteQueues,
  openQueues,
  pauseQueues,
  purgeQueues,
  resumeQueues,
} from "../actions/on_queues";
import type { Queue } from "../api";
import { isFull, isOld } from "../attention";
import { Loaded, PageHead } from "../parts";
import { useQueues } from "../questions";
import { FilteredList } from "./filtered_list";
import { QUEUE_COLUMNS } from "./queue_columns";

const ACTIONS = [pauseQueues, resumeQueues, closeQueues, openQueues, purgeQueues, deleteQueues];

const ONLY: Record<string, (queue: Queue) => boolean> = {
  paused: ({ paused }) => paused,
  closed: ({ closed }) => closed,
  full: isFull,
  old: isOld,
  failing: ({ stats }) => stats!.deadLetters > 0,
  idle: ({ stats }) => stats!.queued + stats!.running + stats!.scheduled === 0,
};

const nameOf = ({ config }: Queue): string => config!.name;

function matches(queue: Queue, word: string, only: string): boolean {
  return (ONLY[only]?.(queue) ?? true) && nameOf(queue).toLowerCase().includes(word);
}

export function QueuesPage() {
  return (
    <>
      <PageHead title="Queues" />
      <Loaded reading={useQueues()}>
        {(queues) => (
          <FilteredList
            label="Queues"
            one="queue"
            items={queues}
            keyOf={nameOf}
            columns={QUEUE_COLUMNS}
            actions={ACTIONS}
            filterLabel="Filter by name"
            choices={Object.keys(ONLY)}
            matches={matches}
            none="There are no queues yet: the first task that is submitted makes its own."
          />
        )}
      </Loaded>
    </>
  );
}
