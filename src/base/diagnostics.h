#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

namespace eventbus {

// What the process says about itself: a constant sentence with varying fields. Any thread.
// error: somebody must act; warn: we chose to do less; info: life of the process; debug: life of a
// connection. Per event there is a counter, never a line. No tokens, no event data.
namespace diagnostics {

enum class Level { kDebug, kInfo, kWarn, kError, kOff };

// One varying part of a line: diagnostics::info("listening", {{"address", where}}).
struct Field {
    std::string_view name;
    std::string value;
};
using Fields = std::initializer_list<Field>;

void set_level(Level level);

// Lines go to standard error as text, or as one JSON object a line. None waits: one for which there
// is no room is dropped, and lines_dropped() counts it. Long values are cut to what a line holds.
void use_json(bool on);

void debug(std::string_view sentence, Fields fields = {});
void info(std::string_view sentence, Fields fields = {});
void warn(std::string_view sentence, Fields fields = {});
void error(std::string_view sentence, Fields fields = {});

}  // namespace diagnostics
}  // namespace eventbus
