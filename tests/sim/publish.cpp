// What services publish: each event until it is answered for good, by the same id.

#include <iterator>

#include "base/assert.h"
#include "sim/run.h"
#include "sim/tally.h"

namespace eventbus::sim {
namespace {

constexpr std::size_t kUnansweredMax = 50;
constexpr std::uint64_t kAlikeMax = 6;  // events of one kind at once

Principal service() { return {.kind = Principal::Kind::kService, .id = "api"}; }

}  // namespace

void Run::publish_something() {
    if (unanswered_.size() > kUnansweredMax) {
        auto at = unanswered_.begin();
        std::advance(at, static_cast<std::ptrdiff_t>(chance_.below(unanswered_.size())));
        return at->second.is_under_way ? void() : send(std::string(at->first), any_lane());
    }
    constexpr const char* kTypes[] = {"photo.uploaded", "photo.progress", "photo.completed",
                                      "photo.progress", "photo.shared",   "photo.unshared",
                                      "photo.given",    "system.health",  "system.notice"};
    const std::string type = kTypes[chance_.below(std::size(kTypes))];
    const std::string large(chance_.one_in(12) ? 600 : 0, ' ');
    const std::string rest = R"(","photo":")" + chance_.any("p", kPhotos) + R"(","user":")" +
                             chance_.any("u", kUsers) + R"(","with":")" + chance_.any("u", kUsers) +
                             '"' + large + '}';
    const bool is_durable = type != "photo.progress" && type != "system.health";
    Lane& lane = any_lane();
    for (std::uint64_t i = chance_.one_in(8) ? chance_.below(kAlikeMax) : 0;; --i) {
        const std::string id = "e" + std::to_string(++next_event_);
        Event event{.id = id, .type = type};
        event.data = R"({"n":")" + id + rest;
        unanswered_[id] = {std::move(event), is_durable};
        send(id, lane);
        if (i == 0) break;
    }
}

// With what nobody gets.
void Run::fill_the_tail() {
    Lane& lane = any_lane();
    for (std::size_t i = 0; i < Machine::kTailEntries; ++i) {
        const std::string id = "e" + std::to_string(++next_event_);
        Event event{.id = id, .type = "photo.progress"};
        event.data = R"({"n":")" + id + R"(","photo":"none","user":"nobody","with":"nobody"})";
        unanswered_[id] = {std::move(event), false};
        send(id, lane);
    }
}

void Run::send(const std::string& id, Lane& lane) {
    Publish& publish = unanswered_[id];
    publish.is_under_way = true;
    lane.reactor().post([this, id, &lane, event = publish.event] {
        lane.publisher().publish(
            service(), {event},
            [this, id](const Result<std::vector<Receipt>>& receipts) { answered(id, receipts); });
    });
}

void Run::answered(const std::string& id, const Result<std::vector<Receipt>>& receipts) {
    const auto found = unanswered_.find(id);
    if (found == unanswered_.end()) return;
    if (!receipts) {
        const ErrorCode code = receipts.error().code;
        if (code != ErrorCode::kReadOnly && code != ErrorCode::kUnavailable) {
            fail(id + " was refused: " + receipts.error().detail);
        }
        found->second.is_under_way = false;
        return;
    }
    count(Happened::kPublished);
    if (found->second.is_durable) acknowledged_[id] = receipts->front().position;
    unanswered_.erase(found);
}

}  // namespace eventbus::sim
