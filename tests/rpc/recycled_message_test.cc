#include "server/rpc/recycled_message.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <thread>

#include "gtest/gtest.h"

namespace treadle::rpc {
namespace {

constexpr int64_t kMiB = 1 << 20;

// As a protobuf message does it: emptied, it keeps what it has allocated.
struct Message {
  Message() { ++alive; }
  ~Message() { --alive; }
  Message(const Message&) = delete;
  Message& operator=(const Message&) = delete;

  void Clear() { text.clear(); }

  std::string text;
  static thread_local int alive;
};
thread_local int Message::alive = 0;

void Fill(RecycledMessage<Message>& message, int64_t bytes) {
  message->text.assign(static_cast<size_t>(bytes), 'x');
  message.Clear(bytes);
}

// Each case on a thread of its own: what a thread keeps is its own, too.
template <typename Case>
void OnAThread(Case of) {
  std::thread(of).join();
}

TEST(RecycledMessage, WhatWasAllocatedServesTheNextFilling) {
  OnAThread([] {
    RecycledMessage<Message> message;
    Fill(message, 1'000);
    const Message* const first = &*message;
    const size_t capacity = message->text.capacity();
    message.Release();
    RecycledMessage<Message> another;
    EXPECT_EQ(&*another, first);
    EXPECT_EQ(another->text.capacity(), capacity);
    EXPECT_TRUE(another->text.empty());
  });
}

TEST(RecycledMessage, ItBeginsAnewSoThatItDoesNotGrowForEver) {
  OnAThread([] {
    RecycledMessage<Message> message;
    size_t most = 0;
    int small = 0;
    for (int i = 0; i < 100; ++i) {
      Fill(message, i % 10 == 0 ? 3 * kMiB : 1'000);
      most = std::max(most, message->text.capacity());
      small += message->text.capacity() < size_t{kMiB} ? 1 : 0;
      // In other hands between two fillings, it counts on.
      message.Release();
    }
    EXPECT_LE(most, size_t{8 * kMiB});
    EXPECT_GT(small, 10) << "what a large filling has left is given back";
    EXPECT_EQ(Message::alive, 1);
  });
}

TEST(RecycledMessage, ALargeMessageIsNotKept) {
  OnAThread([] {
    RecycledMessage<Message> message;
    Fill(message, 50 * kMiB);
    EXPECT_LT(message->text.capacity(), size_t{kMiB});
  });
}

TEST(RecycledMessage, StreamsThatAreIdleKeepNothingAndAThreadOne) {
  OnAThread([] {
    std::deque<RecycledMessage<Message>> streams(1'000);
    for (RecycledMessage<Message>& stream : streams) Fill(stream, 1'000);
    EXPECT_EQ(Message::alive, 1'000);
    for (RecycledMessage<Message>& stream : streams) stream.Release();
    EXPECT_EQ(Message::alive, 1);
    for (RecycledMessage<Message>& stream : streams) stream.Release();
    EXPECT_EQ(Message::alive, 1);
  });
}

}  // namespace
}  // namespace treadle::rpc
