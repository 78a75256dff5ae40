#include "log/epochs.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "log/bytes.h"

namespace eventbus {

Epochs::Epochs(std::string current, std::vector<Past> past)
    : current_(std::move(current)), past_(std::move(past)) {
    if (past_.size() > kPastMax) {
        past_.erase(past_.begin(), past_.end() - static_cast<std::ptrdiff_t>(kPastMax));
    }
    BUS_ASSERT(std::ranges::is_sorted(past_, {}, &Past::end));
}

const std::string& Epochs::of(Position position) const {
    if (past_.empty() || position > past_.back().end) return current_;
    return std::ranges::lower_bound(past_, position, {}, &Past::end)->name;
}

bool Epochs::holds(const Offset& offset) const {
    const std::optional<Position> end = end_of(offset.epoch);
    return end && offset.position <= *end;
}

std::optional<Position> Epochs::end_of(std::string_view epoch) const {
    if (epoch == current_) return kEndOfTime;
    // From the newest: that is where nearly all are from.
    const auto past = std::find_if(past_.rbegin(), past_.rend(),
                                   [&](const Past& one) { return one.name == epoch; });
    return past == past_.rend() ? std::nullopt : std::optional(past->end);
}

// A name is drawn once, so two logs that have an epoch in common had the same one before it.
Position Epochs::shared_with(const Epochs& other) const {
    if (const auto end = other.end_of(current_)) return *end;
    for (auto past = past_.rbegin(); past != past_.rend(); ++past) {
        if (const auto end = other.end_of(past->name)) return std::min(*end, past->end);
    }
    return Position();
}

Epochs Epochs::next(std::string name, Position end) const {
    std::vector<Past> past = past_;
    past.push_back({current_, end});
    return Epochs(std::move(name), std::move(past));
}

std::string make_epoch(Random& random) {
    constexpr std::size_t kLength = 8;
    constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyz0123456789";
    std::string epoch;
    while (epoch.size() < kLength) epoch += kAlphabet[random.below(kAlphabet.size())];
    return epoch;
}

std::string encode_epochs(const Epochs& epochs) {
    std::string bytes;
    put_string(bytes, epochs.current());
    for (const Epochs::Past& one : epochs.past()) {
        put_fixed(bytes, one.end.number());
        put_string(bytes, one.name);
    }
    return bytes;
}

Result<Epochs> decode_epochs(std::string_view bytes) {
    ByteReader reader(bytes);
    std::string current(reader.string());
    std::vector<Epochs::Past> past;
    while (reader.is_fine() && !reader.is_at_end()) {
        const Position end(reader.fixed());
        past.push_back({std::string(reader.string()), end});
    }
    if (!reader.is_fine() || !std::ranges::is_sorted(past, {}, &Epochs::Past::end)) {
        return Error{ErrorCode::kUnavailable, "its list of epochs"};
    }
    return Epochs(std::move(current), std::move(past));
}

}  // namespace eventbus
