#pragma once

#include <cstddef>
#include <functional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "base/linked_list.h"

namespace eventbus {

// Who holds how much of what is scarce: a table whose bound all share. At the bound the one who
// holds most gives up what it has held longest, so that nobody can take the others' part.
//
// Thread:  one.
// Bounded: by whoever adds; next_to_go() says what has to go first.
// Cost:    O(1) for each call. A holder costs about 80 bytes and its name, and each share of the
// one
//          who holds most 16 bytes.
// Invariants:
//   (1) Each holder has a share, and stands in by_count_[how many it has].
//   (2) The last of by_count_ is not empty.
template <class Name, class Hash = std::hash<Name>, class Equal = std::equal_to<>>
class Shares {
    struct Holder;

 public:
    // What is held: a base or a member of it. It is removed before it ends.
    class Share {
     public:
        bool is_held() const { return holder_ != nullptr; }

     private:
        friend class Shares;
        Holder* holder_ = nullptr;
        Share* older_ = nullptr;  // of the same holder
        Share* newer_ = nullptr;
    };

    explicit Shares(Hash hash = Hash()) : holders_(0, std::move(hash)) {}

    // `share`, which nobody holds, is the newest of holder `name`; a Name, or what its table finds
    // it by.
    template <class Key>
    void add(Share& share, const Key& name) {
        BUS_ASSERT(!share.is_held());
        auto found = holders_.find(name);
        if (found == holders_.end()) {
            found = holders_.emplace(Name(name), Holder{}).first;
            found->second.name = &found->first;
        }
        Holder& holder = found->second;
        move(holder, holder.count + 1);
        holder.shares.push_back(share);
        share.holder_ = &holder;
        ++size_;
    }

    void remove(Share& share) {
        BUS_ASSERT(share.is_held());
        Holder& holder = *std::exchange(share.holder_, nullptr);
        holder.shares.remove(share);
        move(holder, holder.count - 1);
        --size_;
        if (holder.count == 0) holders_.erase(holders_.find(*holder.name));
    }

    std::size_t size() const { return size_; }

    template <class Key>
    std::size_t count_of(const Key& name) const {
        const auto found = holders_.find(name);
        return found == holders_.end() ? 0 : found->second.count;
    }

    // Null: it holds nothing.
    template <class Key>
    Share* oldest_of(const Key& name) const {
        const auto found = holders_.find(name);
        return found == holders_.end() ? nullptr : found->second.shares.first();
    }

    // The oldest share of whoever holds most; of several, the one that has held so much longest.
    // Null: there is none.
    Share* next_to_go() const {
        return by_count_.empty() ? nullptr : by_count_.back().first()->shares.first();
    }

 private:
    struct Holder {
        const Name* name = nullptr;  // its key
        std::size_t count = 0;
        LinkedList<Share, &Share::older_, &Share::newer_> shares;
        Holder* previous = nullptr;  // of those who hold as much
        Holder* next = nullptr;
    };

    void move(Holder& holder, std::size_t count) {
        if (holder.count > 0) by_count_[holder.count].remove(holder);
        holder.count = count;
        if (count >= by_count_.size()) by_count_.resize(count + 1);
        if (count > 0) by_count_[count].push_back(holder);
        while (!by_count_.empty() && by_count_.back().is_empty()) by_count_.pop_back();
    }

    std::unordered_map<Name, Holder, Hash, Equal> holders_;
    std::vector<LinkedList<Holder, &Holder::previous, &Holder::next>> by_count_;
    std::size_t size_ = 0;
};

}  // namespace eventbus
