#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "net/due_list.h"
#include "net/reactor.h"

namespace eventbus {

// The last words to polling clients whose session the server has ended between two of their
// requests: the next ones fetch them, and the client learns why instead of "Session ID unknown".
//
// Thread:  reactor.
// Bounded: kBytesMax in all, kKept in time; what does not fit is not said.
class Farewells {
 public:
    static constexpr std::size_t kBytesMax = 4 << 20;
    static constexpr auto kKept = std::chrono::seconds(10);

    explicit Farewells(Reactor& reactor);
    ~Farewells();

    // The answers to the next polls of this session, in their order; not none.
    void keep(std::string_view sid, std::vector<std::string> payloads);

    // The next of them, once.
    std::optional<std::string> take(std::string_view sid);

    std::size_t bytes() const { return bytes_; }

 private:
    struct Words;
    void forget(std::string_view sid);

    static constexpr std::size_t kCost = 256;  // of one beside its payloads

    Reactor& reactor_;
    std::size_t bytes_ = 0;
    DueList due_;
    std::unordered_map<std::string_view, std::unique_ptr<Words>> words_;  // keys: their sids
};

}  // namespace eventbus
