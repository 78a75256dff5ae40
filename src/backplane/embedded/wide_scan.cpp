#include "backplane/embedded/wide_scan.h"

#include <rocksdb/db.h>
#include <rocksdb/metadata.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <string_view>
#include <thread>
#include <vector>

#include "backplane/embedded/scan.h"

namespace eventbus {
namespace {

constexpr std::size_t kThreadsMax = 8;
constexpr std::size_t kPartBytes = 1U << 20U;

using Take = std::function<Result<>(std::span<StoredView>)>;

// What was read and is not taken yet: copies, since RocksDB's own lives until the next step only.
class Part {
 public:
    Part() { bytes_.reserve(kPartBytes); }

    bool is_full_with(std::string_view key, std::string_view value) const {
        return !pairs_.empty() && bytes_.size() + key.size() + value.size() > kPartBytes;
    }
    void add(std::string_view key, std::string_view value) {
        const std::size_t at = bytes_.size();
        bytes_.append(key).append(value);
        const std::string_view added = std::string_view(bytes_).substr(at);
        pairs_.push_back({added.substr(0, key.size()), added.substr(key.size())});
    }
    Result<> give(const Take& take) {
        Result<> taken = take(pairs_);
        pairs_.clear();
        bytes_.clear();
        return taken;
    }

 private:
    std::string bytes_;
    std::vector<StoredView> pairs_;
};

// Where files begin and end within the range: about as much lies between two of them as between
// two others.
std::vector<std::string> bounds_of(rocksdb::DB& db, std::string from, std::string to) {
    std::vector<std::string> bounds{std::move(from), std::move(to)};
    std::vector<rocksdb::LiveFileMetaData> files;
    db.GetLiveFilesMetaData(&files);
    for (const rocksdb::LiveFileMetaData& file : files) {
        for (const std::string& key : {file.smallestkey, file.largestkey}) {
            if (key > bounds[0] && key < bounds[1]) bounds.push_back(key);
        }
    }
    std::sort(bounds.begin(), bounds.end());
    bounds.erase(std::unique(bounds.begin(), bounds.end()), bounds.end());
    return bounds;
}

}  // namespace

Result<> scan_wide(const Database& database, std::string from, std::string to, const Take& take) {
    const Database::Reading db = database.read();
    if (!db) return database.unreadable("it is closed");
    const std::vector<std::string> bounds = bounds_of(*db, std::move(from), std::move(to));
    std::atomic<std::size_t> next = 1;  // of bounds, where what is to be read next ends
    std::mutex mutex;
    Result<> result;
    const auto fail = [&](Error error) {
        next = bounds.size();
        const std::lock_guard lock(mutex);
        result = std::move(error);
    };
    const auto read = [&] {
        Part part;
        for (std::size_t end = next++; end < bounds.size(); end = next++) {
            const Scan at(*db, bounds[end - 1], bounds[end]);
            for (at->SeekToFirst(); at->Valid(); at->Next()) {
                if (part.is_full_with(at.key(), at.value())) {
                    if (Result<> taken = part.give(take); !taken) return fail(taken.error());
                }
                part.add(at.key(), at.value());
            }
            if (!at->status().ok()) return fail(database.unreadable(at->status()));
        }
        if (Result<> taken = part.give(take); !taken) fail(taken.error());
    };
    std::vector<std::thread> others;
    const std::size_t threads = std::min(
        {bounds.size() - 1, kThreadsMax, std::size_t{std::thread::hardware_concurrency()}});
    while (others.size() + 1 < threads) others.emplace_back(read);
    read();
    for (std::thread& other : others) other.join();
    return result;
}

}  // namespace eventbus
