#include "socketio/farewells.h"

#include <utility>

namespace eventbus {

struct Farewells::Words final : Due {
    Words(Farewells& of, std::string_view whose, std::string what)
        : farewells(of), sid(whose), payload(std::move(what)) {}
    void on_due() override { farewells.take(sid); }  // ends this

    Farewells& farewells;
    const std::string sid;
    std::string payload;
};

Farewells::Farewells(Reactor& reactor) : reactor_(reactor), due_(kKept) {
    reactor_.add_due_list(due_);
}

Farewells::~Farewells() = default;

void Farewells::keep(std::string_view sid, std::string payload) {
    const std::size_t cost = payload.size() + kCost;
    if (bytes_ + cost > kBytesMax) return;
    auto words = std::make_unique<Words>(*this, sid, std::move(payload));
    due_.arm(*words, reactor_.now());
    const std::string_view key = words->sid;
    if (words_.emplace(key, std::move(words)).second) bytes_ += cost;
}

std::optional<std::string> Farewells::take(std::string_view sid) {
    const auto found = words_.find(sid);
    if (found == words_.end()) return std::nullopt;
    const std::unique_ptr<Words> words = std::move(found->second);
    words_.erase(found);
    bytes_ -= words->payload.size() + kCost;
    return std::move(words->payload);
}

}  // namespace eventbus
