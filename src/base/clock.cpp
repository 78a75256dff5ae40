#include "base/clock.h"

#include <ctime>

namespace eventbus {

std::string rfc3339(Clock::WallTime time) {
    const std::time_t stamp = Clock::WallTime::clock::to_time_t(time);
    std::tm parts{};
    gmtime_r(&stamp, &parts);
    char text[sizeof "9999-12-31T23:59:59Z"];
    std::strftime(text, sizeof text, "%FT%TZ", &parts);
    return text;
}

}  // namespace eventbus
