// A worker with one handler: sum_squares_worker [BROKER]. Start as many as you like.
#include "client/examples/sum_squares.h"

#include "treadle/worker.h"

int main(int argc, char** argv) {
  treadle::Worker worker(treadle::WorkerOptions(argc > 1 ? argv[1] : ""));
  worker.Handle(kSumSquares, [](treadle::TaskContext&, int64_t n) {
    int64_t sum = 0;
    for (int64_t i = 1; i <= n; ++i) sum += i * i;
    return sum;
  });
  return worker.RunUntilSignal();
}
