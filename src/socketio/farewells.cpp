#include "socketio/farewells.h"

#include <utility>

#include "base/assert.h"

namespace eventbus {

struct Farewells::Words final : Due {
    Words(Farewells& of, std::string_view whose, std::vector<std::string> what)
        : farewells(of), sid(whose), payloads(std::move(what)) {
        for (const std::string& payload : payloads) cost += payload.size();
    }
    void on_due() override { farewells.forget(sid); }  // ends this

    Farewells& farewells;
    const std::string sid;
    std::vector<std::string> payloads;
    std::size_t next = 0;  // of payloads
    std::size_t cost = kCost;
};

Farewells::Farewells(Reactor& reactor) : reactor_(reactor), due_(kKept) {
    reactor_.add_due_list(due_);
}

Farewells::~Farewells() = default;

void Farewells::keep(std::string_view sid, std::vector<std::string> payloads) {
    BUS_ASSERT(!payloads.empty());
    auto words = std::make_unique<Words>(*this, sid, std::move(payloads));
    const std::size_t cost = words->cost;
    if (bytes_ + cost > kBytesMax) return;
    due_.arm(*words, reactor_.now());
    const std::string_view key = words->sid;
    if (words_.emplace(key, std::move(words)).second) bytes_ += cost;
}

std::optional<std::string> Farewells::take(std::string_view sid) {
    const auto found = words_.find(sid);
    if (found == words_.end()) return std::nullopt;
    Words& words = *found->second;
    std::string payload = std::move(words.payloads[words.next++]);
    if (words.next == words.payloads.size()) forget(sid);
    return payload;
}

void Farewells::forget(std::string_view sid) {
    const auto found = words_.find(sid);
    const std::unique_ptr<Words> words = std::move(found->second);
    words_.erase(found);
    bytes_ -= words->cost;
}

}  // namespace eventbus
