#pragma once

namespace eventbus {

// A list that its elements make themselves, by two members that point to their neighbours: any of
// them leaves in O(1), and none is allocated or owned here.
template <class T, T* T::*Previous, T* T::*Next>
class LinkedList {
 public:
    bool is_empty() const { return first_ == nullptr; }
    T* first() const { return first_; }
    T* last() const { return last_; }

    void push_back(T& element) {
        element.*Previous = last_;
        element.*Next = nullptr;
        (last_ == nullptr ? first_ : last_->*Next) = &element;
        last_ = &element;
    }

    void remove(T& element) {
        T* const previous = element.*Previous;
        T* const next = element.*Next;
        (previous == nullptr ? first_ : previous->*Next) = next;
        (next == nullptr ? last_ : next->*Previous) = previous;
    }

 private:
    T* first_ = nullptr;
    T* last_ = nullptr;
};

}  // namespace eventbus
