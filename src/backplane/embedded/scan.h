#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace rocksdb {
class DB;
class Iterator;
class Slice;
}  // namespace rocksdb

namespace eventbus {

std::string_view view(const rocksdb::Slice& bytes);
rocksdb::Slice slice(std::string_view text);

// The keys in [from, to), as an iterator. It never looks beyond: what was deleted there, until
// RocksDB has compacted it, costs a step each.
class Scan {
 public:
    Scan(rocksdb::DB& db, std::string from, std::string to);
    ~Scan();
    Scan(const Scan&) = delete;
    Scan& operator=(const Scan&) = delete;

    rocksdb::Iterator* operator->() const { return at_.get(); }
    std::string_view key() const;
    std::string_view value() const;

 private:
    struct Bounds;
    const std::unique_ptr<const Bounds> bounds_;  // at_ looks at them
    std::unique_ptr<rocksdb::Iterator> at_;
};

}  // namespace eventbus
