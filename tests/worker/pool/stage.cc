#include "tests/worker/pool/stage.h"

#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <spawn.h>
#include <stdexcept>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include <sys/mman.h>

#include "proto/support/assert.h"
#include "worker/pool/process/spawn_plan.h"

namespace treadle::worker {
namespace {

constexpr char kStageVariable[] = "TREADLE_TEST_STAGE";

std::shared_ptr<Stage> Map(int file) {
  void* const memory = ::mmap(nullptr, sizeof(Stage), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  TREADLE_ASSERT(memory != MAP_FAILED);
  ::close(file);
  return {static_cast<Stage*>(memory), [](Stage* stage) { ::munmap(stage, sizeof(Stage)); }};
}

AttemptResult Done(std::string bytes = {}) {
  return AttemptResult::Succeeded(std::move(bytes), "");
}

void SayMuch(TaskContext& context) {
  for (const std::string& line : MuchSaid()) context.Log(line);
}

AttemptResult Count(Stage& stage) {
  const int running = ++stage.running;
  int seen = stage.most_running;
  while (seen < running && !stage.most_running.compare_exchange_weak(seen, running)) {
  }
  std::this_thread::yield();
  --stage.running;
  return Done();
}

[[noreturn]] void Spin() {
  for (std::atomic<uint64_t> turns = 0;; ++turns) {
  }
}

// Takes memory until there is none.
AttemptResult Hog() {
  std::vector<std::string> hoard;
  for (int i = 0; i < 1'000; ++i) hoard.emplace_back(size_t{16} << 20, 'x');
  return Done();
}

AttemptResult StartHelper(Stage& stage) {
  std::string program = "/bin/sleep", seconds = "600";
  char* arguments[] = {program.data(), seconds.data(), nullptr};
  pid_t helper = 0;
  if (::posix_spawn(&helper, program.c_str(), nullptr, nullptr, arguments, environ) != 0) {
    return AttemptResult::Failed("NoHelper", "");
  }
  stage.helper = helper;
  WaitUntil([&stage] { return stage.door_open.load(); });
  return Done();
}

AttemptResult RunProgram(Stage& stage) {
  static const std::shared_ptr<Guard> guard = *Guard::Start();
  const Guard::Place place = *guard->Enter();
  stage.child = ::getpid();
  if (!StartProgram(stage, place)) return AttemptResult::Failed("NoProgram", "");
  WaitUntil([&stage] { return stage.door_open.load(); });
  return Done();
}

// Dies as by the system, for want of memory, in a folder of cgroups that a test has made.
AttemptResult DieOfMemory(const std::string& cgroups) {
  for (const auto& entry : std::filesystem::directory_iterator(cgroups)) {
    std::ifstream members(entry.path() / "cgroup.procs");
    pid_t member = 0;
    if (members >> member && member == ::getpid()) {
      std::ofstream(entry.path() / "memory.events") << "max 7\noom 1\noom_kill 1\n";
      ::raise(SIGKILL);
    }
  }
  return AttemptResult::Failed("NoCgroup", cgroups);
}

void AddEnds(Handlers& handlers, const std::shared_ptr<Stage>& stage) {
  handlers.Add("segfault", [](TaskContext&, std::string) {
    ::raise(SIGSEGV);
    return Done();
  });
  handlers.Add("abort", [](TaskContext&, std::string) -> AttemptResult { std::abort(); });
  handlers.Add("kill", [](TaskContext&, std::string) {
    ::raise(SIGKILL);
    return Done();
  });
  handlers.Add("say_much", [](TaskContext& context, std::string) {
    SayMuch(context);
    return Done("said");
  });
  handlers.Add("say_and_abort", [](TaskContext& context, std::string) -> AttemptResult {
    SayMuch(context);
    std::abort();
  });
  handlers.Add("exit", [](TaskContext&, std::string) -> AttemptResult { ::_exit(3); });
  handlers.Add("program", [stage](TaskContext&, std::string) { return RunProgram(*stage); });
  handlers.Add("die_of_memory",
               [](TaskContext&, const std::string& cgroups) { return DieOfMemory(cgroups); });
  handlers.Add("hog", [](TaskContext&, std::string) { return Hog(); });
  handlers.Add("spin", [](TaskContext&, std::string) -> AttemptResult { Spin(); });
  handlers.Add("stubborn", [](TaskContext&, std::string) -> AttemptResult {
    ::signal(SIGTERM, SIG_IGN);
    Spin();
  });
}

}  // namespace

std::shared_ptr<Stage> Stage::New() {
  const char* const folder = std::getenv("TMPDIR");
  std::string path = absl::StrCat(folder == nullptr ? "/tmp" : folder, "/treadle-stage-XXXXXX");
  const int file = ::mkstemp(path.data());
  TREADLE_ASSERT(file >= 0 && ::ftruncate(file, sizeof(Stage)) == 0);
  ::setenv(kStageVariable, path.c_str(), 1);
  std::shared_ptr<Stage> stage = Map(file);
  return {stage.get(), [stage, path](Stage*) { ::unlink(path.c_str()); }};
}

std::shared_ptr<Stage> Stage::Found() {
  const char* const path = std::getenv(kStageVariable);
  TREADLE_ASSERT(path != nullptr);
  const int file = ::open(path, O_RDWR | O_CLOEXEC);
  TREADLE_ASSERT(file >= 0);
  return Map(file);
}

bool StartProgram(Stage& stage, const Guard::Place& place) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return false;
  SpawnPlan plan;
  plan.GiveNothing(STDIN_FILENO);
  plan.Give(ends[1], STDOUT_FILENO);
  plan.Give(ends[1], STDERR_FILENO);
  plan.CloseFrom(STDERR_FILENO + 1);
  plan.EnterGroup(place);
  plan.EndWithThread();
  pid_t program = 0;
  const std::string script = "sleep 600 & echo $!; wait";
  const int error = plan.Spawn("/bin/sh", {"/bin/sh", "-c", script}, {}, program);
  ::close(ends[1]);
  char text[32] = "";
  if (error == 0) static_cast<void>(::read(ends[0], text, sizeof(text) - 1));
  ::close(ends[0]);
  stage.process = program;
  stage.helper = std::atoi(text);
  return error == 0;
}

void SayAll(TaskContext& context) {
  context.Log("line");
  context.LogStandardError("error");
  context.Emit(Payload("part", "text/plain"));
}

std::vector<std::string> MuchSaid() {
  std::vector<std::string> said;
  for (int i = 0; i < 100; ++i) said.emplace_back(100'000, static_cast<char>('A' + i % 50));
  return said;
}

std::string Describe(const TaskContext& context) {
  std::string text = absl::StrCat(context.task_id(), " ", context.queue(), " ", context.type(), " ",
                                  context.content_type(), " attempt ", context.attempt(), "/",
                                  context.max_attempts(), " priority ", context.priority(),
                                  " bounded ", context.deadline().has_value());
  for (const auto& [name, value] : context.headers()) absl::StrAppend(&text, " ", name, "=", value);
  return text;
}

void AddStageHandlers(Handlers& handlers, const std::shared_ptr<Stage>& stage) {
  handlers.Add("echo", [](TaskContext&, std::string payload) {
    return AttemptResult::Succeeded(std::move(payload), "text/plain");
  });
  handlers.Add("fail_at_length", [](TaskContext&, const std::string& payload) {
    AttemptResult result = AttemptResult::Failed("Busy", "try later");
    result.bytes = payload;
    result.content_type = "text/plain";
    result.exit_code = -1;
    result.signal = 9;
    result.retry_after_ms = 0;
    return result;
  });
  handlers.Add("wait", [stage](TaskContext&, std::string) {
    return WaitUntil([&] { return stage->door_open.load(); }) ? Done("waited")
                                                              : AttemptResult::Failed("Late", "");
  });
  handlers.Add("wait_for_stop", [](TaskContext& context, std::string) {
    if (context.SleepFor(kGenerous)) return AttemptResult::Failed("NotTold", "");
    return AttemptResult::Failed("Told", std::string(ToString(context.stop_reason())));
  });
  handlers.Add("meet", [stage](TaskContext&, std::string payload) {
    ++stage->present;
    const int people = std::stoi(payload);
    return Done(WaitUntil([&] { return stage->present >= people; }) ? "met" : "alone");
  });
  handlers.Add("count", [stage](TaskContext&, std::string) { return Count(*stage); });
  handlers.Add("throw", [](TaskContext&, std::string) -> AttemptResult {
    throw std::out_of_range("no such row");
  });
  handlers.Add("mark", [stage](TaskContext&, std::string) {
    ++stage->marks;
    stage->process = ::getpid();
    return Done();
  });
  handlers.Add("report", [](TaskContext& context, std::string) {
    context.ReportProgress(0.5, "half way");
    return Done();
  });
  handlers.Add("say", [](TaskContext& context, std::string) {
    SayAll(context);
    return Done("said");
  });
  handlers.Add("describe",
               [](TaskContext& context, std::string) { return Done(Describe(context)); });
  handlers.Add("helper", [stage](TaskContext&, std::string) { return StartHelper(*stage); });
  AddEnds(handlers, stage);
}

}  // namespace treadle::worker
