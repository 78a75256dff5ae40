#include "net/refused_origins.h"

#include <cstddef>
#include <string>

#include "base/diagnostics.h"

namespace eventbus {
namespace {

constexpr std::size_t kShownMax = 256;  // bytes of an origin; a header can hold far more

}  // namespace

void RefusedOrigins::look_at(const HttpRequest& request) {
    const auto origin = request.headers.find("Origin");
    if (!origin || request.is_upgrade || cors_.allows(*origin)) return;
    if (is_own_origin(*origin, request.headers.find("Host").value_or(""))) return;
    count_.add();
    if (clock_.now() < next_line_) return;
    next_line_ = clock_.now() + kLineEvery;
    diagnostics::warn(
        "a page of this origin may not read its answer; if it is one of yours, add it to "
        "allowed_origins (one line in 10 s at most)",
        {{"origin", std::string(origin->substr(0, kShownMax))}});
}

}  // namespace eventbus
