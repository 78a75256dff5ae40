#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "event/plan.h"
#include "log/entry.h"
#include "log/offset.h"

namespace eventbus {

// A write that belongs to an entry: it is on disk before the entry is visible.
struct StoredChange {
    std::string key;
    std::optional<std::string> value;  // none: the key is erased
};

// One that is read back.
struct StoredView {
    std::string_view key;
    std::string_view value;
};

// What bind() made of a plan.
struct Bound {
    std::shared_ptr<Entry> entry;  // made where it stays; `published_at` is the log's to set
    std::vector<StoredChange> changes;
};

// Seam: what becomes of a plan at its place in the log.
//
// Thread:  the sequencer's turn; load() before the first, by any thread, several at once too.
// Invariants:
//   (1) bind() sees what all before it did, those that are not committed included.
//   (2) undo() takes back every bind() since the last commit(), and nothing else.
//   (3) A binder that was given all changes by load(), in any order and parts, is as
//       the one that made them.
class Binder {
 public:
    virtual ~Binder() = default;

    // Errors: kForbidden, kTooMany; then it has changed nothing.
    virtual Result<Bound> bind(Plan&& plan, Position position) = 0;
    virtual void commit() = 0;
    virtual void undo() = 0;

    // A part of what was stored, at the start. The larger the parts, the faster.
    // Errors: kInternal, it is damaged.
    virtual Result<> load(std::span<const StoredView> part) = 0;
};

}  // namespace eventbus
