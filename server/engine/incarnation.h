#pragma once

#include <cstdint>

namespace treadle::engine {

// Where a life of the broker, from its start to its end, begins to number its sessions and tokens.
//
// A name is given once, whatever becomes of the store: a memory store restarted, a folder wiped,
// copied, or restored from a backup knows nothing of the numbers that were given meanwhile, and who
// still has one of those (a client that resumes, a worker that reports, whoever keeps a task's id)
// must not get at what has the same name by chance. So no number begins at 1; each life begins at
//
//     bits 52..11   milliseconds since 2020-01-01, by the wall clock (until 2159)
//     bits 10..0    random
//
// and counts from there: both counters fit into 2^53, which is what a JavaScript number holds, and
// a session's number is ten characters in a task's id (until 2037, then eleven).
//
//   - The clock is right: a life that gives fewer than 2,048 numbers a millisecond ends below where
//     each later one begins. The store is not needed for it; tokens grow from life to life, also
//     where nothing is stored. (At its best a broker gives some 1,000 tokens a millisecond.)
//   - Two lives begin at once, on two machines: no process begins twice within a millisecond, and
//     two that do differ in the random bits but for one in 2,048. A session is resumed only with
//     its secret, and a report names a task and a token, both of which would have to agree.
//   - The clock is behind the stored counters: a life begins above them, and above what a power cut
//     may have taken from them: see kForgottenMax. So an old number comes again only if the
//     store has lost it, the clock is behind as well, and it shows the very millisecond in which
//     that number was reached, with the same random bits.
//   - The clock does not know the time at all (it is before 2026, when there was no Treadle, or
//     beyond 2159): all bits are random, below 2^48. No clock that is right leads there.
//   - The clock was ahead, and is right now: as behind, above.
enum class Incarnation : uint64_t {};

// `random`: 64 random bits.
Incarnation IncarnationAt(int64_t wall_ms, uint64_t random);

// Leases of tasks whose durability is MEMORY or WRITTEN leave before their rows are on the disk: a
// power cut can take the counter back by as many tokens as were given since the last sync. That is
// at most what two write-ahead logs of 64 MiB hold, and a lease takes 8 bytes of one. Sessions are
// told before their rows are on the disk, too, and take more.
inline constexpr uint64_t kForgottenMax = uint64_t{1} << 24;

}  // namespace treadle::engine
