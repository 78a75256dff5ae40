#include "backplane/embedded/scan.h"

#include <rocksdb/db.h>

#include <utility>

namespace eventbus {

std::string_view view(const rocksdb::Slice& bytes) { return {bytes.data(), bytes.size()}; }
rocksdb::Slice slice(std::string_view text) { return {text.data(), text.size()}; }

struct Scan::Bounds {
    Bounds(std::string lower, std::string upper)
        : from(std::move(lower)), to(std::move(upper)), first(from), end(to) {}
    const std::string from;
    const std::string to;
    const rocksdb::Slice first;
    const rocksdb::Slice end;
};

Scan::Scan(rocksdb::DB& db, std::string from, std::string to)
    : bounds_(std::make_unique<const Bounds>(std::move(from), std::move(to))) {
    rocksdb::ReadOptions options;
    options.iterate_lower_bound = &bounds_->first;
    options.iterate_upper_bound = &bounds_->end;
    at_.reset(db.NewIterator(options));
}

Scan::~Scan() = default;

std::string_view Scan::key() const { return view(at_->key()); }
std::string_view Scan::value() const { return view(at_->value()); }

}  // namespace eventbus
