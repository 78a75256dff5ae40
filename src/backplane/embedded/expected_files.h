#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

namespace rocksdb {
class Env;
class RandomRWFile;
}  // namespace rocksdb

namespace eventbus {

// Changes with each start of the machine. Empty: it has none.
std::string machine_boot_id();

// Whether a pipe, a device or a folder is there. To open one may wait forever.
bool is_special_file(const std::filesystem::path& path);

// What the next start must find in the folder of a store. RocksDB takes a write-ahead log that is
// missing or cut off for one that was never written, and a manifest that is cut off for one that
// ended there: both open, and what was in them is gone without a word.
//
// The file EXPECTED in the folder has a line each for the manifest, the newest write-ahead log when
// it was last synced, the newest when it was last written, in which life of the machine, and the
// number that RocksDB gave to the last entry at both times:
//
//   MANIFEST-000005 1234
//   000007.log 5678
//   000007.log 6000 c8d5e8a2-…
//   sequence 340 352
//
// The numbers find what a size does not: a log of zeros, which RocksDB takes for a quiet end.
//
// It is overwritten in place behind each write and with each look, and synced at the start and at
// the end only. The end of the process takes nothing from it, but what RocksDB's own threads wrote
// to the manifest since then is not known. After a loss of power it may say less than is there, and
// of what was synced never more; what was not synced is expected only while the machine runs. So
// files that are newer than it says are right, and where it is missing nothing is expected.
//
// Thread: the writer of the store.
// Cost:   note() that has news: one pwrite of about 120 bytes.
class ExpectedFiles {
 public:
    struct File {
        std::string name;
        std::uint64_t bytes = 0;  // that it has at least
    };
    struct Wal {
        File newest;
        std::uint64_t sequence = 0;  // of the last entry; 0: nothing is expected
    };

    // `boot_id` as machine_boot_id() gives it; the folder need not exist yet.
    ExpectedFiles(rocksdb::Env& env, std::filesystem::path folder, std::string boot_id);
    ~ExpectedFiles();
    ExpectedFiles(const ExpectedFiles&) = delete;
    ExpectedFiles& operator=(const ExpectedFiles&) = delete;

    // What is there now; `is_synced`: all that was written to `wal` is. A disk that does not take
    // it leaves what it said before, which still holds.
    void note(const File& manifest, const Wal& wal, bool is_synced);
    void sync();

    // What the last life left here, for the comparisons. Before RocksDB opens it. Why it cannot be
    // compared, in words; empty: it can, or nothing was left, as by an earlier release.
    std::string read();

    // What the folder lacks, in words; empty: nothing that is known. Before RocksDB opens it.
    std::string missing_of_manifest() const;
    std::string missing_of_wal() const;
    // The same, once RocksDB has opened it and come to `sequence`.
    std::string missing_of_entries(std::uint64_t sequence) const;

    // Of a copy, whose files are of different moments.
    static void forget(const std::filesystem::path& folder);

 private:
    struct Said {
        File manifest;
        Wal synced;
        Wal written;
        std::string boot_id;  // of `written`
    };
    static std::optional<Said> parse(const std::string& text);
    const Wal& last_wal() const;
    std::string compare(const File& expected, const std::string& newest) const;

    rocksdb::Env& env_;
    const std::filesystem::path folder_;
    const std::string boot_id_;
    std::optional<Said> said_;  // by the last life
    Wal synced_;
    std::string text_;  // that is there now
    std::unique_ptr<rocksdb::RandomRWFile> file_;
};

}  // namespace eventbus
