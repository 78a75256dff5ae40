#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "app/config.h"
#include "base/result.h"

namespace eventbus {

// One setting, as everything that speaks of it needs it: the loader, --help, and the table in
// docs/configuration.md, which a test compares. Its default is the member's, in Config.
struct Setting {
    enum class Kind : std::uint8_t {
        kText,
        kPath,
        kSecret,  // text that is never shown and has no flag: a command line can be read by others
        kSwitch,
        kWord,     // one of `words`
        kAddress,  // host:port
        kAddressOrOff,
        kCount,
        kBytes,
        kDuration,  // `min` and `max` in milliseconds
        kList,
    };
    using Member = std::variant<std::string Config::*, bool Config::*, std::size_t Config::*,
                                Config::Milliseconds Config::*, std::vector<std::string> Config::*>;

    std::string_view group;
    std::string_view key;  // in the file
    Kind kind;
    Member member;
    std::uint64_t min = 0;  // of numbers
    std::uint64_t max = 0;
    std::string_view words;     // "text|json"
    std::string_view sentence;  // what it is; ends in a full stop

    std::string flag() const;         // --message-bytes-max
    std::string flag_off() const;     // of a switch: --no-recovery
    std::string environment() const;  // EVENTBUS_MESSAGE_BYTES_MAX
    bool has_flag() const { return kind != Kind::kSecret; }
    // Of the others an empty value is hardly meant: a variable that was not filled in.
    bool may_be_empty() const { return kind == Kind::kText && default_text().empty(); }

    std::string default_text() const;  // as it would be written; empty: none
    std::string range_text() const;    // "1KiB to 64MiB", "text or json"; empty: any

    // Sets the member from text. Errors: kBadRequest, what was expected; then nothing has changed.
    Result<> assign(Config& config, std::string_view text) const;
};

// All of them, in the order in which they are explained.
std::span<const Setting> settings();

// Null: there is no such key.
const Setting* find_setting(std::string_view key);

// The key that was probably meant; empty: none is near.
std::string nearest_setting(std::string_view key);

}  // namespace eventbus
