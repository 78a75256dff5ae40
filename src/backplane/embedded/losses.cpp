#include "backplane/embedded/losses.h"

#include <algorithm>
#include <utility>

namespace eventbus {

std::vector<std::string> Losses::note(std::string_view type, Position through) {
    const std::lock_guard lock(mutex_);
    through_ = std::max(through_, through);
    ++count_;
    if (type.empty()) {
        any_ = std::max(any_, through);
        return {};
    }
    const auto found = types_.find(type);
    if (found != types_.end()) {
        found->second = std::max(found->second, through);
        return {};
    }
    types_.emplace(type, through);
    return types_.size() <= kTypesMax ? std::vector<std::string>() : merge_half();
}

std::vector<std::string> Losses::merge_half() {
    std::vector<std::pair<Position, std::string>> all;
    all.reserve(types_.size());
    for (const auto& [type, through] : types_) all.emplace_back(through, type);
    const auto middle = all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2);
    std::nth_element(all.begin(), middle, all.end());
    std::vector<std::string> merged;
    for (auto one = all.begin(); one != middle; ++one) {
        any_ = std::max(any_, one->first);
        types_.erase(one->second);
        merged.push_back(std::move(one->second));
    }
    return merged;
}

Position Losses::of(std::string_view type) const {
    const std::lock_guard lock(mutex_);
    const auto found = types_.find(type);
    return found == types_.end() ? Position() : found->second;
}

Position Losses::of_any() const {
    const std::lock_guard lock(mutex_);
    return any_;
}

Position Losses::through() const {
    const std::lock_guard lock(mutex_);
    return through_;
}

std::uint64_t Losses::count() const {
    const std::lock_guard lock(mutex_);
    return count_;
}

std::vector<Lost> Losses::after(Position position) const {
    const std::lock_guard lock(mutex_);
    std::vector<Lost> lost;
    if (through_ <= position) return lost;
    if (any_ > position) lost.push_back({std::string(), any_});
    for (const auto& [type, through] : types_) {
        if (through > position) lost.push_back({type, through});
    }
    return lost;
}

}  // namespace eventbus
