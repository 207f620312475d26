import { useMemo } from "react";

import { to } from "../addresses";
import type { DeadLetterGroup } from "../api";
import { FilterBox } from "../filters";
import { count, counted } from "../format";
import { Loaded, PageHead } from "../parts";
import { type DeadLetterGroups, useDeadLetterGroups } from "../questions";
import { Link, useQuery } from "../routing";
import { GroupList } from "./group_table";

export function DeadLettersPage() {
  const [query] = useQuery();
  const queue = query.get("queue") ?? "";
  return (
    <>
      <PageHead
        title={queue ? `Dead letters of ${queue}` : "Dead letters"}
        up={queue ? { href: to.dead(), label: "Dead letters" } : undefined}
      >
        {queue && <Link href={to.deadGroup(queue, "all")}>All letters, one by one</Link>}
      </PageHead>
      <Loaded reading={useDeadLetterGroups(queue)}>
        {(found) => <Groups found={found} queue={queue} />}
      </Loaded>
    </>
  );
}

function Groups({ found, queue }: { found: DeadLetterGroups; queue: string }) {
  const [query] = useQuery();
  const filter = (query.get("filter") ?? "").toLowerCase();
  const matching = useMemo(() => {
    const has = (group: DeadLetterGroup) =>
      [group.errorType, group.errorMessage, group.type, group.queue].some((text) =>
        text.toLowerCase().includes(filter),
      );
    return found.groups.filter(has);
  }, [found, filter]);
  const letters = matching.reduce((sum, group) => sum + group.count, 0);
  return (
    <>
      <div className="filters">
        <FilterBox label="Filter by error, type or queue" />
        <span className="dim">
          {counted(letters, "letter")} in {counted(matching.length, "group")}
          {found.more && `; the largest ${count(found.groups.length)} groups are shown`}
        </span>
      </div>
      <p className="dim">
        A group is what fails for one reason: tasks of one type, with an error of one type, whose
        messages agree but for their numbers. Open one to read it, and to redrive it.
      </p>
      <GroupList groups={matching} inQueue={queue !== ""} />
    </>
  );
}
