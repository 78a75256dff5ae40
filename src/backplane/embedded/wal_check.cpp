#include "backplane/embedded/wal_check.h"

#include <rocksdb/env.h>
#include <rocksdb/wal_filter.h>
#include <rocksdb/write_batch.h>

#include <charconv>
#include <cstdint>
#include <map>
#include <vector>

namespace eventbus {
namespace {

// RocksDB's number of the first entry of a batch: its first 8 bytes, the lowest first.
std::uint64_t first_of(const rocksdb::WriteBatch& batch) {
    std::uint64_t number = 0;
    for (std::size_t i = 8; i-- > 0;) {
        number = number << 8U | static_cast<unsigned char>(batch.Data()[i]);
    }
    return number;
}

}  // namespace

class WalCheck::Filter final : public rocksdb::WalFilter {
 public:
    Filter(rocksdb::Env& env, const std::filesystem::path& folder) {
        std::vector<std::string> names;
        env.GetChildren(folder.string(), &names);
        for (const std::string& name : names) {
            std::uint64_t number = 0;
            std::uint64_t bytes = 0;
            std::from_chars(name.data(), name.data() + name.size(), number);
            if (name.ends_with(".log") && env.GetFileSize((folder / name).string(), &bytes).ok() &&
                bytes > 0) {
                unread_[number] = name;
            }
        }
    }

    const std::string& hole() const { return hole_; }

    // What stands in a log before the first one is in a table already.
    void ColumnFamilyLogNumberMap(const std::map<std::uint32_t, std::uint64_t>& first_logs,
                                  const std::map<std::string, std::uint32_t>&) override {
        for (const auto& [id, first] : first_logs) {
            unread_.erase(unread_.begin(), unread_.lower_bound(first));
        }
    }

    WalProcessingOption LogRecordFound(unsigned long long number, const std::string&,
                                       const rocksdb::WriteBatch& batch, rocksdb::WriteBatch*,
                                       bool*) override {
        unread_.erase(number);
        if (batch.Count() == 0) return WalProcessingOption::kContinueProcessing;
        const std::uint64_t first = first_of(batch);
        if (!unread_.empty() && unread_.begin()->first < number) {
            hole_ = unread_.begin()->second + " holds no entry";
        } else if (next_ != 0 && first > next_) {
            hole_ = "entries " + std::to_string(next_) + " to " + std::to_string(first - 1) +
                    " are missing";
        }
        if (!hole_.empty()) return WalProcessingOption::kCorruptedRecord;
        next_ = first + static_cast<std::uint64_t>(batch.Count());
        return WalProcessingOption::kContinueProcessing;
    }

    const char* Name() const override { return "WalCheck"; }

 private:
    std::map<std::uint64_t, std::string> unread_;  // logs in which something must be: their names
    std::uint64_t next_ = 0;                       // the number of the next entry; 0: any
    std::string hole_;
};

WalCheck::WalCheck(rocksdb::Env& env, const std::filesystem::path& folder)
    : filter_(std::make_unique<Filter>(env, folder)) {}

WalCheck::~WalCheck() = default;

rocksdb::WalFilter* WalCheck::filter() const { return filter_.get(); }

const std::string& WalCheck::hole() const { return filter_->hole(); }

}  // namespace eventbus
