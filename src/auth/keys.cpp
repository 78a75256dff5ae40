#include "auth/keys.h"

#include <utility>

#include "base/assert.h"

namespace eventbus {

Result<> KeySet::add(Key key) {
    BUS_ASSERT(key.material != nullptr);
    if (keys_.size() == kKeysMax) {
        return Error{ErrorCode::kTooMany, "more than " + std::to_string(kKeysMax) +
                                              " keys; remove those that no longer sign"};
    }
    keys_.push_back(std::move(key));
    return {};
}

std::vector<const Key*> KeySet::candidates(std::string_view id) const {
    std::vector<const Key*> found;
    for (const Key& key : keys_) {
        if (id.empty() || key.id.empty() || key.id == id) found.push_back(&key);
    }
    return found;
}

std::string KeySet::algorithms() const {
    std::string names;
    for (const Key& key : keys_) {
        const std::string name(jose::to_string(key.algorithm));
        if (names.find(name) != std::string::npos) continue;
        if (!names.empty()) names += ", ";
        names += name;
    }
    return names;
}

Result<KeySet> keys_of_secret(std::string_view secret) {
    auto material = jose::import_secret(secret);
    if (!material) return material.error();
    KeySet keys;
    const Result<> added = keys.add(Key{.material = *std::move(material)});
    BUS_ASSERT(added);
    return keys;
}

}  // namespace eventbus
