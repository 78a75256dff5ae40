#include "log/log.h"

#include <algorithm>

namespace eventbus {

Result<Position> visible_position(const Log& log, std::string_view text) {
    const Result<Offset> offset = parse_offset(text);
    if (!offset) return offset.error();
    if (offset->epoch != log.epoch()) {
        return Error{ErrorCode::kBadOffset,
                     "the offset is of another log: the server's data was replaced"};
    }
    return std::min(offset->position, log.frontier());
}

}  // namespace eventbus
