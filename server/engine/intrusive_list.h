#pragma once

#include <cstddef>

#include "proto/support/assert.h"

// Doubly linked lists whose links live in the elements: an element leaves its list in constant time
// without knowing which list that is, and linking allocates nothing. An element that is in several
// lists at once derives from one ListNode for each, told apart by their tags.

namespace treadle::engine {

template <typename Tag>
class ListNode {
 public:
  ListNode() = default;
  ListNode(const ListNode&) = delete;
  ListNode& operator=(const ListNode&) = delete;
  ~ListNode() { Unlink(); }

  bool linked() const { return next_ != nullptr; }
  void Unlink() {
    if (next_ == nullptr) return;
    prev_->next_ = next_;
    next_->prev_ = prev_;
    prev_ = next_ = nullptr;
  }

 private:
  template <typename, typename>
  friend class List;

  ListNode* prev_ = nullptr;
  ListNode* next_ = nullptr;
};

// Owns nothing. Elements outlive their membership, or leave by their own destructor.
template <typename T, typename Tag>
class List {
  using Node = ListNode<Tag>;

 public:
  class Iterator {
   public:
    explicit Iterator(Node* node) : node_(node) {}
    T& operator*() const { return static_cast<T&>(*node_); }
    Iterator& operator++() {
      node_ = node_->next_;
      return *this;
    }
    bool operator!=(const Iterator& other) const { return node_ != other.node_; }

   private:
    Node* node_;
  };

  List() { end_.prev_ = end_.next_ = &end_; }
  ~List() {
    while (!empty()) end_.next_->Unlink();
    end_.prev_ = end_.next_ = nullptr;
  }
  List(const List&) = delete;
  List& operator=(const List&) = delete;

  bool empty() const { return end_.next_ == &end_; }
  bool has_one() const { return !empty() && end_.next_ == end_.prev_; }
  T& front() { return static_cast<T&>(*end_.next_); }
  const T& front() const { return static_cast<const T&>(*end_.next_); }

  void PushBack(T& element) { Link(end_, element); }
  // Puts `element` where `place` is, just before it.
  void InsertBefore(T& place, T& element) { Link(place, element); }
  // Behind `place`, which is in a list of this tag, whichever that is.
  static void InsertAfter(T& place, T& element) { Link(*static_cast<Node&>(place).next_, element); }
  // From whichever list with this tag it is in.
  static void Remove(T& element) { static_cast<Node&>(element).Unlink(); }
  T& PopFront() {
    T& element = front();
    Remove(element);
    return element;
  }
  // Moves all of `other` to the end of this list.
  void Splice(List& other) {
    if (other.empty()) return;
    Node* const first = other.end_.next_;
    Node* const last = other.end_.prev_;
    other.end_.prev_ = other.end_.next_ = &other.end_;
    first->prev_ = end_.prev_;
    end_.prev_->next_ = first;
    last->next_ = &end_;
    end_.prev_ = last;
  }

  Iterator begin() const { return Iterator(end_.next_); }
  Iterator end() const { return Iterator(const_cast<Node*>(&end_)); }

 private:
  static void Link(Node& place, Node& node) {
    TREADLE_ASSERT(!node.linked());
    node.next_ = &place;
    node.prev_ = place.prev_;
    place.prev_->next_ = &node;
    place.prev_ = &node;
  }

  Node end_;
};

}  // namespace treadle::engine
