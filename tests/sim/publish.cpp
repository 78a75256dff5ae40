// What services publish: each event until it is answered for good, by the same id.

#include <fmt/format.h>

#include <iterator>

#include "base/assert.h"
#include "sim/run.h"
#include "sim/tally.h"

namespace eventbus::sim {
namespace {

constexpr std::size_t kUnansweredMax = 50;
constexpr std::uint64_t kAlikeMax = 6;  // events of one kind at once
constexpr std::size_t kLargeBytes = 600;

Principal service() { return {.kind = Principal::Kind::kService, .id = "api"}; }

}  // namespace

void Run::publish_something() {
    if (unanswered_.size() > kUnansweredMax) {
        auto at = unanswered_.begin();
        std::advance(at, static_cast<std::ptrdiff_t>(chance_.below(unanswered_.size())));
        return at->second.is_under_way ? void() : send(std::string(at->first), any_lane());
    }
    constexpr const char* kTypes[] = {
        "photo.uploaded", "photo.progress", "photo.completed", "photo.progress", "photo.shared",
        "photo.unshared", "photo.given",    "system.health",   "system.notice",  "system.alert"};
    const std::string type = kTypes[chance_.below(std::size(kTypes))];
    const Values values{.photo = chance_.any("p", kPhotos),
                        .user = chance_.any("u", kUsers),
                        .with = chance_.any("u", kUsers),
                        .large = chance_.one_in(12) ? kLargeBytes : 0};
    Lane& lane = any_lane();
    for (std::uint64_t i = chance_.one_in(8) ? chance_.below(kAlikeMax) : 0;; --i) {
        publish(lane, type, values);
        if (i == 0) break;
    }
}

void Run::publish(Lane& lane, const std::string& type, const Values& values) {
    const std::string id = "e" + std::to_string(++next_event_);
    Event event{.id = id, .type = type};
    event.data =
        fmt::format(R"({{"n":"{}","photo":"{}","user":"{}","with":"{}"{}}})", id, values.photo,
                    values.user, values.with, std::string(values.large, ' '));
    const bool is_durable = type != "photo.progress" && type != "system.health";
    unanswered_[id] = {std::move(event), is_durable};
    send(id, lane);
}

// With what nobody gets.
void Run::fill_the_tail() {
    Lane& lane = any_lane();
    const Values nobody{.photo = "none", .user = "nobody", .with = "nobody"};
    for (std::size_t i = 0; i < Machine::kTailEntries; ++i) {
        publish(lane, "photo.progress", nobody);
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
