#include "base/error.h"

#include <array>

#include "base/assert.h"

namespace eventbus {
namespace {

constexpr auto kTable = std::to_array<ErrorInfo>({
#define BUS_ERROR_ROW(enumerator, name, status, retry, title) \
    ErrorInfo{name, status, Retry::retry, title},
    BUS_ERRORS(BUS_ERROR_ROW)
#undef BUS_ERROR_ROW
});

}  // namespace

const ErrorInfo& error_info(ErrorCode code) {
    const auto row = static_cast<std::size_t>(code);
    BUS_ASSERT(row < kTable.size());
    return kTable[row];
}

}  // namespace eventbus
