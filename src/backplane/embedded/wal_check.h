#pragma once

#include <filesystem>
#include <memory>
#include <string>

namespace rocksdb {
class Env;
class WalFilter;
}  // namespace rocksdb

namespace eventbus {

// Whether the entries in the write-ahead logs of a store follow one another, while RocksDB reads
// them to open it. RocksDB takes zeros for the quiet end of a log, or of a block of 32 KiB in it,
// and reads on behind them: what they have overwritten would be skipped without a word.
//
// It stops an opening at the first hole, with Status::Corruption. Zeros up to the end of the newest
// log leave no hole, and may be all that a crash left of it (expected_files.h looks at those).
//
// Thread: the one that opens. Lives as long as what was opened.
class WalCheck {
 public:
    // For one opening of the store in `folder`.
    WalCheck(rocksdb::Env& env, const std::filesystem::path& folder);
    ~WalCheck();
    WalCheck(const WalCheck&) = delete;
    WalCheck& operator=(const WalCheck&) = delete;

    // For rocksdb::Options.
    rocksdb::WalFilter* filter() const;

    // Where the hole is, in words; empty: there is none.
    const std::string& hole() const;

 private:
    class Filter;
    const std::unique_ptr<Filter> filter_;
};

}  // namespace eventbus
